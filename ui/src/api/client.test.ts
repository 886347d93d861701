// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, named, onSignedOut, request, url } from "./client";

function setBase(path: string): void {
  document.head.innerHTML = `<base href="${path}">`;
}

function answer(status: number, body: string, headers: Record<string, string> = {}): void {
  vi.stubGlobal(
    "fetch",
    vi.fn(async () => new Response(status === 204 ? null : body, { status, headers })),
  );
}

beforeEach(() => setBase("/ui/"));
afterEach(() => {
  vi.unstubAllGlobals();
});

test("addresses keep the prefix of a proxy", () => {
  expect(url("/api/v1/state")).toBe("/api/v1/state");
  setBase("/tools/9volt/ui/");
  expect(url("/api/v1/state", { q: "a b", limit: 5, tags: undefined })).toBe("/tools/9volt/api/v1/state?q=a+b&limit=5");
});

test("names are escaped as one path segment", () => {
  expect(named("monitor", "a/b c", "/run")).toBe("/api/v1/monitor/a%2Fb%20c/run");
});

test("an error carries the server's words and problems", async () => {
  answer(422, JSON.stringify({ status: "error", message: "bad", problems: [{ severity: "error", message: "m" }] }));
  const error = await request("/x").catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 422, message: "bad", problems: [{ message: "m" }] });
});

test("an answer that is not JSON is an error, not a crash", async () => {
  answer(200, "<html>");
  await expect(request("/x")).rejects.toThrow(/not JSON/);
});

test("no answer is unreachable", async () => {
  vi.stubGlobal("fetch", vi.fn().mockRejectedValue(new TypeError("failed")));
  const error = (await request("/x").catch((e: unknown) => e)) as ApiError;
  expect(error.unreachable).toBe(true);
});

test("an empty answer is an answer", async () => {
  answer(204, "");
  expect((await request("/x")).status).toBe(204);
});

test("401 tells whoever listens", async () => {
  answer(401, "{}");
  const told = vi.fn();
  const off = onSignedOut(told);
  await request("/x").catch(() => undefined);
  off();
  expect(told).toHaveBeenCalledOnce();
});
