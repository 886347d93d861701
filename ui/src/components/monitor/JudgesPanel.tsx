import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type Judge, judges } from "../../api/cluster";
import { Ago } from "../Time";
import { Panel } from "../ui/panel";
import { Failure, Loading } from "../ui/states";

/** Changes that are shown; further back are the events. */
const SHOWN = 8;
const UNSEEN = "Since before the server that gives you this page was started";

/** Which member judges a monitor, since when and why, and which did before. */
export function JudgesPanel({ name, owner }: { name: string; owner: string }) {
  const list = useQuery(judges(name, owner));
  return (
    <Panel
      flush
      title="Judged by"
      aside={
        <Link to="/cluster" className="text-ink-2 hover:text-ink">
          Cluster
        </Link>
      }
    >
      {list.data === undefined ? (
        list.error === null ? (
          <Loading rows={1} />
        ) : (
          <Failure error={list.error} onRetry={() => void list.refetch()} />
        )
      ) : (
        <JudgeList judges={list.data} />
      )}
    </Panel>
  );
}

export function JudgeList({ judges: all }: { judges: readonly Judge[] }) {
  if (all.length === 0) return <p className="p-4 text-ink-2">Nobody.</p>;
  return (
    <ol aria-label="Judges, the newest first" className="divide-y">
      {all.slice(0, SHOWN).map((j, i) => (
        <li key={`${j.epoch}-${j.member}`} className="px-4 py-2.5" data-judge={j.member ?? ""}>
          <div className="flex items-baseline justify-between gap-4">
            <span className="min-w-0 [overflow-wrap:anywhere]">
              <span className={i === 0 ? "font-medium" : "text-ink-2"}>{j.member ?? "nobody"}</span>
              {i === 0 && <span className="ml-2 text-ink-3 text-xs">now</span>}
            </span>
            <span className="shrink-0 text-ink-2">
              {j.at === null ? <span title={UNSEEN}>since earlier</span> : <Ago at={j.at} />}
            </span>
          </div>
          {j.why !== "" && <p className="mt-0.5 text-ink-3 text-xs [overflow-wrap:anywhere]">{j.why}</p>}
        </li>
      ))}
    </ol>
  );
}
