import { Link } from "@tanstack/react-router";
import type { Overview } from "../../api/overview";
import { cn } from "../../lib/cn";
import { count, whole } from "../../lib/numbers";
import { headline, type Shown, STATUS_WORD, worst } from "../../lib/status";
import { ProportionBar } from "../ProportionBar";
import { StatusIcon } from "../StatusMark";
import { Since } from "../Time";

const LOOK = {
  critical: "bg-critical-soft border-critical/30",
  warning: "bg-warning-soft border-warning/30",
  ok: "bg-panel",
  pending: "bg-panel",
} as const;

/** A time worth knowing beside the answer, and what it is the time since. */
export type Moment = { at: string; word: string };

type Props = { overview: Overview; moment: Moment | undefined };

/** The answer, readable from across the room. */
export function Verdict({ overview, moment }: Props) {
  const c = overview.monitors;
  const status = worst(c);
  return (
    <section aria-labelledby="verdict" className={cn("rounded-xl border p-5 shadow-panel md:p-7", LOOK[status])}>
      <div className="flex items-start gap-4">
        <StatusIcon status={status} className="mt-0.5 size-8 md:mt-1 md:size-10" />
        <div className="min-w-0 flex-1">
          <h1 id="verdict" className="font-semibold text-[1.625rem] leading-tight tracking-tight md:text-4xl">
            {headline(c)}
          </h1>
          <p className="mt-1.5 text-base text-ink-2">{sentence(overview)}</p>
        </div>
        {moment !== undefined && (
          <div className="hidden text-right sm:block">
            <Since at={moment.at} className="font-semibold text-2xl tracking-tight" />
            <p className="mt-0.5 text-ink-2">{moment.word}</p>
          </div>
        )}
      </div>
      <div className="mt-6 grid gap-3">
        <ProportionBar counts={c} />
        <ul className="flex flex-wrap gap-x-6 gap-y-1.5">
          {(["critical", "warning", "ok", "pending", "disabled"] as const).map((s) => (
            <Tally key={s} status={s} n={c[s]} />
          ))}
        </ul>
      </div>
    </section>
  );
}

function Tally({ status, n }: { status: Shown; n: number }) {
  const quiet = n === 0;
  if (quiet && (status === "pending" || status === "disabled")) return null;
  return (
    <li>
      <Link
        to="/monitors"
        search={status === "disabled" ? { disabled: "true" } : { status }}
        className={cn("inline-flex items-center gap-1.5 hover:underline", quiet ? "text-ink-3" : "text-ink")}
      >
        <StatusIcon status={status} className={cn(quiet && "text-ink-3 opacity-60")} />
        <span className="font-semibold">{whole(n)}</span>
        <span className="text-ink-2">{STATUS_WORD[status]}</span>
      </Link>
    </li>
  );
}

function sentence({ monitors: c }: Overview): string {
  const failing = c.critical + c.warning;
  if (c.total === 0) return "Add a monitor, or load a directory of definitions with 9volt cfg.";
  if (failing === 0) {
    const rest = c.pending > 0 ? `; ${count(c.pending, "monitor")} without a result yet` : "";
    return `${count(c.ok, "monitor")} passing${rest}.`;
  }
  const parts = [
    c.critical > 0 ? `${whole(c.critical)} critical` : "",
    c.warning > 0 ? `${whole(c.warning)} with a warning` : "",
    c.silenced > 0 ? `${whole(c.silenced)} silenced` : "",
  ].filter((p) => p !== "");
  return `${parts.join(", ")}. ${c.ok === 0 ? "None" : whole(c.ok)} of ${whole(c.total)} ${c.ok === 1 ? "is" : "are"} ok.`;
}
