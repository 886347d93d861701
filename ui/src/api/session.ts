import { queryOptions } from "@tanstack/react-query";
import { get, request } from "./client";

export type Session = { required: boolean; signed_in: boolean };

const AGAIN_MS = 3000;

export const session = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => get<Session>("/api/v1/session", {}, signal),
  // The first question of all: while nobody answers it is asked again, so that the page opens by itself.
  refetchInterval: (query) => (query.state.data === undefined ? AGAIN_MS : false),
});

export async function signIn(token: string): Promise<void> {
  await request("/api/v1/session", { method: "POST", body: { token } });
}

export async function signOut(): Promise<void> {
  await request("/api/v1/session", { method: "DELETE" });
}
