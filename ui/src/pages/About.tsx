import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { overview } from "../api/overview";
import { Page } from "../components/Page";
import { Since } from "../components/Time";
import { Fact, Facts, Panel } from "../components/ui/panel";
import { rate, whole } from "../lib/numbers";
import { took } from "../lib/time";

/** Who answers here, on what it stands, and how well it keeps its schedule. */
export function About() {
  const all = useQuery(overview);
  return (
    <Page title="About" lead={all.data === undefined ? "…" : `9volt ${all.data.member.version}`}>
      {all.data !== undefined && (
        <div className="grid items-start gap-5 md:grid-cols-2">
          <Panel
            title="This member"
            aside={
              <Link to="/cluster" className="text-ink-2 hover:text-ink">
                Cluster
              </Link>
            }
          >
            <Facts>
              <Fact label="Id">
                <code className="font-mono text-xs">{all.data.member.id}</code>
              </Fact>
              <Fact label="Host">{all.data.member.hostname}</Fact>
              <Fact label="Listens on">{all.data.member.listen}</Fact>
              <Fact label="Up for">
                <Since at={all.data.member.started} />
              </Fact>
              <Fact label="Store">
                {all.data.store.backend}, {all.data.store.state.replaceAll("-", " ")}
              </Fact>
              {all.data.store.path !== null && (
                <Fact label="Data">
                  <code className="font-mono text-xs">{all.data.store.path}</code>
                </Fact>
              )}
              {all.data.store.detail !== null && <Fact label="Detail">{all.data.store.detail}</Fact>}
            </Facts>
          </Panel>
          <Panel title="Ledger of all runs">
            <Facts>
              <Fact label="Checks per second">{rate(all.data.runs_per_second)}</Fact>
              <Fact label="Due">{whole(all.data.ledger.due)}</Fact>
              <Fact label="Ran">{whole(all.data.ledger.ran)}</Fact>
              <Fact label="Of these late">{whole(all.data.ledger.late)}</Fact>
              <Fact label="Skipped">{whole(all.data.ledger.skipped)}</Fact>
              <Fact label="Missed">{whole(all.data.ledger.missed)}</Fact>
              <Fact label="Late by">
                {took(all.data.lateness_ms.p50)} p50 · {took(all.data.lateness_ms.p99)} p99
              </Fact>
            </Facts>
          </Panel>
        </div>
      )}
    </Page>
  );
}
