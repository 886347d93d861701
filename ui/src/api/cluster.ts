import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";

export type Member = {
  MemberID: string;
  Hostname: string;
  ListenAddress: string;
  LastUpdated: string;
  Tags: string[] | null;
  Version: string;
  SemVer: string;
};

export type Cluster = { Members: Record<string, Member>; Director: { MemberID: string; LastUpdate: string } };

export const cluster = queryOptions({
  queryKey: ["cluster"],
  queryFn: ({ signal }) => get<Cluster>("/api/v1/cluster", {}, signal),
  refetchInterval: 15_000,
});
