import { useSyncExternalStore } from "react";
import { serverNow } from "../api/client";
import { absolute, duration, relative } from "../lib/time";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let second = Math.floor(Date.now() / 1000);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    second = Math.floor(Date.now() / 1000);
    for (const each of listeners) each();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The server's now; renders again each second. One timer for the whole page. */
export function useNow(): number {
  useSyncExternalStore(subscribe, () => second);
  return serverNow();
}

type Props = { at: string | null | undefined; className?: string };

/** "4m ago", with the whole date on hover. */
export function Ago({ at, className }: Props) {
  const now = useNow();
  const time = Date.parse(at ?? "");
  if (Number.isNaN(time)) return <span className={className}>–</span>;
  return (
    <time dateTime={at ?? ""} title={absolute(time)} className={className}>
      {relative(time, now)}
    </time>
  );
}

/** "4m": how long it has been so. */
export function Since({ at, className }: Props) {
  const now = useNow();
  const time = Date.parse(at ?? "");
  if (Number.isNaN(time)) return <span className={className}>–</span>;
  return (
    <time dateTime={at ?? ""} title={`since ${absolute(time)}`} className={className}>
      {duration(now - time)}
    </time>
  );
}
