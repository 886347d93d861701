import { infiniteQueryOptions } from "@tanstack/react-query";
import { get, type Page } from "./client";

export type EventItem = {
  id: string;
  type: string;
  message: string;
  timestamp: string;
  memberid: string;
  monitor: string | null;
};

export const EVENT_TYPES = ["error", "warning", "status", "alert", "config", "member", "api"] as const;

export type EventFilter = { type?: string; q?: string; limit?: number };

export function events(filter: EventFilter) {
  return infiniteQueryOptions({
    queryKey: ["events", filter],
    queryFn: ({ signal, pageParam }) =>
      get<Page<EventItem>>("/api/v1/events", { ...filter, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  });
}
