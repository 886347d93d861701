import type { ReactNode } from "react";
import { cn } from "../../lib/cn";

type Props = {
  title?: string;
  aside?: ReactNode;
  children: ReactNode;
  className?: string;
  /** Rows and tables bring their own spacing. */
  flush?: boolean;
};

/** A titled surface. Titles are headings, so a screen reader can walk the page by them. */
export function Panel({ title, aside, children, className, flush = false }: Props) {
  return (
    <section className={cn("min-w-0 rounded-xl border bg-panel shadow-panel", className)}>
      {title !== undefined && (
        <div className="flex min-h-11 items-center gap-3 border-b px-4 py-2">
          <h2 className="min-w-0 flex-1 truncate font-semibold">{title}</h2>
          {aside}
        </div>
      )}
      <div className={cn(!flush && "p-4")}>{children}</div>
    </section>
  );
}

/** Facts as name and value. */
export function Facts({ children, className }: { children: ReactNode; className?: string }) {
  return <dl className={cn("grid gap-y-2.5", className)}>{children}</dl>;
}

export function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flex items-start justify-between gap-4">
      <dt className="shrink-0 text-ink-2">{label}</dt>
      <dd className="min-w-0 text-right [overflow-wrap:anywhere]">{children}</dd>
    </div>
  );
}
