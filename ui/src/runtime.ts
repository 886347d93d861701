/** The two things that live as long as the page. */
import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./api/client";
import { Live } from "./api/live";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always",
      staleTime: 2000,
      gcTime: 60_000,
      retry: (failures, error) => error instanceof ApiError && error.unreachable && failures < 1,
      retryDelay: 600,
    },
    mutations: { networkMode: "always" },
  },
});

export const live = new Live(queries);
