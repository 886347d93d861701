import { CircleAlert, TriangleAlert } from "lucide-react";
import type { Problem } from "../api/client";
import { cn } from "../lib/cn";

/** Rules that a definition broke, each with its place and the way out. */
export function Problems({ problems, className }: { problems: readonly Problem[]; className?: string }) {
  if (problems.length === 0) return null;
  return (
    <ul aria-label="Problems" className={cn("grid gap-2", className)}>
      {problems.map((p) => (
        <li
          key={`${p.field}-${p.message}`}
          className={cn(
            "flex items-start gap-3 rounded-lg border px-4 py-3",
            p.severity === "error" ? "border-critical/30 bg-critical-soft" : "border-warning/30 bg-warning-soft",
          )}
        >
          <ProblemIcon severity={p.severity} />
          <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
            <p className="font-medium">
              {p.field !== null && p.field !== undefined && p.field !== "" && (
                <code className="mr-2 font-mono text-xs">{p.field}</code>
              )}
              {p.message}
            </p>
            {p.fix !== null && p.fix !== undefined && p.fix !== "" && <p className="mt-0.5 text-ink-2">{p.fix}</p>}
            {p.file !== null && p.file !== undefined && (
              <p className="mt-0.5 font-mono text-ink-2 text-xs">{place(p)}</p>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}

export function ProblemIcon({ severity, className }: { severity: Problem["severity"]; className?: string }) {
  const Icon = severity === "error" ? CircleAlert : TriangleAlert;
  return (
    <Icon
      aria-label={severity}
      className={cn("mt-0.5 size-4 shrink-0", severity === "error" ? "text-critical" : "text-warning", className)}
    />
  );
}

function place(p: Problem): string {
  return [p.file, p.line, p.column].filter((part) => part !== null && part !== undefined).join(":");
}
