import { expect, test } from "vitest";
import { toYaml } from "./yaml";

test("a definition reads as people write it", () => {
  expect(
    toYaml({
      type: "http",
      host: "127.0.0.1",
      port: 8080,
      interval: "1m30s",
      ssl: false,
      tags: ["web", "prod"],
      headers: { "X-A": "1", Accept: "text/html" },
      steps: [{ run: "a", args: [] }, "b"],
    }),
  ).toBe(
    [
      "type: http",
      "host: 127.0.0.1",
      "port: 8080",
      "interval: 1m30s",
      "ssl: false",
      "tags: [web, prod]",
      "headers:",
      '  X-A: "1"',
      "  Accept: text/html",
      "steps:",
      "  - run: a",
      "    args: []",
      "  - b",
      "",
    ].join("\n"),
  );
});

test.each(["yes", "Off", "null", "1", "010", "~", "", "a: b", "# x", "*", " a", "a ", "- x", "2016-01-02"])(
  "%j stays text",
  (value) => {
    expect(toYaml({ k: value })).toBe(`k: ${JSON.stringify(value)}\n`);
  },
);

test("several lines become a block", () => {
  expect(toYaml({ send: "a\n  b\n", tail: "x\ny" })).toBe("send: |\n  a\n    b\ntail: |-\n  x\n  y\n");
});
