import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import {
  ArrowLeftRight,
  BellRing,
  CircleAlert,
  Dot,
  FileCog,
  Search,
  Server,
  TriangleAlert,
  Webhook,
} from "lucide-react";
import { useEffect, useState } from "react";
import { EVENT_TYPES, type EventItem, events } from "../api/events";
import { ListPanel } from "../components/ListPanel";
import { Page } from "../components/Page";
import { Ago } from "../components/Time";
import { Input } from "../components/ui/input";
import { Empty } from "../components/ui/states";
import { cn } from "../lib/cn";
import { splitList, toggleInList } from "../lib/search";

const LOOKS: Record<string, { icon: typeof Dot; look: string }> = {
  error: { icon: CircleAlert, look: "text-critical" },
  warning: { icon: TriangleAlert, look: "text-warning" },
  status: { icon: ArrowLeftRight, look: "text-ink-2" },
  alert: { icon: BellRing, look: "text-ink-2" },
  config: { icon: FileCog, look: "text-ink-2" },
  member: { icon: Server, look: "text-ink-2" },
  api: { icon: Webhook, look: "text-ink-2" },
};

const TYPING_MS = 200;

/** What happened to 9volt itself and to what it watches, newest first. */
export function Events() {
  const search = useSearch({ from: "/events" });
  const list = useInfiniteQuery(events(search));
  return (
    <Page title="Events" lead="What happened, newest first.">
      <Controls type={search.type} q={search.q ?? ""} />
      <ListPanel list={list} empty={<Empty title="No events match">Other types or words may.</Empty>}>
        {(items) => (
          <ul className="divide-y">
            {items.map((e) => (
              <Row key={e.id} event={e} />
            ))}
          </ul>
        )}
      </ListPanel>
    </Page>
  );
}

function Controls({ type, q }: { type: string | undefined; q: string }) {
  const navigate = useNavigate({ from: "/events" });
  const [text, setText] = useState(q);
  const chosen = splitList(type);
  useEffect(() => {
    if (text === q) return;
    const timer = setTimeout(
      () => void navigate({ to: "/events", search: (old) => ({ ...old, q: text || undefined }), replace: true }),
      TYPING_MS,
    );
    return () => clearTimeout(timer);
  }, [text, q, navigate]);
  return (
    <div className="flex flex-wrap items-center gap-2">
      <div className="relative w-full sm:w-72">
        <Search aria-hidden className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-ink-3" />
        <Input
          type="search"
          aria-label="Search events"
          placeholder="Words of the message"
          className="pl-8.5"
          value={text}
          onChange={(e) => setText(e.target.value)}
        />
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out inline in all browsers. */}
      <div role="group" aria-label="Types" className="flex flex-wrap gap-1.5">
        {EVENT_TYPES.map((t) => {
          const on = chosen.includes(t);
          const Icon = LOOKS[t]?.icon ?? Dot;
          return (
            <button
              key={t}
              type="button"
              aria-pressed={on}
              onClick={() =>
                void navigate({
                  to: "/events",
                  search: (old) => ({ ...old, type: toggleInList(type, t) }),
                  replace: true,
                })
              }
              className={cn(
                "inline-flex h-9 items-center gap-1.5 rounded-md border px-2.5",
                on ? "border-ink bg-ink text-panel" : "border-line-strong bg-panel text-ink-2 hover:text-ink",
              )}
            >
              <Icon aria-hidden className="size-4" />
              {t}
            </button>
          );
        })}
      </div>
    </div>
  );
}

function Row({ event }: { event: EventItem }) {
  const { icon: Icon, look } = LOOKS[event.type] ?? { icon: Dot, look: "text-ink-2" };
  return (
    <li className="flex items-start gap-3 px-4 py-2.5">
      <Icon aria-hidden className={cn("mt-0.5 size-4 shrink-0", look)} />
      <span className="w-16 shrink-0 text-ink-3 max-sm:hidden">{event.type}</span>
      <p className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        <span className="sr-only sm:hidden">{event.type}: </span>
        <Message event={event} />
      </p>
      <Ago at={event.timestamp} className="shrink-0 text-ink-2" />
    </li>
  );
}

/** The message, with the monitor's name as the way to it: where it stands, or after the words. */
function Message({ event }: { event: EventItem }) {
  if (event.monitor === null || event.monitor === "") return event.message;
  const at = event.message.indexOf(event.monitor);
  const link = (
    <Link to="/monitors/$name" params={{ name: event.monitor }} className="font-medium hover:underline">
      {event.monitor}
    </Link>
  );
  if (at < 0) {
    return (
      <>
        {event.message} {link}
      </>
    );
  }
  return (
    <>
      {event.message.slice(0, at)}
      {link}
      {event.message.slice(at + event.monitor.length)}
    </>
  );
}
