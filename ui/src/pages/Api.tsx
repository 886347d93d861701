import { useQuery } from "@tanstack/react-query";
import { ChevronDown } from "lucide-react";
import { useMemo } from "react";
import { url } from "../api/client";
import { openapi } from "../api/openapi";
import { Page } from "../components/Page";
import { Tag } from "../components/Tag";
import { buttonClass } from "../components/ui/button";
import { Panel } from "../components/ui/panel";
import { Failure, Loading } from "../components/ui/states";
import { cn } from "../lib/cn";
import { deref, type Entry, type Group, groupOperations, type OpenApi, shape } from "../lib/openapi";

const METHOD_LOOK: Record<string, string> = {
  GET: "text-ink-2",
  POST: "text-accent",
  PUT: "text-accent",
  PATCH: "text-accent",
  DELETE: "text-critical",
};

/** The API as the server describes itself, for reading. */
export function Api() {
  const doc = useQuery(openapi);
  if (doc.data === undefined) {
    return (
      <Page title="API">
        <Panel flush>
          {doc.error === null ? <Loading rows={8} /> : <Failure error={doc.error} onRetry={() => void doc.refetch()} />}
        </Panel>
      </Page>
    );
  }
  return <Reference doc={doc.data} />;
}

function Reference({ doc }: { doc: OpenApi }) {
  const groups = useMemo(() => groupOperations(doc), [doc]);
  return (
    <Page
      title="API"
      lead={`${doc.info.title} ${doc.info.version}. Everything this page shows comes from here.`}
      actions={
        <a href={url("/openapi.json")} className={buttonClass()}>
          openapi.json
        </a>
      }
    >
      <div className="grid items-start gap-6 lg:grid-cols-[11rem_minmax(0,1fr)]">
        <nav aria-label="Groups" className="sticky top-6 hidden gap-0.5 lg:grid">
          {groups.map((g) => (
            <button
              key={g.tag}
              type="button"
              onClick={() => document.getElementById(`tag-${g.tag}`)?.scrollIntoView({ block: "start" })}
              className="flex h-8 items-center justify-between rounded-md px-2.5 text-left text-ink-2 hover:bg-sunken hover:text-ink"
            >
              {g.tag}
              <span className="text-ink-3 text-xs">{g.entries.length}</span>
            </button>
          ))}
        </nav>
        <div className="grid min-w-0 gap-7">
          {groups.map((g) => (
            <GroupSection key={g.tag} group={g} doc={doc} />
          ))}
        </div>
      </div>
    </Page>
  );
}

function GroupSection({ group, doc }: { group: Group; doc: OpenApi }) {
  return (
    <section id={`tag-${group.tag}`} className="scroll-mt-6">
      <h2 className="mb-0.5 font-semibold text-base">{group.tag}</h2>
      {group.description !== "" && <p className="text-ink-2">{group.description}</p>}
      <ul className="mt-3 divide-y overflow-hidden rounded-xl border bg-panel shadow-panel">
        {group.entries.map((e) => (
          <li key={e.id} data-operation={e.id}>
            <details className="group">
              <summary className="flex list-none items-center gap-3 px-4 py-3 hover:bg-sunken/60 [&::-webkit-details-marker]:hidden">
                <code className={cn("w-14 shrink-0 font-mono font-semibold text-xs", METHOD_LOOK[e.method])}>
                  {e.method}
                </code>
                <span className="flex min-w-0 flex-1 flex-wrap items-baseline gap-x-3">
                  <code className="font-mono text-[0.8125rem] [overflow-wrap:anywhere]">{e.path}</code>
                  <span className="text-ink-2">{e.operation.summary}</span>
                  {e.operation.deprecated === true && <Tag>deprecated</Tag>}
                </span>
                <ChevronDown aria-hidden className="size-4 shrink-0 text-ink-3 group-open:rotate-180" />
              </summary>
              <Detail entry={e} doc={doc} />
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Detail({ entry, doc }: { entry: Entry; doc: OpenApi }) {
  const { operation, parameters } = entry;
  const body = operation.requestBody === undefined ? undefined : deref(operation.requestBody, doc);
  return (
    <div className="grid gap-5 bg-bg px-4 py-4">
      {operation.description !== undefined && <p className="whitespace-pre-line">{operation.description}</p>}
      {parameters.length > 0 && (
        <div>
          <h3 className="mb-2 font-medium">Parameters</h3>
          <dl className="grid gap-2">
            {parameters.map((p) => (
              <div key={`${p.in}-${p.name}`} className="grid gap-x-4 sm:grid-cols-[12rem_minmax(0,1fr)]">
                <dt className="font-mono text-xs leading-5">
                  {p.name}
                  <span className="text-ink-3">
                    {" "}
                    {p.in}
                    {p.required === true && ", required"}
                  </span>
                </dt>
                <dd className="text-ink-2">
                  <code className="mr-2 font-mono text-xs">{shape(p.schema, doc)}</code>
                  {p.description}
                </dd>
              </div>
            ))}
          </dl>
        </div>
      )}
      {body !== undefined && (
        <div>
          <h3 className="mb-2 font-medium">Body{body.required === true && " (required)"}</h3>
          {body.description !== undefined && <p className="mb-2 text-ink-2">{body.description}</p>}
          <Content content={body.content} doc={doc} />
        </div>
      )}
      <div>
        <h3 className="mb-2 font-medium">Answers</h3>
        <ul className="grid gap-3">
          {Object.entries(operation.responses ?? {}).map(([status, raw]) => {
            const response = deref(raw, doc);
            return (
              <li key={status} className="grid gap-1.5">
                <p>
                  <code className="mr-2 font-mono font-semibold text-xs">{status}</code>
                  <span className="text-ink-2">{response.description}</span>
                </p>
                <Content content={response.content} doc={doc} />
              </li>
            );
          })}
        </ul>
      </div>
    </div>
  );
}

type ContentProps = { content: Record<string, { schema?: Parameters<typeof shape>[0] }> | undefined; doc: OpenApi };

function Content({ content, doc }: ContentProps) {
  return Object.entries(content ?? {}).map(([type, media]) => (
    <div key={type}>
      {type !== "application/json" && <p className="mb-1 text-ink-3 text-xs">{type}</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0} className="overflow-x-auto rounded-lg border bg-panel p-3 font-mono text-xs leading-5">
        {shape(media.schema, doc)}
      </pre>
    </div>
  ));
}
