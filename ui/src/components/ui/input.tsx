import { ChevronDown } from "lucide-react";
import type { ComponentProps } from "react";
import { cn } from "../../lib/cn";

const BOX =
  "w-full rounded-md border border-line-strong bg-panel text-ink placeholder:text-ink-3 hover:border-ink-3 disabled:opacity-60 aria-invalid:border-critical";

export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={cn(BOX, "h-9 px-2.5", className)} {...rest} />;
}

export function Textarea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea className={cn(BOX, "px-2.5 py-2", className)} {...rest} />;
}

export function Select({ className, children, ...rest }: ComponentProps<"select">) {
  return (
    <span className={cn("relative block", className)}>
      <select className={cn(BOX, "h-9 appearance-none pr-8 pl-2.5")} {...rest}>
        {children}
      </select>
      <ChevronDown aria-hidden className="pointer-events-none absolute top-2.5 right-2.5 size-4 text-ink-3" />
    </span>
  );
}

type FieldProps = { label: string; hint?: string; id: string; children: React.ReactNode };

/** A label, its control and a hint. */
export function Labelled({ label, hint, id, children }: FieldProps) {
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {children}
      {hint !== undefined && <p className="text-ink-3 text-xs">{hint}</p>}
    </div>
  );
}
