import {
  BellOff,
  Bug,
  CircleCheck,
  CircleDashed,
  CirclePause,
  CloudOff,
  EyeOff,
  FileWarning,
  OctagonX,
  TriangleAlert,
  Unplug,
} from "lucide-react";
import type { MonitorState } from "../api/state";
import { cn } from "../lib/cn";
import { type Shown, STATUS_WORD } from "../lib/status";

const ICONS: Record<Shown, typeof CircleCheck> = {
  critical: OctagonX,
  warning: TriangleAlert,
  ok: CircleCheck,
  pending: CircleDashed,
  disabled: CirclePause,
};

const INKS: Record<Shown, string> = {
  critical: "text-critical",
  warning: "text-warning",
  ok: "text-ok",
  pending: "text-pending",
  disabled: "text-ink-3",
};

/** A status by shape and colour; give `word` unless the word stands beside it anyway. */
export function StatusIcon({ status, className }: { status: Shown; className?: string }) {
  const Icon = ICONS[status];
  return <Icon aria-hidden className={cn("size-4 shrink-0", INKS[status], className)} strokeWidth={2.25} />;
}

export function StatusMark({ status, className }: { status: Shown; className?: string }) {
  return (
    <span className={cn("inline-flex items-center gap-1.5 font-medium", INKS[status], className)}>
      <StatusIcon status={status} />
      {STATUS_WORD[status]}
    </span>
  );
}

type Flagged = Partial<
  Pick<MonitorState, "silenced" | "unwatched" | "orphaned" | "invalid" | "broken" | "unreachable">
>;

const FLAGS = [
  {
    key: "unwatched",
    word: "unwatched",
    icon: EyeOff,
    look: "bg-warning-soft text-warning",
    title: "No check could be made for a while: the status may be out of date",
  },
  {
    key: "unreachable",
    word: "unreachable",
    icon: CloudOff,
    look: "bg-warning-soft text-warning",
    title: "The member that judges it does not answer: this is what was recorded last",
  },
  {
    key: "orphaned",
    word: "orphaned",
    icon: Unplug,
    look: "bg-warning-soft text-warning",
    title: "No member may run this monitor",
  },
  {
    key: "invalid",
    word: "invalid",
    icon: FileWarning,
    look: "bg-critical-soft text-critical",
    title: "The definition has errors",
  },
  {
    key: "broken",
    word: "broken",
    icon: Bug,
    look: "bg-critical-soft text-critical",
    title: "9volt itself failed on it (see the log of its member): left out until it is edited",
  },
  {
    key: "silenced",
    word: "silenced",
    icon: BellOff,
    look: "bg-pending-soft text-pending",
    title: "Nobody is told while this is silenced",
  },
] as const;

/** What else is true of a monitor, beside its status. */
export function Flags({ of, compact = false }: { of: Flagged; compact?: boolean }) {
  return FLAGS.filter((f) => of[f.key] === true).map(({ key, word, icon: Icon, look, title }) => (
    <span
      key={key}
      title={title}
      className={cn("inline-flex h-5 shrink-0 items-center gap-1 rounded px-1.5 font-medium text-2xs", look)}
    >
      <Icon aria-hidden className="size-3" />
      <span className={cn(compact && "max-sm:sr-only")}>{word}</span>
    </span>
  ));
}
