import { queryOptions } from "@tanstack/react-query";
import type { JsonSchema } from "../lib/schema";
import { get } from "./client";

export type Kind = { kind: string; summary: string; example: string; schema: JsonSchema };
export type Kinds = { monitors: Kind[]; alerters: Kind[] };

/** Kinds are compiled into the server, so they are asked for once. */
export const kinds = queryOptions({
  queryKey: ["kinds"],
  queryFn: ({ signal }) => get<Kinds>("/api/v1/kinds", {}, signal),
  staleTime: Number.POSITIVE_INFINITY,
});
