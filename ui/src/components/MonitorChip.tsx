import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";

/** A list narrowed to one monitor, and the way to all. */
export function MonitorChip({ monitor }: { monitor: string | undefined }) {
  if (monitor === undefined) return null;
  return (
    <Link
      to="."
      search={(old: Record<string, unknown>) => ({ ...old, monitor: undefined })}
      className="inline-flex h-7 items-center gap-1.5 rounded-md bg-accent-soft px-2.5 text-accent"
    >
      monitor {monitor}
      <X aria-label="show all" className="size-3.5" />
    </Link>
  );
}
