import { expect, test } from "vitest";
import type { Transition } from "../api/state";
import { segments, uptime, windowFor } from "./history";

const at = (ms: number) => new Date(ms).toISOString();
const step = (ms: number, from: Transition["from"], to: Transition["to"]): Transition => ({
  at: at(ms),
  from,
  to,
  message: `${from} to ${to}`,
});

test("transitions become stretches that fill the window", () => {
  const list = segments(
    [step(80, "critical", "ok"), step(50, "ok", "critical")],
    { status: "ok", since: 80, message: "" },
    { from: 0, to: 100 },
  );
  expect(list.map((s) => [s.from, s.to, s.status])).toEqual([
    [0, 50, "ok"],
    [50, 80, "critical"],
    [80, 100, "ok"],
  ]);
  expect(uptime(list)).toBeCloseTo(0.7);
});

test("without transitions only the time since the current status is known", () => {
  const list = segments([], { status: "ok", since: 60, message: "" }, { from: 0, to: 100 });
  expect(list.map((s) => s.status)).toEqual([null, "ok"]);
  expect(uptime(list)).toBe(1);
});

test("a window that begins inside an outage shows it from its edge", () => {
  const list = segments(
    [step(10, "ok", "critical")],
    { status: "critical", since: 10, message: "" },
    { from: 50, to: 100 },
  );
  expect(list.map((s) => [s.from, s.to, s.status])).toEqual([[50, 100, "critical"]]);
  expect(uptime(list)).toBe(0);
});

test("the window grows with what is known", () => {
  expect(windowFor(0, 1000).label).toBe("last hour");
  expect(windowFor(0, 8 * 3_600_000).label).toBe("last 24 hours");
});
