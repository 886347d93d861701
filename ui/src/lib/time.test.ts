import { expect, test } from "vitest";
import { duration, interval, parseDuration, relative, took } from "./time";

test.each([
  [0, "0s"],
  [59_999, "59s"],
  [250_000, "4m 10s"],
  [15 * 60_000 + 4000, "15m"],
  [3 * 3_600_000 + 5 * 60_000, "3h 5m"],
  [86_400_000 * 12 + 3_600_000 * 4, "12d 4h"],
  [86_400_000 * 40 + 3_600_000, "40d"],
])("%i ms lasts %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test("relative times look both ways", () => {
  expect(relative(0, 500)).toBe("just now");
  expect(relative(0, 90_000)).toBe("1m 30s ago");
  expect(relative(90_000, 0)).toBe("in 1m 30s");
});

test.each([
  [null, "–"],
  [0.214, "0.21 ms"],
  [12.44, "12.4 ms"],
  [840.2, "840 ms"],
  [2310, "2.31 s"],
  [12_000, "12.0 s"],
])("%s ms took %s", (ms, text) => {
  expect(took(ms)).toBe(text);
});

test.each([
  [1, "1 ms"],
  [10_000, "10 s"],
  [90_000, "1 m 30 s"],
  [86_400_000, "1 d"],
])("an interval of %i ms reads %s", (ms, text) => {
  expect(interval(ms)).toBe(text);
});

test.each([
  ["1h30m", 5_400_000],
  ["2 d", 172_800_000],
  ["250ms", 250],
  ["", null],
  ["soon", null],
  ["0s", null],
  ["1h nonsense", null],
])("%j is a duration of %s ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});
