import { expect, test } from "vitest";
import type { Sample } from "../api/state";
import { percentile, phaseOrder, toSeries } from "./series";

const sample = (s: number, outcome: Sample["outcome"], took: number | null, phases?: Sample["phases"]): Sample => ({
  at: new Date(s * 1000).toISOString(),
  outcome,
  took_ms: took,
  phases,
});

test("phases are stacked in the order in which they happen", () => {
  const series = toSeries([sample(1, "pass", 6, { first_byte: 3, connect: 2, resolve: 1 })]);
  expect(series.phases).toEqual(["resolve", "connect", "first_byte"]);
  expect(series.stacked).toEqual([[1], [3], [6]]);
});

test("a failed sample is a gap", () => {
  const series = toSeries([sample(1, "pass", 2, { connect: 2 }), sample(2, "fail", 50, { connect: 50 })]);
  expect(series.stacked).toEqual([[2, null]]);
  expect(series.failed).toEqual([false, true]);
});

test("time that no phase explains is shown as such", () => {
  const series = toSeries([sample(1, "pass", 10, { connect: 2 })]);
  expect(series.phases).toEqual(["connect", "other"]);
  expect(series.stacked).toEqual([[2], [10]]);
});

test("without phases there is one line", () => {
  const series = toSeries([sample(1, "pass", 10)]);
  expect(series.phases).toEqual(["took"]);
  expect(series.stacked).toEqual([[10]]);
});

test("unknown phases come after the known", () => {
  expect(phaseOrder([{ phases: { zeta: 1, tls: 1 } }, { phases: { resolve: 1 } }])).toEqual(["resolve", "tls", "zeta"]);
});

test("percentiles are values that occurred", () => {
  expect(percentile([], 0.5)).toBeNull();
  expect(percentile([5, 1, 3], 0.5)).toBe(3);
  expect(percentile([5, 1, 3], 0.99)).toBe(5);
});
