import type { MonitorDetail, Status } from "../../api/state";
import { cn } from "../../lib/cn";
import { segments, uptime, windowFor } from "../../lib/history";
import { percent } from "../../lib/numbers";
import { STATUS_WORD } from "../../lib/status";
import { absolute, clock, duration } from "../../lib/time";
import { StatusMark } from "../StatusMark";
import { useNow } from "../Time";

/** Worse is taller as well as redder, so the strip reads without colour. */
const LOOK: Record<Status | "unknown", string> = {
  ok: "h-3 bg-ok-fill",
  warning: "h-6 bg-warning-fill",
  critical: "h-8 bg-critical-fill hatch",
  pending: "h-2 bg-pending-fill",
  unknown: "h-0.5 bg-line-strong",
};

/** What the status was, over the shortest usual window that holds what is known. */
export function HistoryStrip({ state }: { state: MonitorDetail }) {
  const now = useNow();
  const since = state.since === null ? now : Date.parse(state.since);
  const times = state.transitions.map((t) => Date.parse(t.at)).filter((t) => Number.isFinite(t));
  const window = windowFor(Math.min(since, ...times), now);
  const from = now - window.ms;
  const list = segments(state.transitions, { status: state.status, since, message: state.message }, { from, to: now });
  const up = uptime(list);
  const bad = list.filter((s) => s.status === "critical" || s.status === "warning");
  const summary = `${window.label}: ${up === null ? "nothing known" : `${percent(up * 100, 100)} ok`}, ${bad.length} ${bad.length === 1 ? "stretch" : "stretches"} of failing`;
  return (
    <section aria-label="Status history" className="rounded-xl border bg-panel p-4 shadow-panel">
      <div className="mb-3 flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h2 className="font-semibold">Status, {window.label}</h2>
        <p className="text-ink-2">
          {up !== null && (
            <>
              <b className="font-semibold text-ink">{percent(up * 100, 100)}</b> ok
            </>
          )}
        </p>
      </div>
      <div role="img" aria-label={summary} className="flex h-8 items-end">
        {list.map((s) => (
          <div
            key={`${s.from}-${s.status}`}
            title={`${s.status === null ? "Not known" : STATUS_WORD[s.status]} for ${duration(s.to - s.from)}\n${absolute(s.from)} to ${absolute(s.to)}${s.message === "" ? "" : `\n${s.message}`}`}
            className={cn("min-w-[3px] first:rounded-l-sm last:rounded-r-sm", LOOK[s.status ?? "unknown"])}
            style={{ flexGrow: s.to - s.from, flexBasis: 0 }}
          />
        ))}
      </div>
      <div className="mt-1.5 flex justify-between text-ink-3 text-xs">
        <span>{clock(from, now)}</span>
        <span className="flex gap-4 max-sm:hidden">
          {(["ok", "warning", "critical"] as const)
            .filter((s) => list.some((x) => x.status === s))
            .map((s) => (
              <StatusMark key={s} status={s} className="text-xs" />
            ))}
        </span>
        <span>now</span>
      </div>
    </section>
  );
}
