import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get, named, type Page, request } from "./client";

/** What the operator wants of a member. */
export type Intent = { drain: boolean; cordon: boolean; weight: number | null; by: string; at: string };

export type Member = {
  id: string;
  /** It lives, as far as the store knows. */
  here: boolean;
  director: boolean;
  hostname: string | null;
  address: string | null;
  tags: string[];
  kinds: string[];
  version: string | null;
  started: string | null;
  leaving: boolean;
  unfit: string | null;
  weight: number;
  intent: Intent | null;
  slots: number;
  alerter_slots: number;
  monitors: number;
  load_share: number;
};

export type PlanGroup = {
  group: string;
  epoch: string;
  at: string;
  why: string;
  monitors: number;
  orphaned_monitors: number;
  members: { id: string; slots: number; monitors: number }[];
};

export type Plan = {
  director: string | null;
  term: string | null;
  last: { at: string; why: string } | null;
  slots: number;
  groups: Page<PlanGroup>;
};

export type Endpoint = {
  url: string;
  version: string | null;
  leads: boolean;
  latency_ms: number | null;
  trouble: string | null;
};

export type Store = {
  backend: string;
  state: string;
  detail: string | null;
  means: string | null;
  since: string | null;
  /** What is known of the other members while they are asked whether they have the store. */
  others: Record<string, string>;
  path: string | null;
  revision: string | null;
  size: number | null;
  in_use: number | null;
  quota: number | null;
  endpoints: Endpoint[];
};

/** A time in which one member judged a monitor; `member` is null where nobody might, `at` where it began before anybody looked. */
export type Judge = { member: string | null; epoch: string; at: string | null; why: string };

/** Members come and go without the stream saying so, so these are asked for again while somebody looks. */
const BEAT_MS = 3000;
const SLOW_BEAT_MS = 15_000;
/** As many as the server gives at once; a cluster has tens of members, rarely hundreds. */
const LIMIT = 1000;

export const members = queryOptions({
  queryKey: ["cluster", "members"],
  queryFn: ({ signal }) => get<Page<Member>>("/api/v1/member", { limit: LIMIT }, signal),
  refetchInterval: BEAT_MS,
});

export const plan = queryOptions({
  queryKey: ["cluster", "plan"],
  queryFn: ({ signal }) => get<Plan>("/api/v1/plan", { limit: LIMIT }, signal),
  refetchInterval: BEAT_MS,
});

export const store = queryOptions({
  queryKey: ["cluster", "store"],
  queryFn: ({ signal }) => get<Store>("/api/v1/store", {}, signal),
  refetchInterval: BEAT_MS,
});

/** Who judges a monitor and who did before. Another owner is another question. */
export function judges(monitor: string, owner: string) {
  return queryOptions({
    queryKey: ["cluster", "judges", monitor, owner],
    queryFn: async ({ signal }) =>
      (await get<{ items: Judge[] }>(named("monitor", monitor, "/judges"), {}, signal)).items,
    refetchInterval: SLOW_BEAT_MS,
    placeholderData: keepPreviousData,
  });
}

export type Wish = "drain" | "cordon";

/** Says, or takes back, what is wanted of a member. */
export async function wish(id: string, what: Wish, on: boolean, by: string): Promise<void> {
  const path = named("member", id, `/${what}`);
  if (on) await request(path, { method: "PUT", body: { by } });
  else await request(path, { method: "DELETE" });
}

/** Forgets a member that is gone. */
export async function forget(id: string): Promise<void> {
  await request(named("member", id), { method: "DELETE" });
}
