import { useQuery } from "@tanstack/react-query";
import { LoaderCircle, RotateCw } from "lucide-react";
import { type RunResult, runNow } from "../../api/monitors";
import { OUTCOME_WORD, outcomeStatus, reasonWords } from "../../lib/status";
import { took } from "../../lib/time";
import { StatusIcon } from "../StatusMark";
import { Tag } from "../Tag";
import { Button } from "../ui/button";
import { Dialog, DialogBody, DialogFooter } from "../ui/dialog";
import { Failure } from "../ui/states";
import { PhaseBar } from "./PhaseBar";
import { FactList } from "./Verdicts";

/** Asks once, now, and shows the whole answer. */
export function RunNow({ name, onClose }: { name: string; onClose: () => void }) {
  const run = useQuery({
    queryKey: ["run", name],
    queryFn: ({ signal }) => runNow(name, signal),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    refetchOnWindowFocus: false,
    // Each invalidation of everything would run it again.
    enabled: (query) => query.state.data === undefined && query.state.error === null,
  });
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Run ${name} now`}
      description="A question only: status and incidents stay as they are."
      wide
    >
      <DialogBody>
        <div aria-live="polite" className="min-h-28">
          {run.isFetching ? (
            <p className="flex items-center gap-2.5 py-8 text-ink-2">
              <LoaderCircle aria-hidden className="size-5 animate-spin" />
              Checking…
            </p>
          ) : run.error !== null ? (
            <Failure error={run.error} />
          ) : (
            run.data !== undefined && <Result result={run.data} />
          )}
        </div>
      </DialogBody>
      <DialogFooter>
        <Button disabled={run.isFetching} onClick={() => void run.refetch()}>
          <RotateCw aria-hidden />
          Again
        </Button>
        <Button look="primary" onClick={onClose}>
          Done
        </Button>
      </DialogFooter>
    </Dialog>
  );
}

function Result({ result }: { result: RunResult }) {
  return (
    <div className="grid gap-4" data-run-result={result.outcome}>
      <div className="flex items-start gap-3">
        <StatusIcon status={outcomeStatus(result.outcome)} className="mt-0.5 size-6" />
        <div className="min-w-0 flex-1">
          <p className="flex flex-wrap items-center gap-2 font-semibold text-base">
            {OUTCOME_WORD[result.outcome]}
            {result.reason !== null && <Tag mono>{reasonWords(result.reason)}</Tag>}
          </p>
          <p className="text-ink-2 [overflow-wrap:anywhere]">{result.message}</p>
        </div>
        <p className="shrink-0 font-semibold text-base">{took(result.took_ms)}</p>
      </div>
      <PhaseBar phases={result.phases} />
      <FactList facts={result.facts} />
    </div>
  );
}
