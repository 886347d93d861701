/// <reference types="vitest/config" />
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `npm run dev` finds a running 9volt (or the mock of e2e/). */
const backend = process.env.NINEVOLT_URL ?? "http://127.0.0.1:8080";

export default defineConfig(({ command }) => ({
  // Built, every address is relative, so that any proxy prefix works; in development the page lives at /ui/.
  base: command === "build" ? "./" : "/ui/",
  plugins: [react(), tailwindcss()],
  build: { target: "es2022", sourcemap: false, reportCompressedSize: true },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: backend }, "/openapi.json": { target: backend }, "/version": { target: backend } },
  },
  test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true },
}));
