import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CloudOff, Unplug } from "lucide-react";
import { type Member, members, type Plan, plan, type Store, store } from "../api/cluster";
import { overview } from "../api/overview";
import { MemberRow } from "../components/cluster/MemberRow";
import { PlanPanel } from "../components/cluster/PlanPanel";
import { RecentPanel } from "../components/cluster/RecentPanel";
import { StorePanel } from "../components/cluster/StorePanel";
import { Page } from "../components/Page";
import { Panel } from "../components/ui/panel";
import { Failure, Loading } from "../components/ui/states";
import { groupWords, orphans } from "../lib/member";
import { count } from "../lib/numbers";

/** Who shares the work, what each holds and why, and on what it all stands. */
export function Cluster() {
  const all = useQuery(members);
  const made = useQuery(plan);
  const kept = useQuery(store);
  const unreachable = useQuery(overview).data?.unreachable ?? [];
  const shared = kept.data?.backend === "etcd";
  return (
    <Page
      title="Cluster"
      lead={all.isLoadingError ? "Members cannot be asked for now." : lead(all.data?.items, made.data, kept.data)}
    >
      {all.data !== undefined && all.error !== null && (
        <Notice icon={<CloudOff aria-hidden />}>
          This is what was known before. What runs runs on, and nothing is moved. {all.error.message}
        </Notice>
      )}
      {made.data !== undefined && <Orphans plan={made.data} />}
      <Panel flush title="Members">
        {all.data === undefined ? (
          all.error === null ? (
            <Loading rows={3} />
          ) : (
            <Failure error={all.error} onRetry={() => void all.refetch()} />
          )
        ) : all.data.items.length === 0 ? (
          <p className="p-4 text-ink-2">No member has written itself down yet.</p>
        ) : (
          <ul className="divide-y">
            {all.data.items.map((m) => (
              <MemberRow
                key={m.id}
                member={m}
                here={all.data.items.filter((one) => one.here).length}
                unreachable={unreachable}
                shared={shared}
              />
            ))}
          </ul>
        )}
      </Panel>
      <div className="grid items-start gap-5 lg:grid-cols-2">
        {made.data !== undefined ? (
          <PlanPanel plan={made.data} />
        ) : (
          <Panel flush title="Plan">
            {made.error === null ? (
              <Loading rows={3} />
            ) : (
              <Failure error={made.error} onRetry={() => void made.refetch()} />
            )}
          </Panel>
        )}
        <div className="grid min-w-0 gap-5">
          {kept.data !== undefined ? (
            <StorePanel store={kept.data} />
          ) : (
            <Panel flush title="Store">
              {kept.error === null ? (
                <Loading rows={2} />
              ) : (
                <Failure error={kept.error} onRetry={() => void kept.refetch()} />
              )}
            </Panel>
          )}
          <RecentPanel />
        </div>
      </div>
    </Page>
  );
}

function lead(all: Member[] | undefined, made: Plan | undefined, kept: Store | undefined): string {
  if (all === undefined || kept === undefined) return "…";
  if (kept.backend !== "etcd") return "One member, on a store of its own. Several servers on one etcd share the work.";
  const here = count(all.filter((m) => m.here).length, "member");
  if (made === undefined) return here;
  return made.director === null ? `${here}; nobody directs.` : `${here}, directed by ${made.director}.`;
}

function Orphans({ plan: made }: { plan: Plan }) {
  const left = orphans(made.groups.items);
  if (left.monitors === 0) return null;
  const tags = left.groups.filter((g) => g !== "untagged").map(groupWords);
  const asks = [
    ...(left.groups.includes("untagged") ? ["no tag"] : []),
    ...(tags.length > 0 ? [`the ${tags.length === 1 ? "tag" : "tags"} ${tags.join(", ")}`] : []),
  ];
  return (
    <Notice icon={<Unplug aria-hidden />}>
      <Link to="/monitors" search={{ orphaned: "true" }} className="font-medium underline underline-offset-2">
        {count(left.monitors, "monitor is", "monitors are")} judged by nobody
      </Link>
      : no member here may run what asks for {asks.join(", or for ")}.
    </Notice>
  );
}

function Notice({ icon, children }: { icon: React.ReactNode; children: React.ReactNode }) {
  return (
    <div
      role="status"
      className="flex items-start gap-3 rounded-xl border border-warning/30 bg-warning-soft px-4 py-3 [&>svg]:mt-0.5 [&>svg]:size-4 [&>svg]:shrink-0 [&>svg]:text-warning"
    >
      {icon}
      <p className="min-w-0 flex-1 [overflow-wrap:anywhere]">{children}</p>
    </div>
  );
}
