import { expect, test } from "vitest";
import { rowForKey, windowsFor } from "./windows";

test("only the windows in sight are named", () => {
  expect(windowsFor(0, 20, 100)).toEqual([0]);
  expect(windowsFor(95, 110, 100)).toEqual([0, 1]);
  expect(windowsFor(99_950, 99_999, 100)).toEqual([999]);
  expect(windowsFor(0, -1, 100)).toEqual([]);
});

test("keys move by row, by page and to the ends, never beyond", () => {
  expect(rowForKey("j", 0, 10, 5)).toBe(1);
  expect(rowForKey("ArrowUp", 0, 10, 5)).toBe(0);
  expect(rowForKey("PageDown", 7, 10, 5)).toBe(9);
  expect(rowForKey("End", 0, 10, 5)).toBe(9);
  expect(rowForKey("x", 0, 10, 5)).toBeNull();
  expect(rowForKey("j", 0, 0, 5)).toBeNull();
});
