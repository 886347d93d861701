import { queryOptions } from "@tanstack/react-query";
import { get, named, type Page, request } from "./client";

export type Alerter = {
  name: string;
  type: string;
  description: string;
  /** It is told, too, when members go on without the store. */
  fallback: boolean;
  options: Record<string, unknown> | null;
  told_open: number;
  pending: number;
  last_delivery: { at: string; ok: boolean; message: string } | null;
};

export type TestResult = { delivered: boolean; response: string; took_ms: number | null };

export const alerters = queryOptions({
  queryKey: ["alerters"],
  queryFn: ({ signal }) => get<Page<Alerter>>("/api/v1/alerters", { limit: 1000 }, signal),
});

export async function testAlerter(name: string): Promise<TestResult> {
  return (await request<TestResult>(named("alerter", name, "/test"), { method: "POST", body: {} })).data;
}
