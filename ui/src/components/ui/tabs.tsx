import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { cn } from "../../lib/cn";

export const segmentBox = "inline-flex flex-wrap rounded-lg border bg-sunken p-0.5";
export const segment = (on: boolean) =>
  cn(
    "inline-flex h-7 items-center gap-1.5 rounded-md px-2.5 font-medium",
    on
      ? "bg-panel text-ink shadow-panel ring-1 ring-line dark:bg-line dark:ring-line-strong"
      : "text-ink-2 hover:text-ink",
  );

type Tab = { value: string | undefined; label: ReactNode };
type Props = { label: string; tabs: readonly Tab[]; current: string | undefined; param: string };

/** Views of one page as links: each has its own address, which keeps the other parameters. */
export function LinkTabs({ label, tabs, current, param }: Props) {
  return (
    <nav aria-label={label} className={segmentBox}>
      {tabs.map((tab) => (
        <Link
          key={tab.value ?? ""}
          to="."
          search={(old: Record<string, string | undefined>) => ({ ...old, [param]: tab.value })}
          aria-current={tab.value === current ? "page" : undefined}
          className={segment(tab.value === current)}
        >
          {tab.label}
        </Link>
      ))}
    </nav>
  );
}

type SegmentProps = {
  label: string;
  options: readonly { value: string; label: string }[];
  value: string;
  onChange: (value: string) => void;
};

/** A choice of a few, all in sight. */
export function Segments({ label, options, value, onChange }: SegmentProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out inline in all browsers.
    <div role="group" aria-label={label} className={segmentBox}>
      {options.map((o) => (
        <button
          key={o.value}
          type="button"
          aria-pressed={o.value === value}
          onClick={() => onChange(o.value)}
          className={segment(o.value === value)}
        >
          {o.label}
        </button>
      ))}
    </div>
  );
}
