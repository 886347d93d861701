/// <reference types="vitest/config" />
import { createHash } from "node:crypto";
import { brotliCompressSync, gzipSync } from "node:zlib";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Where `npm run dev` finds a running 9volt (or the mock of e2e/). */
const backend = process.env.NINEVOLT_URL ?? "http://127.0.0.1:8080";

/**
 * The built page states its own content security policy. Only its own files run, and the one inline script of
 * index.html by its hash; styles may be inline because the dialogs lock scrolling with a style element.
 */
function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html) {
        const inline = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
          ([, code]) => `'sha256-${createHash("sha256").update(code).digest("base64")}'`,
        );
        const policy = [
          "default-src 'self'",
          `script-src 'self' ${inline.join(" ")}`,
          "style-src 'self' 'unsafe-inline'",
          "img-src 'self' data:",
          "object-src 'none'",
          "base-uri 'self'",
          "form-action 'self'",
        ].join("; ");
        const meta = `<meta http-equiv="Content-Security-Policy" content="${policy}" />`;
        return html.replace('<meta charset="utf-8" />', `<meta charset="utf-8" />\n    ${meta}`);
      },
    },
  };
}

/** Below this a compressed twin saves nothing worth a file. */
const WORTH_BYTES = 1024;

/** Compressed twins beside scripts and styles: the server picks by what the browser takes, and compresses nothing itself. */
function compressedTwins(): Plugin {
  return {
    name: "compressed-twins",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        for (const [fileName, file] of Object.entries(bundle)) {
          const text = file.type === "chunk" ? file.code : file.source;
          if (!/\.(?:js|css)$/.test(fileName) || text.length < WORTH_BYTES) continue;
          this.emitFile({ type: "asset", fileName: `${fileName}.br`, source: brotliCompressSync(text) });
          this.emitFile({ type: "asset", fileName: `${fileName}.gz`, source: gzipSync(text, { level: 9 }) });
        }
      },
    },
  };
}

export default defineConfig(({ command }) => ({
  // Built, every address is relative, so that any proxy prefix works; in development the page lives at /ui/.
  base: command === "build" ? "./" : "/ui/",
  plugins: [react(), tailwindcss(), contentSecurityPolicy(), compressedTwins()],
  build: { target: "es2022", sourcemap: false, reportCompressedSize: true },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: backend }, "/openapi.json": { target: backend }, "/version": { target: backend } },
  },
  test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true },
}));
