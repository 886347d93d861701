import { queryOptions } from "@tanstack/react-query";
import { get, named, type Problem, request } from "./client";

export type Status = "pending" | "ok" | "warning" | "critical";
export type Outcome = "pass" | "degraded" | "fail" | "unknown";

/** Milliseconds by phase, in the order in which they happened. */
export type Phases = Record<string, number>;

export type MonitorState = {
  check: string;
  owner: string;
  status: Status;
  count: number;
  message: string;
  date: string | null;
  config?: Record<string, unknown>;
  type: string;
  description: string;
  tags: string[];
  /** Null where the record of the monitor cannot be read. */
  since: string | null;
  last_run: string | null;
  took_ms: number | null;
  next_due: string | null;
  outcome: Outcome | null;
  reason: string | null;
  unwatched: boolean;
  silenced: boolean;
  disabled: boolean;
  orphaned: boolean;
  invalid: boolean;
  broken: boolean;
  unreachable: boolean;
  episode: string | null;
  interval_ms: number;
  spark: (number | null)[];
};

export type Sample = { at: string; took_ms: number | null; outcome: Outcome; phases?: Phases };

export type Verdict = {
  at: string;
  outcome: Outcome;
  reason: string | null;
  message: string;
  took_ms: number | null;
  phases?: Phases;
  facts?: Record<string, unknown>;
};

export type Ledger = {
  due: number;
  ran: number;
  skipped: number;
  late: number;
  missed: number;
  skipped_by?: Record<string, number>;
};

export type Transition = { at: string; from: Status; to: Status; message: string };

export type MonitorDetail = MonitorState & {
  samples: Sample[];
  verdicts: Verdict[];
  ledger: Ledger;
  problems: Problem[];
  etag: string | null;
  transitions: Transition[];
};

/** What the server is asked to leave out, and in which order. All of it lives in the address of the page. */
export type StateFilter = {
  q?: string;
  status?: string;
  type?: string;
  tags?: string;
  silenced?: string;
  disabled?: string;
  unwatched?: string;
  orphaned?: string;
  invalid?: string;
  broken?: string;
  unreachable?: string;
  sort?: string;
};

/** Rows asked for at once. A screen needs one or two of these, however many monitors there are. */
export const WINDOW = 100;

export type StateWindow = { rows: MonitorState[]; total: number };

/** One window of the list, without definitions. */
export function stateWindow(filter: StateFilter, index: number) {
  return queryOptions({
    queryKey: ["state", "list", filter, index],
    queryFn: async ({ signal }): Promise<StateWindow> => {
      const reply = await request<MonitorState[]>("/api/v1/state", {
        query: { ...filter, limit: WINDOW, offset: index * WINDOW, config: false },
        signal,
      });
      const total = Number(reply.headers.get("x-total-count") ?? reply.data.length);
      return { rows: reply.data, total: Number.isFinite(total) ? total : reply.data.length };
    },
  });
}

export function monitorState(name: string) {
  return queryOptions({
    queryKey: ["state", "one", name],
    queryFn: ({ signal }) => get<MonitorDetail>(named("state", name), {}, signal),
  });
}
