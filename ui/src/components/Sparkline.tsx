import { memo } from "react";
import { took } from "../lib/time";

const SLOTS = 30;
const STEP = 4;
const HEIGHT = 22;
const FOOT = 5;

/** Height of a bar, against the slowest of the row. Even the fastest is seen. */
function heightOf(value: number, max: number): number {
  return max <= 0 ? 2 : Math.max(2, (value / max) * HEIGHT);
}

/** The last times taken, oldest left. What did not pass is a pale column on a solid foot, so it shows by
 * its shape too. */
export const Sparkline = memo(function Sparkline({ values }: { values: readonly (number | null)[] }) {
  if (values.length === 0) return <span className="text-ink-3 text-xs">no runs yet</span>;
  const shown = values.slice(-SLOTS);
  const max = Math.max(...shown.map((v) => v ?? 0));
  let bars = "";
  let gaps = "";
  let fails = "";
  shown.forEach((v, i) => {
    const x = (SLOTS - shown.length + i) * STEP;
    if (v === null) {
      gaps += `M${x} 0h3v${HEIGHT - FOOT - 1}h-3z`;
      fails += `M${x} ${HEIGHT - FOOT}h3v${FOOT}h-3z`;
    } else {
      const h = heightOf(v, max);
      bars += `M${x} ${(HEIGHT - h).toFixed(1)}h3v${h.toFixed(1)}h-3z`;
    }
  });
  const failed = shown.filter((v) => v === null).length;
  const last = shown.at(-1);
  const label = `Last ${shown.length} runs: ${failed === 0 ? "all passed" : `${failed} failed`}; latest ${
    last === null ? "failed" : took(last)
  }`;
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${SLOTS * STEP - 1} ${HEIGHT}`}
      width={SLOTS * STEP - 1}
      height={HEIGHT}
      className="block max-w-full"
    >
      <path d={bars} className="fill-pending-fill/70" />
      <path d={gaps} className="fill-critical-fill/20" />
      <path d={fails} className="fill-critical-fill" />
    </svg>
  );
});
