import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";
import type { Ledger } from "./state";

export type Counts = {
  total: number;
  ok: number;
  warning: number;
  critical: number;
  pending: number;
  disabled: number;
  unwatched: number;
  silenced: number;
  orphaned: number;
  invalid: number;
  broken: number;
  /** Their judge could not be asked: counted by what was recorded last. */
  unreachable: number;
};

export type Overview = {
  monitors: Counts;
  incidents: { open: number };
  notifications: { pending: number; given_up: number };
  member: { id: string; hostname: string; version: string; started: string; listen: string };
  store: {
    backend: string;
    state: string;
    detail: string | null;
    /** What the state means, and since when it is so; null when all is well. */
    means: string | null;
    since: string | null;
    path: string | null;
  };
  ledger: Ledger;
  runs_per_second: number;
  lateness_ms: { p50: number; p99: number };
  /** Members that could not be asked; left out where all answered. */
  unreachable?: string[];
};

/** Rates and lateness change without an event, so the overview is also asked for on a slow beat. */
const BEAT_MS = 5000;

export const overview = queryOptions({
  queryKey: ["overview"],
  queryFn: ({ signal }) => get<Overview>("/api/v1/overview", {}, signal),
  refetchInterval: BEAT_MS,
  // The tab of a hidden page still counts what fails.
  refetchIntervalInBackground: true,
});
