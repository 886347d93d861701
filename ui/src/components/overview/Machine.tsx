import { Link } from "@tanstack/react-router";
import type { Overview } from "../../api/overview";
import { cn } from "../../lib/cn";
import { rate, whole } from "../../lib/numbers";
import { took } from "../../lib/time";
import { StatusIcon } from "../StatusMark";
import { Since } from "../Time";
import { Fact, Facts, Panel } from "../ui/panel";

/** Is the watcher itself well? */
export function Machine({ overview: o }: { overview: Overview }) {
  const joined = o.store.state === "joined";
  return (
    <Panel
      title="This member"
      aside={
        <Link to="/cluster" className="text-ink-2 hover:text-ink">
          {o.member.hostname}
        </Link>
      }
    >
      <div className="mb-4 flex items-baseline gap-2">
        <span className="font-semibold text-3xl tracking-tight">{rate(o.runs_per_second)}</span>
        <span className="text-ink-2">checks per second</span>
      </div>
      <Facts>
        <Fact label="Store">
          <span
            className={cn("inline-flex items-center gap-1.5", joined ? "text-ink" : "font-medium text-critical")}
            title={o.store.path ?? undefined}
          >
            <StatusIcon status={joined ? "ok" : "critical"} />
            {o.store.backend}, {o.store.state.replaceAll("-", " ")}
          </span>
        </Fact>
        {o.store.detail !== null && (
          <Fact label="Because">
            <span className="text-critical">{o.store.detail}</span>
          </Fact>
        )}
        <Fact label="Late by">
          {took(o.lateness_ms.p50)} <span className="text-ink-3">p50</span> · {took(o.lateness_ms.p99)}{" "}
          <span className="text-ink-3">p99</span>
        </Fact>
        <Fact label="Runs">{whole(o.ledger.ran)}</Fact>
        <Fact label="Skipped · missed">
          {whole(o.ledger.skipped)} · {whole(o.ledger.missed)}
        </Fact>
        <Fact label="Up for">
          <Since at={o.member.started} />
        </Fact>
      </Facts>
    </Panel>
  );
}
