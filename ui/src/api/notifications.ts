import { infiniteQueryOptions } from "@tanstack/react-query";
import { get, type Page } from "./client";
import type { Status } from "./state";

export type NotificationState = "sent" | "pending" | "sending" | "given-up" | "muted";

export type Notification = {
  key: string;
  alerter: string;
  monitor: string;
  episode: string;
  status: Status;
  state: NotificationState;
  at: string;
  attempts: number;
  error: string | null;
  next_attempt: string | null;
  muted_by: string | null;
};

export type NotificationFilter = { state?: string; alerter?: string; monitor?: string };

export function notifications(filter: NotificationFilter) {
  return infiniteQueryOptions({
    queryKey: ["notification", filter],
    queryFn: ({ signal, pageParam }) =>
      get<Page<Notification>>("/api/v1/notification", { ...filter, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  });
}
