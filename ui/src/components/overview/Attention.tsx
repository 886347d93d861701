import { Link } from "@tanstack/react-router";
import {
  BellOff,
  BellRing,
  Bug,
  Check,
  ChevronRight,
  CloudOff,
  EyeOff,
  FileWarning,
  MailX,
  Unplug,
} from "lucide-react";
import type { Overview } from "../../api/overview";
import type { StateFilter } from "../../api/state";
import { cn } from "../../lib/cn";
import { whole } from "../../lib/numbers";
import { Panel } from "../ui/panel";

type Row = {
  n: number;
  word: string;
  icon: typeof EyeOff;
  alarming: boolean;
  link: { to: "/notifications"; search: { state: string } } | { to: "/monitors"; search: StateFilter };
};

/** What a status does not say: not seen, not owned, not valid, not told. */
export function Attention({ overview: { monitors: m, notifications: n } }: { overview: Overview }) {
  const rows: Row[] = [
    {
      n: n.given_up,
      word: n.given_up === 1 ? "notification given up" : "notifications given up",
      icon: MailX,
      alarming: true,
      link: { to: "/notifications", search: { state: "given-up" } },
    },
    {
      n: n.pending,
      word: n.pending === 1 ? "notification pending" : "notifications pending",
      icon: BellRing,
      alarming: false,
      link: { to: "/notifications", search: { state: "pending" } },
    },
    {
      n: m.unwatched,
      word: "unwatched",
      icon: EyeOff,
      alarming: true,
      link: { to: "/monitors", search: { unwatched: "true" } },
    },
    {
      n: m.unreachable,
      word: "unreachable",
      icon: CloudOff,
      alarming: true,
      link: { to: "/monitors", search: { unreachable: "true" } },
    },
    {
      n: m.orphaned,
      word: "orphaned",
      icon: Unplug,
      alarming: true,
      link: { to: "/monitors", search: { orphaned: "true" } },
    },
    {
      n: m.invalid,
      word: m.invalid === 1 ? "invalid definition" : "invalid definitions",
      icon: FileWarning,
      alarming: true,
      link: { to: "/monitors", search: { invalid: "true" } },
    },
    {
      n: m.broken,
      word: "broken",
      icon: Bug,
      alarming: true,
      link: { to: "/monitors", search: { broken: "true" } },
    },
    {
      n: m.silenced,
      word: "silenced",
      icon: BellOff,
      alarming: false,
      link: { to: "/monitors", search: { silenced: "true" } },
    },
  ];
  const shown = rows.filter((r) => r.n > 0);
  return (
    <Panel title="Needs a look" flush>
      {shown.length === 0 ? (
        <p className="flex items-center gap-2.5 p-4 text-ink-2">
          <Check aria-hidden className="size-4 shrink-0 text-ok" />
          Everything is watched, and everybody was told.
        </p>
      ) : (
        <ul className="py-1">
          {shown.map((r) => (
            <li key={r.word}>
              <Link {...r.link} className="flex h-10 items-center gap-3 px-4 hover:bg-sunken/60">
                <r.icon aria-hidden className={cn("size-4 shrink-0", r.alarming ? "text-warning" : "text-ink-3")} />
                <span className="min-w-0 flex-1 truncate">
                  <b className="font-semibold">{whole(r.n)}</b> {r.word}
                </span>
                <ChevronRight aria-hidden className="size-4 text-ink-3" />
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
