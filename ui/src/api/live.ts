/** One event stream. An event says what changed and invalidates queries; it carries no state into the page. */
import type { QueryClient, QueryKey } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { Coalescer } from "../lib/coalesce";
import { url } from "./client";

export type LiveState = "connecting" | "live" | "lost";

/** Which queries each kind of event makes stale. `names` narrows it where a query is about one thing. */
const STALE: Record<string, (names: string[]) => QueryKey[]> = {
  state: (names) => [["overview"], ["state", "list"], ...names.map((n) => ["state", "one", n])],
  run: (names) => names.map((n) => ["state", "one", n]),
  incident: () => [["incident"], ["overview"]],
  notification: () => [["notification"], ["overview"]],
  silence: () => [["silence"], ["overview"], ["state"], ["incident"]],
  definition: (names) => [["overview"], ["state"], ...names.map((n) => ["monitor", n])],
  alerter: () => [["alerters"], ["alerter"]],
  event: () => [["events"]],
};

const FIRST_MS = 150;
const EVERY_MS = 1000;
const RETRY_MS = [1000, 2000, 4000, 8000, 15_000];
/** Without a stream the page asks again by itself, slowly. */
const BLIND_MS = 15_000;

type Source = Pick<EventSource, "close" | "addEventListener"> & { onerror: ((event: Event) => unknown) | null };

export class Live {
  readonly #queries: QueryClient;
  readonly #open: (address: string) => Source;
  readonly #stale: Coalescer<QueryKey>;
  readonly #listeners = new Set<() => void>();
  #source: Source | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #blind: ReturnType<typeof setInterval> | undefined;
  #failures = 0;
  #monitor: string | undefined;
  #state: LiveState = "connecting";
  #greeted = false;

  constructor(queries: QueryClient, open: (address: string) => Source = (address) => new EventSource(address)) {
    this.#queries = queries;
    this.#open = open;
    this.#stale = new Coalescer((keys) => this.#invalidate(keys), { first: FIRST_MS, every: EVERY_MS });
  }

  get state(): LiveState {
    return this.#state;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    document.addEventListener("visibilitychange", this.#onVisibility);
    this.#connect();
  }

  stop(): void {
    document.removeEventListener("visibilitychange", this.#onVisibility);
    this.#close();
    this.#stale.stop();
  }

  /** Runs of one monitor are sent only when asked for; asking means opening the stream anew. */
  watch(monitor: string | undefined): void {
    if (monitor === this.#monitor) return;
    this.#monitor = monitor;
    if (this.#source !== undefined || this.#retry !== undefined) this.#connect();
  }

  /** Tries at once instead of waiting for the next attempt: after sign-in, or when asked by a person. */
  reconnect(): void {
    this.#failures = 0;
    this.#connect();
  }

  #onVisibility = (): void => this.#stale.hold(document.visibilityState === "hidden");

  #close(): void {
    this.#source?.close();
    this.#source = undefined;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    clearInterval(this.#blind);
    this.#blind = undefined;
  }

  #connect(): void {
    this.#close();
    if (this.#state === "lost") this.#set("connecting");
    const source = this.#open(url("/api/v1/stream", { monitor: this.#monitor }));
    this.#source = source;
    source.addEventListener("hello", () => this.#onHello());
    source.addEventListener("resync", () => this.#stale.add("all", []));
    for (const [type, keys] of Object.entries(STALE)) {
      source.addEventListener(type, (event) => {
        for (const key of keys(namesOf((event as MessageEvent<string>).data)))
          this.#stale.add(JSON.stringify(key), key);
      });
    }
    source.onerror = () => this.#onError();
  }

  #onHello(): void {
    // Whatever happened while no stream was open is unknown, so everything is asked again.
    if (this.#greeted) this.#stale.add("all", []);
    this.#greeted = true;
    this.#failures = 0;
    this.#set("live");
  }

  #onError(): void {
    this.#close();
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] ?? BLIND_MS;
    this.#failures += 1;
    this.#set("lost");
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.#blind = setInterval(() => this.#stale.add("all", []), BLIND_MS);
  }

  #set(state: LiveState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }

  #invalidate(keys: QueryKey[]): void {
    if (keys.some((key) => key.length === 0)) {
      void this.#queries.invalidateQueries();
      return;
    }
    for (const queryKey of keys) void this.#queries.invalidateQueries({ queryKey });
  }
}

/** Names in an event, whichever of the three shapes it has. */
export function namesOf(data: string): string[] {
  try {
    const event = JSON.parse(data) as { names?: string[]; monitors?: string[]; monitor?: string };
    if (event.monitor !== undefined) return [event.monitor];
    return event.names ?? event.monitors ?? [];
  } catch {
    return [];
  }
}

export function useLiveState(live: Live): LiveState {
  return useSyncExternalStore(live.subscribe, () => live.state);
}
