import { Link } from "@tanstack/react-router";
import type { Incident } from "../api/incidents";
import { count } from "../lib/numbers";
import { STATUS_WORD } from "../lib/status";
import { absolute, clock, duration } from "../lib/time";
import { Flags, StatusIcon } from "./StatusMark";
import { Tag } from "./Tag";
import { Ago, Since, useNow } from "./Time";

const CLOSED: Record<string, string> = {
  recovered: "recovered",
  edited: "closed by an edit",
  disabled: "closed: disabled",
  deleted: "closed: deleted",
};

/** One stretch of not-ok. The whole row leads to its monitor. */
export function IncidentRow({ incident, trail = false }: { incident: Incident; trail?: boolean }) {
  const open = incident.until === null;
  return (
    <li
      data-incident={incident.monitor}
      data-status={incident.status}
      className="relative flex gap-3 px-4 py-3.5 hover:bg-sunken/60 has-[:focus-visible]:bg-sunken/60"
    >
      <StatusIcon status={incident.status} className="mt-0.5 size-5" />
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <Link
            to="/monitors/$name"
            params={{ name: incident.monitor }}
            className="font-semibold text-base after:absolute after:inset-0 [overflow-wrap:anywhere]"
          >
            {incident.monitor}
          </Link>
          <Tag>{incident.type}</Tag>
          <Flags of={{ silenced: incident.silenced }} />
        </div>
        <p className="mt-0.5 flex flex-wrap items-baseline gap-x-2.5 [overflow-wrap:anywhere]">
          <span className="text-ink-2">{incident.reason}</span>
          <span className="text-ink-3 text-xs">
            {count(incident.count, "failure")}
            {incident.alerters.length > 0 && <> · told {incident.alerters.join(", ")}</>}
          </span>
        </p>
        {trail && incident.trail.length > 0 && <Trail incident={incident} />}
      </div>
      <div className="shrink-0 text-right">
        {open ? (
          <>
            <Since at={incident.since} className="font-semibold text-base" />
            <p className="mt-0.5 text-ink-3 text-xs">{STATUS_WORD[incident.status].toLowerCase()}</p>
          </>
        ) : (
          <>
            <Ago at={incident.until} className="font-medium" />
            <p
              className="mt-0.5 text-ink-3 text-xs"
              title={`${absolute(Date.parse(incident.since))} to ${absolute(Date.parse(incident.until ?? ""))}`}
            >
              {CLOSED[incident.closed_as ?? ""] ?? "closed"} · {lasted(incident)}
            </p>
          </>
        )}
      </div>
    </li>
  );
}

/** How it went, change by change. */
function Trail({ incident }: { incident: Incident }) {
  const now = useNow();
  return (
    <details className="relative z-[1] mt-1.5">
      <summary className="w-fit text-ink-3 text-xs hover:text-ink">
        {count(incident.trail.length, "change")} of status
      </summary>
      <ol className="mt-2 grid gap-1.5 border-l pl-3">
        {incident.trail.map((t) => (
          <li key={`${t.at}-${t.status}`} className="flex items-start gap-2">
            <StatusIcon status={t.status} className="mt-0.5" />
            <time dateTime={t.at} title={absolute(Date.parse(t.at))} className="shrink-0 text-ink-2">
              {clock(Date.parse(t.at), now)}
            </time>
            <span className="min-w-0 text-ink-2 [overflow-wrap:anywhere]">
              <span className="text-ink">{STATUS_WORD[t.status]}</span> {t.message}
            </span>
          </li>
        ))}
      </ol>
    </details>
  );
}

function lasted(incident: Incident): string {
  return `lasted ${duration(Date.parse(incident.until ?? "") - Date.parse(incident.since))}`;
}
