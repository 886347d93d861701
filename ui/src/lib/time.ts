/** Words for times and durations. Pure: "now" is always a parameter. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The largest two units that matter: `8s`, `4m 10s`, `3h 5m`, `12d 4h`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  const abs = Math.max(0, ms);
  if (abs < MINUTE) return `${Math.floor(abs / SECOND)}s`;
  if (abs < HOUR) return pair(abs, MINUTE, "m", SECOND, "s", 10);
  if (abs < DAY) return pair(abs, HOUR, "h", MINUTE, "m", 24);
  return pair(abs, DAY, "d", HOUR, "h", 14);
}

/** The second unit is dropped once the first is large enough to carry the meaning alone. */
function pair(ms: number, unit: number, name: string, sub: number, subName: string, exactBelow: number): string {
  const whole = Math.floor(ms / unit);
  const rest = Math.floor((ms % unit) / sub);
  return rest > 0 && whole < exactBelow ? `${whole}${name} ${rest}${subName}` : `${whole}${name}`;
}

/** `12s ago`, `in 4m`, `just now`. */
export function relative(at: number, now: number): string {
  const delta = now - at;
  if (Math.abs(delta) < 2 * SECOND) return "just now";
  return delta > 0 ? `${duration(delta)} ago` : `in ${duration(-delta)}`;
}

const ABSOLUTE = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});

/** The whole truth, for a tooltip. */
export function absolute(at: number): string {
  return Number.isFinite(at) ? ABSOLUTE.format(at) : "unknown time";
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DAY_CLOCK = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/** Time of day; with the date once it is not today. */
export function clock(at: number, now: number): string {
  return new Date(at).toDateString() === new Date(now).toDateString() ? CLOCK.format(at) : DAY_CLOCK.format(at);
}

/** A measured time: `0.21 ms`, `12.4 ms`, `840 ms`, `2.31 s`. */
export function took(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  if (ms < 10_000) return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
  return `${(ms / 1000).toFixed(1)} s`;
}

/** An interval of a definition: `10 s`, `250 ms`, `1 h 30 m`. */
export function interval(ms: number): string {
  if (!Number.isFinite(ms) || ms <= 0) return "–";
  if (ms < SECOND) return `${Number(ms.toFixed(3))} ms`;
  if (ms < MINUTE) return `${Number((ms / SECOND).toFixed(2))} s`;
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, name] of [
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "m"],
    [SECOND, "s"],
  ] as const) {
    const whole = Math.floor(rest / unit);
    if (whole > 0) parts.push(`${whole} ${name}`);
    rest %= unit;
  }
  return parts.slice(0, 2).join(" ");
}

/** Milliseconds of a Go-style duration text (`1h30m`, `10s`, `2d`), or null. */
export function parseDuration(text: string): number | null {
  const units: Record<string, number> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };
  const compact = text.replace(/\s+/g, "");
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/.test(compact)) return null;
  let total = 0;
  for (const [, number, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    total += Number(number) * (units[unit ?? ""] ?? 0);
  }
  return total > 0 ? total : null;
}
