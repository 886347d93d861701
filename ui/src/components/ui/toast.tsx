import { CircleAlert, CircleCheck, X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { cn } from "../../lib/cn";

type Toast = { id: number; kind: "done" | "failed"; text: string };

const SHOWN_MS = 5000;
let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

/** Says in passing what happened. Failures stay until dismissed: nobody should have to be quick. */
export function toast(kind: Toast["kind"], text: string): void {
  lastId += 1;
  const id = lastId;
  set([...toasts.slice(-3), { id, kind, text }]);
  if (kind === "done") setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id: number): void {
  set(toasts.filter((t) => t.id !== id));
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-3 bottom-20 z-50 grid justify-items-end gap-2 sm:bottom-5 sm:left-auto sm:w-96"
    >
      {shown.map((t) => (
        <div
          key={t.id}
          className="pointer-events-auto flex w-full items-start gap-3 rounded-lg border bg-panel px-4 py-3 shadow-pop"
        >
          {t.kind === "done" ? (
            <CircleCheck aria-hidden className="mt-0.5 size-4 shrink-0 text-ok" />
          ) : (
            <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-critical" />
          )}
          <p className={cn("min-w-0 flex-1 [overflow-wrap:anywhere]", t.kind === "failed" && "text-critical")}>
            {t.text}
          </p>
          <button
            type="button"
            aria-label="Dismiss"
            onClick={() => dismiss(t.id)}
            className="-m-1 rounded p-1 text-ink-3 hover:text-ink"
          >
            <X className="size-4" />
          </button>
        </div>
      ))}
    </div>
  );
}
