import { expect, test } from "vitest";
import { diffFields } from "./diff";

test("only what differs is named, with its path", () => {
  expect(diffFields({ a: 1, h: { x: 1, y: 2 }, l: [1] }, { a: 1, h: { x: 1, y: 3 }, l: [1, 2], n: true })).toEqual([
    { field: "h.y", before: 2, after: 3 },
    { field: "l", before: [1], after: [1, 2] },
    { field: "n", before: undefined, after: true },
  ]);
});

test("equal definitions have no changes", () => {
  expect(diffFields({ b: 1, a: [] }, { a: [], b: 1 })).toEqual([]);
});
