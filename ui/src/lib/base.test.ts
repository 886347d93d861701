import { expect, test } from "vitest";
import HTML from "../../index.html?raw";
import APP from "../App.tsx?raw";

// The script of index.html is tested as it is served: it runs before any module could.
const SCRIPT = /<script>([\s\S]*?)<\/script>/.exec(HTML)?.[1] ?? "";

function baseOf(pathname: string): string {
  let href = "";
  const element = {
    set href(value: string) {
      href = value;
    },
  };
  const doc = {
    createElement: () => element,
    head: { appendChild: () => undefined },
    documentElement: { dataset: {} },
  };
  const win = {
    location: { pathname },
    localStorage: { getItem: () => "dark" },
    matchMedia: () => ({ matches: false }),
  };
  new Function("document", "window", SCRIPT)(doc, win);
  return href;
}

test.each([
  ["/ui", "/ui/"],
  ["/ui/", "/ui/"],
  ["/ui/monitors/ui", "/ui/"],
  ["/ui/monitors/a%2Fb/edit", "/ui/"],
  ["/ui/api", "/ui/"],
  ["/tools/9volt/ui", "/tools/9volt/ui/"],
  ["/tools/9volt/ui/silences", "/tools/9volt/ui/"],
  ["/ui/9volt/ui/events", "/ui/9volt/ui/"],
  ["/ui/no-such-page", "/ui/"],
  ["/", "/"],
])("at %s the base is %s", (path, base) => {
  expect(baseOf(path)).toBe(base);
});

test("the script knows every first segment of the route table", () => {
  const segments = [...APP.matchAll(/path: "\/([a-z-]+)/g)].map((m) => m[1] ?? "");
  expect(segments.length).toBeGreaterThan(9);
  for (const segment of segments) expect(SCRIPT).toContain(segment);
});
