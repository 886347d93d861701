// @vitest-environment jsdom
import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Live, namesOf } from "./live";

class FakeSource {
  static made: FakeSource[] = [];
  handlers = new Map<string, (event: Event) => void>();
  onerror: ((event: Event) => unknown) | null = null;
  closed = false;
  readonly address: string;
  constructor(address: string) {
    this.address = address;
    FakeSource.made.push(this);
  }
  addEventListener(type: string, handler: unknown): void {
    this.handlers.set(type, handler as (event: Event) => void);
  }
  close(): void {
    this.closed = true;
  }
  send(type: string, data: unknown = {}): void {
    this.handlers.get(type)?.(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
}

function setUp() {
  FakeSource.made = [];
  const queries = new QueryClient();
  const invalidated = vi.spyOn(queries, "invalidateQueries").mockResolvedValue();
  const live = new Live(queries, (address) => new FakeSource(address));
  live.start();
  const source = () => FakeSource.made.at(-1) as FakeSource;
  return { live, invalidated, source };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a state event invalidates the lists, the overview and the monitors it names, once", () => {
  const { invalidated, source } = setUp();
  source().send("hello");
  source().send("state", { monitors: ["web"] });
  source().send("state", { monitors: ["web"] });
  vi.advanceTimersByTime(200);
  expect(invalidated.mock.calls.map(([filter]) => filter?.queryKey)).toEqual([
    ["overview"],
    ["state", "list"],
    ["state", "one", "web"],
  ]);
});

test("resync asks for everything again", () => {
  const { invalidated, source } = setUp();
  source().send("hello");
  source().send("resync");
  vi.advanceTimersByTime(200);
  expect(invalidated.mock.calls).toEqual([[]]);
});

test("a broken stream is seen, tried again, and everything is asked anew when it is back", () => {
  const { live, invalidated, source } = setUp();
  source().send("hello");
  expect(live.state).toBe("live");
  source().onerror?.(new Event("error"));
  expect(live.state).toBe("lost");
  expect(source().closed).toBe(true);
  vi.advanceTimersByTime(1000);
  expect(FakeSource.made).toHaveLength(2);
  source().send("hello");
  expect(live.state).toBe("live");
  vi.advanceTimersByTime(200);
  expect(invalidated).toHaveBeenCalledWith();
});

test("watching one monitor asks the stream for its runs", () => {
  const { live, source } = setUp();
  live.watch("a b");
  expect(FakeSource.made[0]?.closed).toBe(true);
  expect(source().address).toContain("monitor=a+b");
});

test("events of every shape name their subjects", () => {
  expect(namesOf('{"names":["a"]}')).toEqual(["a"]);
  expect(namesOf('{"monitors":["b"]}')).toEqual(["b"]);
  expect(namesOf('{"monitor":"c","sample":{}}')).toEqual(["c"]);
  expect(namesOf("not json")).toEqual([]);
});
