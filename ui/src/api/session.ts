import { queryOptions } from "@tanstack/react-query";
import { get, request } from "./client";

export type Session = { required: boolean; signed_in: boolean };

export const session = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => get<Session>("/api/v1/session", {}, signal),
});

export async function signIn(token: string): Promise<void> {
  await request("/api/v1/session", { method: "POST", body: { token } });
}

export async function signOut(): Promise<void> {
  await request("/api/v1/session", { method: "DELETE" });
}
