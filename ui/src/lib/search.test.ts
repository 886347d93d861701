import { expect, test } from "vitest";
import { nextSort, parseSearch, pick, stringifySearch, toggleInList } from "./search";

test("filters stay readable in the address and come back the same", () => {
  const search = { q: "web 1", status: "critical,warning", tags: "", n: undefined };
  const text = stringifySearch(search);
  expect(text).toBe("?q=web+1&status=critical,warning");
  expect(parseSearch(text)).toEqual({ q: "web 1", status: "critical,warning" });
});

test("numbers typed as text stay text", () => {
  expect(parseSearch("?q=007")).toEqual({ q: "007" });
});

test("only known parameters are kept", () => {
  expect(pick({ q: "x", evil: "y", status: "" }, ["q", "status"])).toEqual({ q: "x" });
});

test("a value in a list is toggled", () => {
  expect(toggleInList(undefined, "a")).toBe("a");
  expect(toggleInList("a,b", "a")).toBe("b");
  expect(toggleInList("a", "a")).toBeUndefined();
});

test("a column sorts up, down, and not at all", () => {
  expect(nextSort(undefined, "name")).toBe("name");
  expect(nextSort("name", "name")).toBe("-name");
  expect(nextSort("-name", "name")).toBeUndefined();
});
