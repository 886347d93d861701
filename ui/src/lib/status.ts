import type { Counts } from "../api/overview";
import type { MonitorState, Outcome, Status } from "../api/state";

/** What a row shows: a disabled monitor has a last status, but it is not its state of now. */
export type Shown = Status | "disabled";

export const STATUS_WORD: Record<Shown, string> = {
  critical: "Critical",
  warning: "Warning",
  ok: "OK",
  pending: "Pending",
  disabled: "Disabled",
};

export const OUTCOME_WORD: Record<Outcome, string> = {
  pass: "Pass",
  degraded: "Degraded",
  fail: "Fail",
  unknown: "Unknown",
};

const BADNESS: Record<Status, number> = { critical: 0, warning: 1, pending: 2, ok: 3 };

export function shown(state: Pick<MonitorState, "status" | "disabled">): Shown {
  return state.disabled ? "disabled" : state.status;
}

/** How an outcome looks, in the colours and shapes of statuses. */
export function outcomeStatus(outcome: Outcome): Status {
  if (outcome === "pass") return "ok";
  if (outcome === "degraded") return "warning";
  return outcome === "fail" ? "critical" : "pending";
}

type Troubled = { status: Status; since: string; silenced: boolean };

/** Worst first: what nobody muted, then by status, then the newest, since that is the news. */
export function worstFirst<T extends Troubled>(items: readonly T[]): T[] {
  return [...items].sort(
    (a, b) =>
      Number(a.silenced) - Number(b.silenced) ||
      BADNESS[a.status] - BADNESS[b.status] ||
      Date.parse(b.since) - Date.parse(a.since),
  );
}

/** The worst thing that is true of the whole, for the colour of the overview and of the tab's icon. */
export function worst(counts: Counts): Status {
  if (counts.critical > 0) return "critical";
  if (counts.warning > 0) return "warning";
  return counts.total === 0 || counts.pending === counts.total ? "pending" : "ok";
}

/** Answers "is anything wrong?" in one sentence. */
export function headline(counts: Counts): string {
  const failing = counts.critical + counts.warning;
  if (counts.total === 0) return "Nothing is watched yet";
  if (failing === 0 && counts.ok === 0) return "Waiting for first results";
  if (failing === 0)
    return counts.unwatched + counts.unreachable > 0
      ? "Nothing is failing, as far as we can see"
      : "Everything is fine";
  if (counts.critical === 0) return failing === 1 ? "1 monitor has a warning" : `${failing} monitors have warnings`;
  return failing === 1 ? "1 monitor is failing" : `${failing} monitors are failing`;
}

/** Codes such as `connect-refused` as words: "connect refused". */
export function reasonWords(reason: string): string {
  return reason.replace(/[-_]+/g, " ");
}
