import { expect, test } from "vitest";
import { titleOf } from "./title";

test.each([
  ["/", 0, "9volt"],
  ["/", 3, "(3) 9volt"],
  ["/monitors", 1, "(1) Monitors · 9volt"],
  ["/monitors/a%2Fb", 0, "a/b · 9volt"],
  ["/cluster", 0, "Cluster · 9volt"],
  ["/monitors/web/edit", 0, "web · 9volt"],
  ["/monitors/100%", 0, "100% · 9volt"],
  ["/nowhere", 0, "9volt"],
])("at %s with %i failing the tab says %s", (path, failing, title) => {
  expect(titleOf(path, failing)).toBe(title);
});
