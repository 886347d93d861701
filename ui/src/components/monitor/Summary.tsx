import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { MonitorDetail } from "../../api/state";
import { cn } from "../../lib/cn";
import { count } from "../../lib/numbers";
import { OUTCOME_WORD, reasonWords, STATUS_WORD, shown } from "../../lib/status";
import { interval, took } from "../../lib/time";
import { Flags, StatusIcon } from "../StatusMark";
import { Tag } from "../Tag";
import { Ago, Since } from "../Time";

const LOOK = {
  critical: "bg-critical-soft border-critical/30",
  warning: "bg-warning-soft border-warning/30",
  ok: "bg-panel",
  pending: "bg-panel",
  disabled: "bg-sunken",
} as const;

/** The state of now: status and since, the last verdict and why, and when the next comes. */
export function Summary({ state }: { state: MonitorDetail }) {
  const status = shown(state);
  const failing = status === "critical" || status === "warning";
  return (
    <section aria-label="Status" className={cn("rounded-xl border shadow-panel", LOOK[status])}>
      <div className="flex flex-wrap items-start gap-x-8 gap-y-3 p-4 md:p-5">
        <div className="flex items-center gap-3" data-status={status}>
          <StatusIcon status={status} className="size-8" />
          <div>
            <p className="flex flex-wrap items-center gap-2 font-semibold text-lg leading-tight">
              {STATUS_WORD[status]}
              <Flags of={state} />
            </p>
            <p className="text-ink-2">
              {state.since !== null && (
                <>
                  for <Since at={state.since} />
                </>
              )}
              {failing && state.count > 0 && <> · {count(state.count, "failure")} in a row</>}
            </p>
          </div>
        </div>
        <div className="min-w-56 flex-1">
          <p className="flex flex-wrap items-center gap-2 font-medium">
            {state.outcome === null ? "No verdict yet" : `Last verdict: ${OUTCOME_WORD[state.outcome].toLowerCase()}`}
            {state.reason !== null && <Tag mono>{reasonWords(state.reason)}</Tag>}
          </p>
          <p className="mt-0.5 text-ink-2 [overflow-wrap:anywhere]">{words(state)}</p>
        </div>
      </div>
      <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-b-xl border-t bg-line sm:grid-cols-3 lg:grid-cols-6">
        <Cell label="Kind">{state.type}</Cell>
        <Cell label="Every">{interval(state.interval_ms)}</Cell>
        <Cell label="Took">{took(state.took_ms)}</Cell>
        <Cell label="Last run">
          <Ago at={state.last_run} />
        </Cell>
        <Cell label="Next run">{state.disabled ? "–" : <Ago at={state.next_due} />}</Cell>
        <Cell label="Tags">
          {state.tags.length === 0
            ? "–"
            : state.tags.map((tag, i) => (
                <span key={tag}>
                  {i > 0 && ", "}
                  <Link to="/monitors" search={{ tags: tag }} className="hover:underline">
                    {tag}
                  </Link>
                </span>
              ))}
        </Cell>
      </dl>
    </section>
  );
}

function words(state: MonitorDetail): string {
  if (state.unreachable) return "The member that judges it does not answer: this is what was recorded last.";
  if (state.unwatched) return "No check could be made for a while, so the status may be out of date.";
  if (state.message !== "" && state.message !== "N/A") return state.message;
  return state.outcome === "pass" ? "As expected." : "–";
}

function Cell({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="min-w-0 bg-panel px-4 py-2.5">
      <dt className="text-ink-3 text-xs">{label}</dt>
      <dd className="truncate font-medium">{children}</dd>
    </div>
  );
}
