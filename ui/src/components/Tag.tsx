import { cn } from "../lib/cn";

/** A small neutral label: kind, tag, code. */
export function Tag({
  children,
  mono = false,
  className,
}: {
  children: React.ReactNode;
  mono?: boolean;
  className?: string;
}) {
  return (
    <span
      className={cn(
        "inline-flex h-5 max-w-full items-center truncate rounded border bg-panel px-1.5 text-2xs text-ink-2",
        mono && "font-mono",
        className,
      )}
    >
      {children}
    </span>
  );
}
