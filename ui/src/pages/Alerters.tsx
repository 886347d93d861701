import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck, CircleX, LoaderCircle, Megaphone, Pencil, Plus, Send } from "lucide-react";
import { type Alerter, alerters, type TestResult, testAlerter } from "../api/alerters";
import { Page } from "../components/Page";
import { Tag } from "../components/Tag";
import { Ago } from "../components/Time";
import { Button, buttonClass } from "../components/ui/button";
import { Fact, Facts, Panel } from "../components/ui/panel";
import { Empty, Failure, Loading } from "../components/ui/states";
import { cn } from "../lib/cn";
import { whole } from "../lib/numbers";
import { took } from "../lib/time";

/** Who can be told, whether telling works, and a way to try it. */
export function Alerters() {
  const list = useQuery(alerters);
  return (
    <Page
      title="Alerters"
      lead="Where notifications go. A test sends a marked message and shows what the far end said."
      actions={
        <Link to="/new" search={{ resource: "alerter" }} className={buttonClass("primary")}>
          <Plus aria-hidden />
          New alerter
        </Link>
      }
    >
      {list.data === undefined ? (
        <Panel flush>
          {list.error === null ? <Loading /> : <Failure error={list.error} onRetry={() => void list.refetch()} />}
        </Panel>
      ) : list.data.items.length === 0 ? (
        <Panel>
          <Empty icon={<Megaphone aria-hidden />} title="No alerters yet">
            Without one, failures are shown here but nobody is told.
          </Empty>
        </Panel>
      ) : (
        <div className="grid items-start gap-5 md:grid-cols-2">
          {list.data.items.map((a) => (
            <Card key={a.name} alerter={a} />
          ))}
        </div>
      )}
    </Page>
  );
}

function Card({ alerter: a }: { alerter: Alerter }) {
  const test = useMutation({ mutationFn: () => testAlerter(a.name) });
  return (
    <section aria-label={a.name} data-alerter={a.name} className="rounded-xl border bg-panel shadow-panel">
      <div className="flex items-start gap-3 border-b p-4">
        <div className="min-w-0 flex-1">
          <h2 className="flex flex-wrap items-center gap-2 font-semibold text-base [overflow-wrap:anywhere]">
            {a.name}
            <Tag>{a.type}</Tag>
            {a.fallback && <Tag>told when the store or another alerter fails</Tag>}
          </h2>
          {a.description !== "" && <p className="mt-0.5 text-ink-2">{a.description}</p>}
        </div>
        <Link to="/alerters/$name/edit" params={{ name: a.name }} className={buttonClass("ghost", "sm")}>
          <Pencil aria-hidden />
          Edit
        </Link>
        <Button size="sm" disabled={test.isPending} onClick={() => test.mutate()}>
          {test.isPending ? <LoaderCircle aria-hidden className="animate-spin" /> : <Send aria-hidden />}
          Test
        </Button>
      </div>
      <div className="grid gap-4 p-4">
        <div aria-live="polite" className="empty:hidden">
          {test.error !== null ? (
            <Said ok={false} title="The test could not be made" text={test.error.message} />
          ) : (
            test.data !== undefined && <Tested result={test.data} />
          )}
        </div>
        <Facts>
          <Fact label="Told of open incidents">{whole(a.told_open)}</Fact>
          <Fact label="Pending">
            <Link
              to="/notifications"
              search={{ alerter: a.name, state: "pending" }}
              className={cn("hover:underline", a.pending > 0 && "font-semibold text-warning")}
            >
              {whole(a.pending)}
            </Link>
          </Fact>
          <Fact label="Last delivery">
            {a.last_delivery === null ? (
              <span className="text-ink-3">none yet</span>
            ) : (
              <span
                title={a.last_delivery.message}
                className={cn("inline-flex items-center gap-1.5", !a.last_delivery.ok && "text-critical")}
              >
                {a.last_delivery.ok ? (
                  <CircleCheck aria-hidden className="size-4 text-ok" />
                ) : (
                  <CircleX aria-hidden className="size-4" />
                )}
                {a.last_delivery.ok ? "worked" : "failed"} <Ago at={a.last_delivery.at} />
              </span>
            )}
          </Fact>
        </Facts>
        {a.last_delivery !== null && !a.last_delivery.ok && (
          <p className="text-critical text-xs [overflow-wrap:anywhere]">{a.last_delivery.message}</p>
        )}
        <Options options={a.options ?? {}} />
      </div>
    </section>
  );
}

function Options({ options }: { options: Record<string, unknown> }) {
  const entries = Object.entries(options);
  if (entries.length === 0) return null;
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1 border-t pt-4 font-mono text-xs">
      {entries.map(([key, value]) => (
        <div key={key} className="col-span-2 grid grid-cols-subgrid">
          <dt className="text-ink-3">{key}</dt>
          <dd className="[overflow-wrap:anywhere]">{typeof value === "string" ? value : JSON.stringify(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Tested({ result }: { result: TestResult }) {
  const time = result.took_ms === null ? "" : ` after ${took(result.took_ms)}`;
  return (
    <Said
      ok={result.delivered}
      title={result.delivered ? `Delivered${time}` : `Not delivered${time}`}
      text={result.response}
    />
  );
}

function Said({ ok, title, text }: { ok: boolean; title: string; text: string }) {
  const Icon = ok ? CircleCheck : CircleX;
  return (
    <div
      data-test-result={ok ? "delivered" : "failed"}
      className={cn("flex items-start gap-2.5 rounded-lg p-3", ok ? "bg-ok-soft" : "bg-critical-soft")}
    >
      <Icon aria-hidden className={cn("mt-0.5 size-4 shrink-0", ok ? "text-ok" : "text-critical")} />
      <div className="min-w-0">
        <p className="font-medium">{title}</p>
        {text !== "" && <p className="font-mono text-ink-2 text-xs [overflow-wrap:anywhere]">{text}</p>}
      </div>
    </div>
  );
}
