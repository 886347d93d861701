import { Link } from "@tanstack/react-router";
import { Crown } from "lucide-react";
import type { Plan, PlanGroup } from "../../api/cluster";
import { groupsInUse, groupWords } from "../../lib/member";
import { count, whole } from "../../lib/numbers";
import { Ago } from "../Time";
import { Fact, Facts, Panel } from "../ui/panel";

/** Members of a group that are named; of more, the rest is a number. */
const NAMED = 6;

/** Who directs, what it decided last and why, group by group. */
export function PlanPanel({ plan }: { plan: Plan }) {
  const groups = groupsInUse(plan.groups.items);
  return (
    <Panel flush title="Plan">
      <Facts className="p-4">
        <Fact label="Director">
          {plan.director === null ? (
            <span className="font-medium text-warning">nobody directs now</span>
          ) : (
            <span className="inline-flex items-center gap-1.5 font-medium">
              <Crown aria-hidden className="size-4 text-accent" />
              {plan.director}
            </span>
          )}
        </Fact>
        <Fact label="Term">{plan.term ?? "–"}</Fact>
        <Fact label="Last change">
          {plan.last === null ? (
            "none yet"
          ) : (
            <>
              {plan.last.why}, <Ago at={plan.last.at} />
            </>
          )}
        </Fact>
      </Facts>
      {groups.length > 0 && (
        <ul aria-label="Groups" className="divide-y border-t">
          {groups.map((g) => (
            <Group key={g.group} group={g} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Group({ group: g }: { group: PlanGroup }) {
  const alerters = g.group === "notify";
  return (
    <li className="px-4 py-3" data-group={g.group}>
      <div className="flex flex-wrap items-baseline justify-between gap-x-4">
        <p className="min-w-0 font-medium [overflow-wrap:anywhere]">
          {groupWords(g.group)}
          {!alerters && <span className="ml-2 font-normal text-ink-2">{count(g.monitors, "monitor")}</span>}
        </p>
        {g.orphaned_monitors > 0 && (
          <Link to="/monitors" search={{ orphaned: "true" }} className="font-medium text-warning hover:underline">
            {whole(g.orphaned_monitors)} orphaned
          </Link>
        )}
      </div>
      <p className="mt-0.5 text-ink-2 [overflow-wrap:anywhere]">{holders(g)}</p>
      <p className="mt-0.5 text-ink-3 text-xs">
        epoch {g.epoch} · {g.why}, <Ago at={g.at} />
      </p>
    </li>
  );
}

function holders(g: PlanGroup): string {
  if (g.members.length === 0) return "nobody";
  const sum = g.members.reduce((n, m) => n + m.slots, 0);
  const share = (m: PlanGroup["members"][number]) =>
    g.group === "notify" ? `${m.id} ${Math.round((m.slots / sum) * 100)} %` : `${m.id} ${whole(m.monitors)}`;
  const named = [...g.members].sort((a, b) => b.slots - a.slots).slice(0, NAMED);
  const rest = g.members.length - named.length;
  return named.map(share).join(" · ") + (rest > 0 ? ` · ${rest} more` : "");
}
