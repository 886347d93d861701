import { type InfiniteData, type UseInfiniteQueryResult, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import { type ReactNode, useMemo } from "react";
import type { Page } from "../api/client";
import { type Incident, incidents } from "../api/incidents";
import { overview as overviewQuery } from "../api/overview";
import { IncidentRow } from "../components/IncidentRow";
import { Attention } from "../components/overview/Attention";
import { Machine } from "../components/overview/Machine";
import { type Moment, Verdict } from "../components/overview/Verdict";
import { Panel } from "../components/ui/panel";
import { Empty, Failure, Loading, Skeleton } from "../components/ui/states";
import { whole } from "../lib/numbers";
import { worstFirst } from "../lib/status";

/** How many open incidents the overview shows; the rest is a link away. */
const SHOWN = 12;

/** Is anything wrong? What, since when, and does anybody know? */
export function Overview() {
  const all = useQuery(overviewQuery);
  const open = useInfiniteQuery(incidents({ state: "open", limit: 200 }));
  const items = useMemo(() => worstFirst(open.data?.pages.flatMap((p) => p.items) ?? []), [open.data]);
  const total = open.data?.pages[0]?.total ?? 0;
  const calm = total === 0 && open.data !== undefined;
  const past = useInfiniteQuery({ ...incidents({ state: "past", limit: 6 }), enabled: calm });
  if (all.data === undefined) return <Splash />;
  const moment = calm
    ? latest("since the last incident", past.data?.pages[0]?.items.map((i) => i.until ?? "") ?? [])
    : latest(
        "since the newest failure",
        items.map((i) => i.since),
      );
  return (
    <div className="mx-auto grid max-w-6xl gap-5 px-4 py-5 md:px-8 md:py-7">
      <Verdict overview={all.data} moment={moment} />
      <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem]">
        {calm ? (
          <Recent past={past} />
        ) : (
          <Panel
            flush
            title="Open incidents"
            aside={<MoreLink past={total <= SHOWN}>{total > SHOWN ? `All ${whole(total)}` : "Past ones"}</MoreLink>}
          >
            {open.error !== null && open.data === undefined ? (
              <Failure error={open.error} onRetry={() => void open.refetch()} />
            ) : open.data === undefined ? (
              <Loading />
            ) : (
              <ul className="divide-y">
                {items.slice(0, SHOWN).map((i) => (
                  <IncidentRow key={i.id} incident={i} />
                ))}
              </ul>
            )}
          </Panel>
        )}
        <div className="grid gap-5 sm:grid-cols-2 lg:grid-cols-1">
          <Attention overview={all.data} />
          <Machine overview={all.data} />
        </div>
      </div>
    </div>
  );
}

/** Times of the API are all in UTC and of one length, so text order is their order. */
function latest(word: string, times: string[]): Moment | undefined {
  const at = [...times].sort().at(-1);
  return at === undefined || at === "" ? undefined : { at, word };
}

/** When nothing is wrong, what was wrong last. */
function Recent({ past }: { past: UseInfiniteQueryResult<InfiniteData<Page<Incident>>> }) {
  const items = past.data?.pages[0]?.items ?? [];
  return (
    <Panel flush title="Last incidents" aside={<MoreLink past>All past</MoreLink>}>
      {past.data === undefined ? (
        past.error === null ? (
          <Loading />
        ) : (
          <Failure error={past.error} onRetry={() => void past.refetch()} />
        )
      ) : items.length === 0 ? (
        <Empty title="No incident so far">When a monitor fails, it stands here first.</Empty>
      ) : (
        <ul className="divide-y">
          {items.map((i) => (
            <IncidentRow key={i.id} incident={i} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function MoreLink({ past, children }: { past: boolean; children: ReactNode }) {
  return (
    <Link
      to="/incidents"
      search={past ? { state: "past" } : {}}
      className="inline-flex items-center gap-0.5 text-ink-2 hover:text-ink"
    >
      {children}
      <ChevronRight aria-hidden className="size-4" />
    </Link>
  );
}

function Splash() {
  return (
    <div role="status" aria-label="Loading" className="mx-auto grid max-w-6xl gap-5 px-4 py-5 md:px-8 md:py-7">
      <Skeleton className="h-36 rounded-xl" />
      <Skeleton className="h-72 rounded-xl" />
    </div>
  );
}
