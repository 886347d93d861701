import { CloudOff, DatabaseZap, LoaderCircle, Radio, Unplug, WifiOff } from "lucide-react";
import { ApiError, url } from "../api/client";
import { type LiveState, useLiveState } from "../api/live";
import type { Overview } from "../api/overview";
import { cn } from "../lib/cn";
import { absolute, duration } from "../lib/time";
import { live, queries } from "../runtime";
import { Logo } from "./Logo";
import { Since, useNow } from "./Time";
import { Button } from "./ui/button";

const WORDS: Record<LiveState, { word: string; title: string; icon: typeof Radio; look: string }> = {
  live: { word: "Live", title: "Changes are shown as they happen", icon: Radio, look: "text-ok" },
  connecting: { word: "Connecting", title: "Opening the stream of changes", icon: LoaderCircle, look: "text-ink-3" },
  lost: {
    word: "Not live",
    title: "The stream of changes is broken; asking again every 15 s",
    icon: WifiOff,
    look: "text-warning",
  },
};

/** Whether what is on the screen is kept up to date. */
export function LiveMark({ className }: { className?: string }) {
  const state = useLiveState(live);
  const { word, title, icon: Icon, look } = WORDS[state];
  return (
    <span
      role="status"
      title={title}
      data-live={state}
      className={cn("inline-flex items-center gap-1.5 text-xs", look, className)}
    >
      <Icon aria-hidden className={cn("size-3.5", state === "connecting" && "animate-spin")} />
      {word}
    </span>
  );
}

/** Old facts are still on the screen; this says how old. */
export function LostBanner({ since }: { since: number }) {
  const now = Date.now();
  useNow();
  return (
    <div
      role="alert"
      className="flex items-center gap-3 border-b bg-warning-soft px-4 py-2 font-medium text-warning md:px-8"
    >
      <CloudOff aria-hidden className="size-4 shrink-0" />
      <p className="min-w-0 flex-1">
        The server has not answered for {duration(now - since)}.{" "}
        <span className="max-sm:hidden">What you see was true at {absolute(since)}.</span>
      </p>
      <Button size="sm" onClick={retry}>
        Try now
      </Button>
    </div>
  );
}

/** Lists are complete, but not all of what they say is from now. */
export function MissingBanner({ members }: { members: string[] }) {
  const one = members.length === 1;
  return (
    <div
      role="alert"
      className="flex items-center gap-3 border-b bg-warning-soft px-4 py-2 font-medium text-warning md:px-8"
    >
      <Unplug aria-hidden className="size-4 shrink-0" />
      <p className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        {one ? `Member ${members[0]} does not` : `Members ${members.join(", ")} do not`} answer.{" "}
        <span className="max-sm:hidden">
          {one ? "Its" : "Their"} monitors are shown by what was recorded last, and marked as unreachable.
        </span>
      </p>
    </div>
  );
}

/** This member is without its store: what that means, for how long, and why. */
export function StoreBanner({ store }: { store: Overview["store"] }) {
  return (
    <div
      role="alert"
      className="flex items-center gap-3 border-b bg-warning-soft px-4 py-2 font-medium text-warning md:px-8"
    >
      <DatabaseZap aria-hidden className="size-4 shrink-0" />
      <p className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        {store.means}{" "}
        {store.since !== null && (
          <>
            For <Since at={store.since} />.{" "}
          </>
        )}
        {store.detail !== null && <span className="max-sm:hidden">Because: {store.detail}.</span>}
      </p>
    </div>
  );
}

function retry(): void {
  live.reconnect();
  void queries.invalidateQueries();
}

/** Nothing was ever answered: the server is starting, or not there. */
export function Unreachable({ error }: { error: Error }) {
  const starting = error instanceof ApiError && error.status === 503;
  const silent = error instanceof ApiError && error.unreachable;
  useNow();
  return (
    <main className="grid h-dvh place-items-center p-6">
      <div className="grid max-w-md gap-5">
        <Logo />
        <div className="grid gap-2">
          <h1 className="font-semibold text-2xl">
            {starting ? "9volt is starting" : silent ? "9volt does not answer" : "9volt answered with an error"}
          </h1>
          <p className="text-base text-ink-2">
            {starting
              ? "The server is there and getting ready. This page opens by itself as soon as it is."
              : silent
                ? "The server may be starting, stopped, or cut off from you. Checks go on without this page; it opens by itself as soon as there is an answer."
                : error.message}
          </p>
        </div>
        <p className="flex items-center gap-2 text-ink-3">
          <LoaderCircle aria-hidden className="size-4 animate-spin" />
          Trying {new URL(url("/api/v1/overview"), location.href).host} every few seconds
        </p>
        <div>
          <Button onClick={retry}>Try now</Button>
        </div>
      </div>
    </main>
  );
}
