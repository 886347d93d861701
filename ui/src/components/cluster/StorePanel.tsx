import type { Endpoint, Store } from "../../api/cluster";
import { bytes } from "../../lib/numbers";
import { took } from "../../lib/time";
import { StatusIcon } from "../StatusMark";
import { Tag } from "../Tag";
import { Since } from "../Time";
import { Fact, Facts, Panel } from "../ui/panel";

/** Where everything is kept, and how each of its servers is. */
export function StorePanel({ store: s }: { store: Store }) {
  const joined = s.state === "joined";
  return (
    <Panel flush title="Store">
      <Facts className="p-4">
        <Fact label="State">
          <span className="inline-flex items-center gap-1.5" data-store={s.state}>
            <StatusIcon status={joined ? "ok" : "critical"} />
            {s.backend}, {s.state.replaceAll("-", " ")}
          </span>
        </Fact>
        {s.since !== null && (
          <Fact label="For">
            <Since at={s.since} />
          </Fact>
        )}
        {s.detail !== null && (
          <Fact label="Because">
            <span className="text-critical">{s.detail}</span>
          </Fact>
        )}
        {Object.entries(s.others).map(([member, says]) => (
          <Fact key={member} label={member}>
            {says}
          </Fact>
        ))}
        {s.path !== null && s.endpoints.length === 0 && (
          <Fact label="At">
            <code className="font-mono text-xs">{s.path}</code>
          </Fact>
        )}
        {s.revision !== null && <Fact label="Revision">{s.revision}</Fact>}
        {s.size !== null && (
          <Fact label="Size">
            {bytes(s.size)}
            {s.in_use !== null && `, ${bytes(s.in_use)} in use`}
            {s.quota !== null && ` of ${bytes(s.quota)}`}
          </Fact>
        )}
      </Facts>
      {s.endpoints.length > 0 && (
        <ul aria-label="Endpoints" className="divide-y border-t">
          {s.endpoints.map((e) => (
            <Row key={e.url} endpoint={e} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Row({ endpoint: e }: { endpoint: Endpoint }) {
  const answers = e.latency_ms !== null;
  return (
    <li className="px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
        <StatusIcon status={!answers ? "critical" : e.trouble === null ? "ok" : "warning"} />
        <code className="min-w-0 flex-1 font-mono text-xs [overflow-wrap:anywhere]">{e.url}</code>
        {e.leads && <Tag>leader</Tag>}
        <span className="text-ink-2">{answers ? took(e.latency_ms) : "does not answer"}</span>
      </div>
      {e.version !== null && <p className="mt-0.5 pl-6.5 text-ink-3 text-xs">version {e.version}</p>}
      {e.trouble !== null && (
        <p className="mt-0.5 pl-6.5 text-critical text-xs [overflow-wrap:anywhere]">{e.trouble}</p>
      )}
    </li>
  );
}
