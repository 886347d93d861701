import type { Counts } from "../api/overview";
import { cn } from "../lib/cn";
import { whole } from "../lib/numbers";
import type { Shown } from "../lib/status";

const PARTS: { status: Shown; fill: string }[] = [
  { status: "critical", fill: "bg-critical-fill hatch" },
  { status: "warning", fill: "bg-warning-fill" },
  { status: "pending", fill: "bg-pending-fill" },
  { status: "disabled", fill: "bg-line-strong" },
  { status: "ok", fill: "bg-ok-fill" },
];

/** All monitors as one bar. A single failing one among 100,000 still has a few pixels. */
export function ProportionBar({ counts }: { counts: Counts }) {
  const parts = PARTS.map((p) => ({ ...p, n: counts[p.status] })).filter((p) => p.n > 0);
  const label = parts.map((p) => `${whole(p.n)} ${p.status}`).join(", ");
  return (
    <div role="img" aria-label={`Monitors: ${label}`} className="flex h-2 gap-0.5 overflow-hidden rounded-full">
      {parts.map((p) => (
        <div
          key={p.status}
          className={cn("min-w-2 rounded-[2px] first:rounded-l-full last:rounded-r-full", p.fill)}
          style={{ flexGrow: p.n, flexBasis: 0 }}
        />
      ))}
    </div>
  );
}
