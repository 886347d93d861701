import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { BellOff, BellRing, Clock, LoaderCircle, MailX, Send } from "lucide-react";
import { type Notification, type NotificationState, notifications } from "../api/notifications";
import { ListPanel } from "../components/ListPanel";
import { MonitorChip } from "../components/MonitorChip";
import { Page } from "../components/Page";
import { StatusMark } from "../components/StatusMark";
import { Ago } from "../components/Time";
import { Empty } from "../components/ui/states";
import { LinkTabs } from "../components/ui/tabs";
import { cn } from "../lib/cn";
import { count } from "../lib/numbers";

const STATES: Record<NotificationState, { word: string; icon: typeof Send; look: string }> = {
  sent: { word: "Sent", icon: Send, look: "text-ok" },
  sending: { word: "Sending", icon: LoaderCircle, look: "text-ink-2" },
  pending: { word: "Pending", icon: Clock, look: "text-warning" },
  "given-up": { word: "Given up", icon: MailX, look: "text-critical" },
  muted: { word: "Muted", icon: BellOff, look: "text-pending" },
};

/** Who was told what, who was not, and why not. */
export function Notifications() {
  const search = useSearch({ from: "/notifications" });
  const list = useInfiniteQuery(notifications(search));
  return (
    <Page title="Notifications" lead="What each alerter was told. Nothing is dropped without a word.">
      <div className="flex flex-wrap items-center gap-3">
        <LinkTabs
          label="State"
          param="state"
          current={search.state}
          tabs={[
            { value: undefined, label: "All" },
            ...(["given-up", "pending", "sent", "muted"] as const).map((s) => ({ value: s, label: STATES[s].word })),
          ]}
        />
        <MonitorChip monitor={search.monitor} />
      </div>
      <ListPanel list={list} empty={<Empty icon={<BellRing aria-hidden />} title="No notifications here" />}>
        {(items) => (
          <ul className="divide-y">
            {items.map((n) => (
              <Row key={n.key} notification={n} />
            ))}
          </ul>
        )}
      </ListPanel>
    </Page>
  );
}

function Row({ notification: n }: { notification: Notification }) {
  const { word, icon: Icon, look } = STATES[n.state];
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-1 px-4 py-3">
      <span className={cn("inline-flex w-24 items-center gap-1.5 font-medium", look)}>
        <Icon aria-hidden className="size-4" />
        {word}
      </span>
      <div className="min-w-48 flex-1 max-sm:order-last max-sm:basis-full">
        <p className="[overflow-wrap:anywhere]">
          <Link to="/alerters" className="font-medium hover:underline">
            {n.alerter}
          </Link>{" "}
          <span className="text-ink-2">about</span>{" "}
          <Link to="/monitors/$name" params={{ name: n.monitor }} className="font-medium hover:underline">
            {n.monitor}
          </Link>
        </p>
        {n.error !== null && <p className="text-critical [overflow-wrap:anywhere]">{n.error}</p>}
        <p className="text-ink-3 text-xs">
          {n.muted_by !== null && <>muted by {n.muted_by} · </>}
          {count(n.attempts, "attempt")}
          {n.next_attempt !== null && (
            <>
              , next <Ago at={n.next_attempt} />
            </>
          )}
        </p>
      </div>
      <StatusMark status={n.status} className="sm:w-24" />
      <Ago at={n.at} className="text-right text-ink-2 max-sm:ml-auto sm:w-24" />
    </li>
  );
}
