import type { MonitorDetail } from "../../api/state";
import { whole } from "../../lib/numbers";
import { Fact, Facts, Panel } from "../ui/panel";

/** Every run is accounted for: due = ran + skipped + missed. */
export function LedgerPanel({ state }: { state: MonitorDetail }) {
  const { ledger } = state;
  const why = Object.entries(ledger.skipped_by ?? {}).filter(([, n]) => n > 0);
  return (
    <Panel title="Ledger of runs">
      <Facts>
        <Fact label="Due">{whole(ledger.due)}</Fact>
        <Fact label="Ran">{whole(ledger.ran)}</Fact>
        <Fact label="Late">{whole(ledger.late)}</Fact>
        <Fact label="Skipped">
          {whole(ledger.skipped)}
          {why.length > 0 && (
            <span className="text-ink-3">
              {" "}
              ({why.map(([k, n]) => `${whole(n)} ${k.replaceAll("-", " ")}`).join(", ")})
            </span>
          )}
        </Fact>
        <Fact label="Missed">{whole(ledger.missed)}</Fact>
      </Facts>
    </Panel>
  );
}
