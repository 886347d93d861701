import { useInfiniteQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { CircleCheck } from "lucide-react";
import { incidents } from "../api/incidents";
import { IncidentRow } from "../components/IncidentRow";
import { ListPanel } from "../components/ListPanel";
import { MonitorChip } from "../components/MonitorChip";
import { Page } from "../components/Page";
import { Empty } from "../components/ui/states";
import { LinkTabs } from "../components/ui/tabs";
import { worstFirst } from "../lib/status";

/** Stretches of not-ok: those of now, worst first, and those that are over, newest first. */
export function Incidents() {
  const search = useSearch({ from: "/incidents" });
  const past = search.state === "past";
  const list = useInfiniteQuery(incidents({ state: past ? "past" : "open", monitor: search.monitor }));
  return (
    <Page
      title="Incidents"
      lead="From the first failure to the recovery: one incident, however often the status changes between."
    >
      <div className="flex flex-wrap items-center gap-3">
        <LinkTabs
          label="State"
          param="state"
          current={past ? "past" : undefined}
          tabs={[
            { value: undefined, label: "Open" },
            { value: "past", label: "Past" },
          ]}
        />
        <MonitorChip monitor={search.monitor} />
      </div>
      <ListPanel
        list={list}
        empty={
          <Empty icon={<CircleCheck aria-hidden />} title={past ? "No past incident" : "Nothing is failing"}>
            {past ? "What recovers is kept here." : "Past incidents are one tab away."}
          </Empty>
        }
      >
        {(items) => (
          <ul className="divide-y">
            {(past ? items : worstFirst(items)).map((i) => (
              <IncidentRow key={i.id} incident={i} trail />
            ))}
          </ul>
        )}
      </ListPanel>
    </Page>
  );
}
