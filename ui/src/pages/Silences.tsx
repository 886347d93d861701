import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { BellOff, Plus } from "lucide-react";
import { useState } from "react";
import { expireSilence, type Matcher, type Silence, type SilenceState, silences } from "../api/silences";
import { ListPanel } from "../components/ListPanel";
import { Page } from "../components/Page";
import { SilenceDialog } from "../components/SilenceDialog";
import { Ago, useNow } from "../components/Time";
import { Button } from "../components/ui/button";
import { Empty } from "../components/ui/states";
import { LinkTabs } from "../components/ui/tabs";
import { toast } from "../components/ui/toast";
import { cn } from "../lib/cn";
import { count } from "../lib/numbers";

const WORDS: Record<Matcher["op"], string> = { "=": "=", "!=": "≠", glob: "like", "=~": "~", "!~": "!~" };

/** What nobody is told of, until when, by whom and why. */
export function Silences() {
  const search = useSearch({ from: "/silences" });
  const state = (search.state ?? "active") as SilenceState;
  const list = useInfiniteQuery(silences(state));
  const [creating, setCreating] = useState(false);
  const button = (
    <Button look="primary" onClick={() => setCreating(true)}>
      <Plus aria-hidden />
      New silence
    </Button>
  );
  return (
    <Page title="Silences" lead="Muted for a time. What still fails when a silence ends is told then." actions={button}>
      <div>
        <LinkTabs
          label="State"
          param="state"
          current={search.state}
          tabs={[
            { value: undefined, label: "Active" },
            { value: "expired", label: "Expired" },
            { value: "all", label: "All" },
          ]}
        />
      </div>
      <ListPanel
        list={list}
        empty={
          <Empty icon={<BellOff aria-hidden />} title={state === "active" ? "Nothing is silenced" : "No silences here"}>
            Silence a monitor from its page, or a whole group by tag before planned work.
          </Empty>
        }
      >
        {(items) => (
          <ul className="divide-y">
            {items.map((s) => (
              <Row key={s.id} silence={s} />
            ))}
          </ul>
        )}
      </ListPanel>
      {creating && (
        <SilenceDialog matchers={[{ field: "name", op: "glob", value: "" }]} onClose={() => setCreating(false)} />
      )}
    </Page>
  );
}

function Row({ silence: s }: { silence: Silence }) {
  const queries = useQueryClient();
  const now = useNow();
  const upcoming = !s.active && Date.parse(s.from) > now;
  const expiry = useMutation({
    mutationFn: () => expireSilence(s.id),
    onSuccess: async () => {
      toast("done", "The silence has ended");
      await queries.invalidateQueries();
    },
    onError: (error) => toast("failed", error.message),
  });
  return (
    <li data-silence={s.id} className="flex flex-wrap items-start gap-x-4 gap-y-2 px-4 py-3.5">
      <BellOff aria-hidden className={cn("mt-0.5 size-4", s.active ? "text-ink" : "text-ink-3")} />
      <div className="min-w-52 flex-1">
        <p className="flex flex-wrap gap-1.5">
          {s.matchers.map((m) => (
            <code
              key={`${m.field}${m.op}${m.value}`}
              className="rounded border bg-sunken px-1.5 font-mono text-xs leading-5 [overflow-wrap:anywhere]"
            >
              {m.field === "type" ? "kind" : m.field} {WORDS[m.op]} {m.value}
            </code>
          ))}
        </p>
        <p className="mt-1.5 [overflow-wrap:anywhere]">
          {s.comment === "" ? <span className="text-ink-3">no comment</span> : s.comment}
          {s.author !== "" && <span className="text-ink-3"> · {s.author}</span>}
        </p>
      </div>
      <div className="text-right">
        <p className="font-medium">
          {s.active ? "ends " : upcoming ? "begins " : "ended "}
          <Ago at={upcoming ? s.from : s.until} />
        </p>
        <p className="text-ink-3 text-xs">{count(s.matches, "monitor matches", "monitors match")}</p>
      </div>
      {(s.active || upcoming) && (
        <Button size="sm" disabled={expiry.isPending} onClick={() => expiry.mutate()}>
          {upcoming ? "Cancel" : "End now"}
        </Button>
      )}
    </li>
  );
}
