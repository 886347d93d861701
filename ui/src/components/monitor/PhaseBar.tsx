import type { Phases } from "../../api/state";
import { phaseLabel, phaseOrder } from "../../lib/series";
import { took } from "../../lib/time";
import { PHASE_VARS } from "./phases";

/** Phases of one run, one after the other, to scale. */
export function PhaseBar({ phases }: { phases: Phases }) {
  const names = phaseOrder([{ phases }]);
  const total = names.reduce((sum, n) => sum + (phases[n] ?? 0), 0);
  if (names.length === 0 || total <= 0) return null;
  return (
    <div className="grid gap-2">
      <div aria-hidden className="flex h-3 gap-px overflow-hidden rounded">
        {names.map((n, i) => (
          <div
            key={n}
            className="min-w-[2px]"
            style={{ flexGrow: phases[n] ?? 0, flexBasis: 0, background: `var(${PHASE_VARS[i % PHASE_VARS.length]})` }}
          />
        ))}
      </div>
      <ul aria-label="Phases" className="flex flex-wrap gap-x-4 gap-y-1 text-xs">
        {names.map((n, i) => (
          <li key={n} className="inline-flex items-center gap-1.5">
            <span
              aria-hidden
              className="size-2.5 rounded-[3px]"
              style={{ background: `var(${PHASE_VARS[i % PHASE_VARS.length]})` }}
            />
            <span className="text-ink-2">{phaseLabel(n)}</span>
            <span className="font-medium">{took(phases[n])}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
