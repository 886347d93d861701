import { useMemo, useState } from "react";
import type { Sample } from "../../api/state";
import { percentile, phaseLabel, toSeries } from "../../lib/series";
import { took } from "../../lib/time";
import { Panel } from "../ui/panel";
import { LatencyChart } from "./LatencyChart";
import { PHASE_VARS } from "./phases";

/** How long it takes, and where the time goes. */
export function LatencyPanel({ samples }: { samples: readonly Sample[] }) {
  const series = useMemo(() => toSeries(samples), [samples]);
  const [hover, setHover] = useState<number | null>(null);
  const totals = samples.filter((s) => s.outcome === "pass" && s.took_ms !== null).map((s) => s.took_ms ?? 0);
  const failed = series.failed.filter(Boolean).length;
  const at = hover === null || hover >= series.x.length ? null : hover;
  return (
    <Panel
      title="Time taken"
      aside={
        totals.length > 0 && (
          <p className="text-ink-2">
            <b className="font-semibold text-ink">{took(percentile(totals, 0.5))}</b> p50 ·{" "}
            <b className="font-semibold text-ink">{took(percentile(totals, 0.99))}</b> p99
          </p>
        )
      }
    >
      {series.x.length === 0 ? (
        <p className="py-8 text-center text-ink-2">No runs yet.</p>
      ) : (
        <>
          <LatencyChart series={series} onHover={setHover} />
          <ul className="mt-3 flex flex-wrap gap-x-5 gap-y-1.5 text-xs" aria-label="Phases">
            {series.phases.map((phase, i) => (
              <li key={phase} className="inline-flex items-center gap-1.5">
                <span
                  aria-hidden
                  className="size-2.5 rounded-[3px]"
                  style={{ background: `var(${PHASE_VARS[i % PHASE_VARS.length]})` }}
                />
                <span className="text-ink-2">{phaseLabel(phase)}</span>
                <span className="min-w-14 font-medium">{took(valueAt(series.plain[i] ?? [], at))}</span>
              </li>
            ))}
            {failed > 0 && (
              <li className="inline-flex items-center gap-1.5">
                <span aria-hidden className="font-bold text-critical leading-none">
                  ×
                </span>
                <span className="text-ink-2">{failed} not passed</span>
              </li>
            )}
            <li className="ml-auto text-ink-3">
              {at === null ? "typical (p50)" : series.failed[at] === true ? "did not pass" : "at the pointer"}
            </li>
          </ul>
        </>
      )}
    </Panel>
  );
}

/** The value under the pointer, or the usual one. */
function valueAt(column: readonly (number | null)[], at: number | null): number | null {
  if (at !== null) return column[at] ?? null;
  return percentile(
    column.filter((v) => v !== null),
    0.5,
  );
}
