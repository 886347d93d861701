import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { events } from "../../api/events";
import { Ago } from "../Time";
import { Panel } from "../ui/panel";
import { Failure, Loading } from "../ui/states";

const SHOWN = 8;

/** Joins, leaves, elections and hand-overs, the newest first. */
export function RecentPanel() {
  const list = useInfiniteQuery(events({ type: "member", limit: SHOWN }));
  const items = list.data?.pages[0]?.items ?? [];
  return (
    <Panel
      flush
      title="What happened"
      aside={
        <Link to="/events" search={{ type: "member" }} className="text-ink-2 hover:text-ink">
          All of it
        </Link>
      }
    >
      {list.data === undefined ? (
        list.error === null ? (
          <Loading rows={3} />
        ) : (
          <Failure error={list.error} onRetry={() => void list.refetch()} />
        )
      ) : items.length === 0 ? (
        <p className="p-4 text-ink-2">Nothing yet.</p>
      ) : (
        <ul className="divide-y">
          {items.map((e) => (
            <li key={e.id} className="flex items-start gap-3 px-4 py-2.5">
              <p className="min-w-0 flex-1 [overflow-wrap:anywhere]">{e.message}</p>
              <Ago at={e.timestamp} className="shrink-0 text-ink-2" />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
