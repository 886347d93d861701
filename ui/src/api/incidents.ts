import { infiniteQueryOptions } from "@tanstack/react-query";
import { get, type Page } from "./client";
import type { Status } from "./state";

export type Incident = {
  id: string;
  monitor: string;
  type: string;
  status: Status;
  since: string;
  until: string | null;
  closed_as: "recovered" | "edited" | "disabled" | "deleted" | "moved" | null;
  reason: string;
  count: number;
  trail: { at: string; status: Status; message: string }[];
  alerters: string[];
  silenced: boolean;
};

export type IncidentFilter = { state: "open" | "past" | "all"; monitor?: string; limit?: number };

export function incidents(filter: IncidentFilter) {
  return infiniteQueryOptions({
    queryKey: ["incident", filter],
    queryFn: ({ signal, pageParam }) =>
      get<Page<Incident>>("/api/v1/incident", { ...filter, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  });
}
