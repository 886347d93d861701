import { queryOptions } from "@tanstack/react-query";
import { named, type Problem, request } from "./client";
import type { Outcome, Phases } from "./state";

export type Definition = Record<string, unknown>;
export type Stored = { definition: Definition; etag: string | null };
export type Saved = { message: string; status: string; warnings?: Problem[] };
export type RunResult = {
  outcome: Outcome;
  reason: string | null;
  message: string;
  took_ms: number | null;
  phases: Phases;
  facts: Record<string, unknown>;
};

/** Monitors and alerters are defined, read and written in the same way. */
export type Resource = "monitor" | "alerter";

export function definition(resource: Resource, name: string) {
  return queryOptions({
    queryKey: [resource, name],
    queryFn: ({ signal }) => load(resource, name, signal),
  });
}

export async function load(resource: Resource, name: string, signal?: AbortSignal): Promise<Stored> {
  const reply = await request<Definition>(named(resource, name), { signal });
  return { definition: reply.data, etag: reply.headers.get("etag") };
}

/** Writes only over the revision that was read; `null` means that there must be none yet. */
export async function save(resource: Resource, name: string, body: Definition, etag: string | null): Promise<Saved> {
  const headers: Record<string, string> = etag === null ? { "if-none-match": "*" } : { "if-match": etag };
  return (await request<Saved>(named(resource, name), { method: "PUT", body, headers })).data;
}

export async function remove(resource: Resource, name: string, etag: string | null): Promise<void> {
  await request(named(resource, name), { method: "DELETE", headers: etag === null ? {} : { "if-match": etag } });
}

/** A question only: it changes no status. */
export async function runNow(name: string, signal?: AbortSignal): Promise<RunResult> {
  return (await request<RunResult>(named("monitor", name, "/run"), { method: "POST", body: {}, signal })).data;
}

export async function setDisabled(name: string, disabled: boolean): Promise<void> {
  const stored = await load("monitor", name);
  const body: Definition = { ...stored.definition };
  const key = Object.keys(body).find((k) => k.toLowerCase() === "disable") ?? "disable";
  if (disabled) body[key] = true;
  else delete body[key];
  await save("monitor", name, body, stored.etag);
}
