import type { Status, Transition } from "../api/state";

/** A stretch of one status; `status` null is before anything is known. */
export type Segment = { from: number; to: number; status: Status | null; message: string };

/**
 * Statuses of a window of time, oldest first, from the transitions that are known (newest first, as the server gives
 * them). Before the oldest of them its own `from` status holds for as long as `knownSince` says.
 */
export function segments(
  transitions: readonly Transition[],
  current: { status: Status; since: number; message: string },
  window: { from: number; to: number },
): Segment[] {
  const points = transitions
    .map((t) => ({ at: Date.parse(t.at), from: t.from, to: t.to, message: t.message }))
    .filter((t) => Number.isFinite(t.at) && t.at < window.to)
    .sort((a, b) => a.at - b.at);
  const out: Segment[] = [];
  const push = (from: number, to: number, status: Status | null, message: string) => {
    const start = Math.max(from, window.from);
    const end = Math.min(to, window.to);
    if (end <= start) return;
    const last = out.at(-1);
    if (last !== undefined && last.status === status && status === "ok") last.to = end;
    else out.push({ from: start, to: end, status, message });
  };
  const first = points[0];
  if (first === undefined) {
    push(window.from, current.since, null, "not known");
    push(current.since, window.to, current.status, current.message);
    return out;
  }
  push(window.from, first.at, first.from === "pending" ? null : first.from, "");
  points.forEach((point, i) => {
    push(point.at, points[i + 1]?.at ?? window.to, point.to, point.message);
  });
  return out;
}

/** Share of the known time that was ok, or null when nothing is known. */
export function uptime(list: readonly Segment[]): number | null {
  let known = 0;
  let ok = 0;
  for (const s of list) {
    if (s.status === null || s.status === "pending") continue;
    known += s.to - s.from;
    if (s.status === "ok") ok += s.to - s.from;
  }
  return known === 0 ? null : ok / known;
}

const HOUR = 3_600_000;

/** The shortest of a few usual windows that holds what is known. */
export function windowFor(oldest: number, now: number): { ms: number; label: string } {
  const age = now - oldest;
  if (age <= HOUR) return { ms: HOUR, label: "last hour" };
  if (age <= 6 * HOUR) return { ms: 6 * HOUR, label: "last 6 hours" };
  if (age <= 24 * HOUR) return { ms: 24 * HOUR, label: "last 24 hours" };
  if (age <= 72 * HOUR) return { ms: 72 * HOUR, label: "last 3 days" };
  return { ms: 7 * 24 * HOUR, label: "last 7 days" };
}
