import type { Sample } from "../api/state";

/** Columns for the chart: seconds on x, then one cumulated line per phase; failed samples are gaps. */
export type Series = {
  phases: string[];
  /** Each column belongs to the phase of the same index; the top one is the whole time taken. */
  stacked: (number | null)[][];
  /** Not cumulated, for the legend. */
  plain: (number | null)[][];
  x: number[];
  failed: boolean[];
};

const USUAL = ["resolve", "queue", "connect", "tls", "write", "send", "first_byte", "transfer", "read"];
export const REST = "other";

/** Phases in the order in which they happen; unknown ones after the known, as they were first seen. */
export function phaseOrder(samples: readonly Pick<Sample, "phases">[]): string[] {
  const seen = new Set<string>();
  for (const s of samples) for (const name of Object.keys(s.phases ?? {})) seen.add(name);
  const rank = (name: string) => (USUAL.includes(name) ? USUAL.indexOf(name) : USUAL.length);
  return [...seen].sort((a, b) => rank(a) - rank(b));
}

/** A sample that did not pass leaves a gap: time until a failure is not latency. */
export function toSeries(samples: readonly Sample[]): Series {
  const named = phaseOrder(samples);
  const usable = samples.filter((s) => Number.isFinite(Date.parse(s.at)));
  const drawn = (s: Sample) => (s.outcome === "pass" || s.outcome === "degraded") && s.took_ms !== null;
  const rest = usable.map((s) => {
    const sum = named.reduce((total, p) => total + (s.phases?.[p] ?? 0), 0);
    return drawn(s) ? Math.max(0, (s.took_ms ?? 0) - sum) : null;
  });
  // What the phases do not explain gets a name of its own, unless it is only rounding.
  const unexplained = usable.some((s, i) => (rest[i] ?? 0) > Math.max(0.05, (s.took_ms ?? 0) * 0.05));
  const phases = named.length === 0 ? ["took"] : unexplained ? [...named, REST] : named;
  const plain = phases.map((phase) =>
    usable.map((s, i) => {
      if (!drawn(s)) return null;
      if (phase === REST) return rest[i] ?? 0;
      return named.length === 0 ? s.took_ms : (s.phases?.[phase] ?? 0);
    }),
  );
  const stacked = plain.map((_, p) =>
    usable.map((s, i) => (drawn(s) ? plain.slice(0, p + 1).reduce((sum, column) => sum + (column[i] ?? 0), 0) : null)),
  );
  return {
    phases,
    stacked,
    plain,
    x: usable.map((s) => Date.parse(s.at) / 1000),
    failed: usable.map((s) => !drawn(s)),
  };
}

/** Nearest-rank percentile; null of nothing. */
export function percentile(values: readonly number[], p: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? null;
}

export function phaseLabel(phase: string): string {
  if (phase === "tls") return "TLS";
  if (phase === "took") return "total";
  return phase.replaceAll("_", " ");
}
