import { expect, test } from "vitest";
import type { Counts } from "../api/overview";
import { headline, worst, worstFirst } from "./status";

const NONE: Counts = {
  total: 0,
  ok: 0,
  warning: 0,
  critical: 0,
  pending: 0,
  disabled: 0,
  unwatched: 0,
  silenced: 0,
  orphaned: 0,
  invalid: 0,
  broken: 0,
  unreachable: 0,
};

test("what nobody muted comes first, then the worst, then the newest", () => {
  const at = (minute: number) => `2026-11-20T09:${String(minute).padStart(2, "0")}:00.000Z`;
  const sorted = worstFirst([
    { id: "silenced", status: "critical", since: at(9), silenced: true },
    { id: "warning", status: "warning", since: at(8), silenced: false },
    { id: "old", status: "critical", since: at(1), silenced: false },
    { id: "new", status: "critical", since: at(5), silenced: false },
  ]);
  expect(sorted.map((i) => i.id)).toEqual(["new", "old", "warning", "silenced"]);
});

test("the headline answers whether anything is wrong", () => {
  expect(headline(NONE)).toBe("Nothing is watched yet");
  expect(headline({ ...NONE, total: 2, pending: 2 })).toBe("Waiting for first results");
  expect(headline({ ...NONE, total: 2, ok: 2 })).toBe("Everything is fine");
  expect(headline({ ...NONE, total: 2, ok: 2, unwatched: 1 })).toMatch(/as far as we can see/);
  expect(headline({ ...NONE, total: 2, ok: 1, pending: 1, unreachable: 1 })).toMatch(/as far as we can see/);
  expect(headline({ ...NONE, total: 2, ok: 1, warning: 1 })).toBe("1 monitor has a warning");
  expect(headline({ ...NONE, total: 3, ok: 1, warning: 1, critical: 1 })).toBe("2 monitors are failing");
});

test("the whole is as bad as its worst part", () => {
  expect(worst({ ...NONE, total: 1, ok: 1 })).toBe("ok");
  expect(worst({ ...NONE, total: 2, ok: 1, warning: 1 })).toBe("warning");
  expect(worst({ ...NONE, total: 2, warning: 1, critical: 1 })).toBe("critical");
});
