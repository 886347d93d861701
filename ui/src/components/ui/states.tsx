import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError } from "../../api/client";
import { cn } from "../../lib/cn";
import { Button } from "./button";

/** A place held for what is on its way. It shows only after a moment, so quick answers do not flicker. */
export function Skeleton({ className }: { className?: string }) {
  return <span aria-hidden className={cn("block animate-appear rounded bg-sunken", className)} />;
}

export function Loading({ rows = 4 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="grid gap-3 p-4">
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the placeholders have no identity.
        <Skeleton key={i} className="h-5" />
      ))}
    </div>
  );
}

type EmptyProps = { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode };

export function Empty({ icon, title, children, action }: EmptyProps) {
  return (
    <div className="grid justify-items-center gap-2 px-6 py-12 text-center [&>svg]:size-7 [&>svg]:text-ink-3">
      {icon}
      <p className="font-semibold text-base">{title}</p>
      {children !== undefined && <div className="max-w-md text-ink-2">{children}</div>}
      {action !== undefined && <div className="mt-2">{action}</div>}
    </div>
  );
}

/** What went wrong with a request, in its own words, and the way to try again. */
export function Failure({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const status = error instanceof ApiError && error.status > 0 ? ` (${error.status})` : "";
  return (
    <div role="alert" className="flex items-center gap-3 p-4">
      <CircleAlert aria-hidden className="size-5 shrink-0 text-critical" />
      <p className="min-w-0 flex-1">
        {error.message}
        {status}
      </p>
      {onRetry !== undefined && (
        <Button size="sm" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}
