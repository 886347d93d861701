import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { useEffect } from "react";
import { ApiError } from "../api/client";
import { incidents } from "../api/incidents";
import { monitorState } from "../api/state";
import { IncidentRow } from "../components/IncidentRow";
import { Actions } from "../components/monitor/Actions";
import { DefinitionPanel } from "../components/monitor/DefinitionPanel";
import { HistoryStrip } from "../components/monitor/HistoryStrip";
import { JudgesPanel } from "../components/monitor/JudgesPanel";
import { LatencyPanel } from "../components/monitor/LatencyPanel";
import { LedgerPanel } from "../components/monitor/LedgerPanel";
import { Summary } from "../components/monitor/Summary";
import { Verdicts } from "../components/monitor/Verdicts";
import { Problems } from "../components/Problems";
import { buttonClass } from "../components/ui/button";
import { Panel } from "../components/ui/panel";
import { Empty, Failure, Loading } from "../components/ui/states";
import { live } from "../runtime";

/** Everything about one monitor: what it says, since when, why, how fast, and what it was told to do. */
export function Monitor() {
  const { name } = useParams({ from: "/monitors/$name" });
  const detail = useQuery(monitorState(name));
  useEffect(() => {
    live.watch(name);
    return () => live.watch(undefined);
  }, [name]);
  if (detail.data === undefined) {
    if (detail.error === null) return <Loading rows={8} />;
    if (detail.error instanceof ApiError && detail.error.status === 404) return <Gone name={name} />;
    return <Failure error={detail.error} onRetry={() => void detail.refetch()} />;
  }
  const state = detail.data;
  return (
    <div className="mx-auto grid max-w-6xl gap-5 px-4 py-5 md:px-8 md:py-7">
      <div className="grid gap-4">
        <Link to="/monitors" className="-ml-1 inline-flex w-fit items-center gap-1 text-ink-2 hover:text-ink">
          <ChevronLeft aria-hidden className="size-4" />
          Monitors
        </Link>
        <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
          <div className="min-w-0">
            <h1 className="font-semibold text-2xl tracking-tight [overflow-wrap:anywhere]">{state.check}</h1>
            {state.description !== "" && <p className="mt-0.5 text-base text-ink-2">{state.description}</p>}
          </div>
          <Actions state={state} />
        </div>
      </div>
      {state.problems.length > 0 && <Problems problems={state.problems} />}
      <Summary state={state} />
      <HistoryStrip state={state} />
      <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem]">
        <div className="grid min-w-0 gap-5">
          <LatencyPanel samples={state.samples} />
          <Verdicts verdicts={state.verdicts} />
          <PastIncidents name={name} />
        </div>
        <div className="grid min-w-0 gap-5">
          <LedgerPanel state={state} />
          <JudgesPanel name={name} owner={state.owner} />
          <DefinitionPanel name={name} config={state.config} />
        </div>
      </div>
    </div>
  );
}

function Gone({ name }: { name: string }) {
  return (
    <div className="grid min-h-full place-items-center">
      <Empty
        title={`There is no monitor “${name}”`}
        action={
          <Link to="/monitors" className={buttonClass()}>
            All monitors
          </Link>
        }
      >
        It may have been renamed or removed; incidents and events still know it.
      </Empty>
    </div>
  );
}

function PastIncidents({ name }: { name: string }) {
  const list = useInfiniteQuery(incidents({ state: "all", monitor: name, limit: 20 }));
  const items = list.data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <Panel flush title="Incidents">
      {list.data === undefined ? (
        list.error === null ? (
          <Loading rows={2} />
        ) : (
          <Failure error={list.error} onRetry={() => void list.refetch()} />
        )
      ) : items.length === 0 ? (
        <p className="p-4 text-ink-2">None on record.</p>
      ) : (
        <ul className="divide-y">
          {items.map((i) => (
            <IncidentRow key={i.id} incident={i} trail />
          ))}
        </ul>
      )}
    </Panel>
  );
}
