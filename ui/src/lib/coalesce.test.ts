import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Coalescer } from "./coalesce";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a burst is handed over once, without repeats", () => {
  const seen: string[][] = [];
  const c = new Coalescer<string>((keys) => seen.push(keys), { first: 100, every: 1000 });
  c.add("a", "a");
  c.add("b", "b");
  c.add("a", "a");
  vi.advanceTimersByTime(100);
  expect(seen).toEqual([["a", "b"]]);
});

test("what follows waits for its turn", () => {
  const seen: string[][] = [];
  const c = new Coalescer<string>((keys) => seen.push(keys), { first: 100, every: 1000 });
  c.add("a", "a");
  vi.advanceTimersByTime(100);
  c.add("b", "b");
  vi.advanceTimersByTime(900);
  expect(seen).toEqual([["a"]]);
  vi.advanceTimersByTime(100);
  expect(seen).toEqual([["a"], ["b"]]);
});

test("held keys are kept until released", () => {
  const seen: string[][] = [];
  const c = new Coalescer<string>((keys) => seen.push(keys), { first: 100, every: 1000 });
  c.hold(true);
  c.add("a", "a");
  vi.advanceTimersByTime(5000);
  expect(seen).toEqual([]);
  c.hold(false);
  vi.advanceTimersByTime(100);
  expect(seen).toEqual([["a"]]);
});
