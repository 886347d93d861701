import { queryOptions } from "@tanstack/react-query";
import type { OpenApi } from "../lib/openapi";
import { get } from "./client";

export const openapi = queryOptions({
  queryKey: ["openapi"],
  queryFn: ({ signal }) => get<OpenApi>("/openapi.json", {}, signal),
  staleTime: Number.POSITIVE_INFINITY,
});
