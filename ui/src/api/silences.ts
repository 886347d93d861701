import { infiniteQueryOptions } from "@tanstack/react-query";
import { get, named, type Page, request } from "./client";

export type MatcherField = "name" | "tag" | "type";
export type MatcherOp = "=" | "!=" | "glob" | "=~" | "!~";
export type Matcher = { field: MatcherField; op: MatcherOp; value: string };

export type Silence = {
  id: string;
  matchers: Matcher[];
  from: string;
  until: string;
  author: string;
  comment: string;
  active: boolean;
  matches: number;
};

export type NewSilence = {
  matchers: Matcher[];
  from?: string;
  until?: string;
  duration?: string;
  author?: string;
  comment?: string;
};

export type SilenceState = "active" | "expired" | "all";

export function silences(state: SilenceState) {
  return infiniteQueryOptions({
    queryKey: ["silence", state],
    queryFn: ({ signal, pageParam }) => get<Page<Silence>>("/api/v1/silence", { state, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  });
}

export async function createSilence(silence: NewSilence): Promise<Silence> {
  return (await request<Silence>("/api/v1/silence", { method: "POST", body: silence })).data;
}

export async function expireSilence(id: string): Promise<void> {
  await request(named("silence", id), { method: "DELETE" });
}
