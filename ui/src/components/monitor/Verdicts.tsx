import { ChevronDown } from "lucide-react";
import { useState } from "react";
import type { Verdict } from "../../api/state";
import { OUTCOME_WORD, outcomeStatus, reasonWords } from "../../lib/status";
import { absolute, clock, took } from "../../lib/time";
import { StatusIcon } from "../StatusMark";
import { Tag } from "../Tag";
import { useNow } from "../Time";
import { Button } from "../ui/button";
import { Panel } from "../ui/panel";
import { PhaseBar } from "./PhaseBar";

/** What fits beside the chart; the rest is a click away. */
const SHOWN = 8;

/** The last runs and why each ended as it did; a row opens to its phases and facts. */
export function Verdicts({ verdicts }: { verdicts: readonly Verdict[] }) {
  const now = useNow();
  const [all, setAll] = useState(false);
  const shown = all ? verdicts : verdicts.slice(0, SHOWN);
  return (
    <Panel
      flush
      title="Last verdicts"
      aside={
        verdicts.length > SHOWN && (
          <Button look="ghost" size="sm" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? "Fewer" : `All ${verdicts.length}`}
          </Button>
        )
      }
    >
      {verdicts.length === 0 ? (
        <p className="p-4 text-ink-2">No runs yet.</p>
      ) : (
        <ul className="divide-y" data-verdicts>
          {shown.map((v) => (
            <li key={v.at}>
              <details className="group">
                <summary className="flex list-none items-center gap-3 px-4 py-2.5 hover:bg-sunken/60 [&::-webkit-details-marker]:hidden">
                  <StatusIcon status={outcomeStatus(v.outcome)} />
                  <time
                    dateTime={v.at}
                    title={absolute(Date.parse(v.at))}
                    className="w-17 shrink-0 text-ink-2 max-sm:w-auto"
                  >
                    {clock(Date.parse(v.at), now)}
                  </time>
                  <span className="flex min-w-0 flex-1 items-center gap-2">
                    <span className="shrink-0 font-medium">{OUTCOME_WORD[v.outcome]}</span>
                    {v.reason !== null && <Tag mono>{reasonWords(v.reason)}</Tag>}
                    <span className="truncate text-ink-2 max-sm:hidden">{v.outcome === "pass" ? "" : v.message}</span>
                  </span>
                  <span className="shrink-0 text-ink-2">{took(v.took_ms)}</span>
                  <ChevronDown aria-hidden className="size-4 shrink-0 text-ink-3 group-open:rotate-180" />
                </summary>
                <div className="grid gap-3 bg-bg px-4 py-3">
                  {v.message !== "" && <p className="[overflow-wrap:anywhere]">{v.message}</p>}
                  <PhaseBar phases={v.phases ?? {}} />
                  <FactList facts={v.facts ?? {}} />
                </div>
              </details>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

/** Whatever else the check learned. */
export function FactList({ facts }: { facts: Record<string, unknown> }) {
  const entries = Object.entries(facts);
  if (entries.length === 0) return null;
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1 font-mono text-xs">
      {entries.map(([key, value]) => (
        <div key={key} className="col-span-2 grid grid-cols-subgrid">
          <dt className="text-ink-3">{key}</dt>
          <dd className="[overflow-wrap:anywhere]">{typeof value === "string" ? value : JSON.stringify(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
