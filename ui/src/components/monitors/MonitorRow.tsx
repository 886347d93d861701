import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { MonitorState } from "../../api/state";
import { cn } from "../../lib/cn";
import { STATUS_WORD, shown } from "../../lib/status";
import { interval, took } from "../../lib/time";
import { Sparkline } from "../Sparkline";
import { Flags, StatusIcon, StatusMark } from "../StatusMark";
import { Tag } from "../Tag";
import { Since } from "../Time";
import { Skeleton } from "../ui/states";

export const ROW_HEIGHT = 56;

const CELL = "h-14 border-b px-2 align-middle first:pl-4 last:pr-4 md:first:pl-8 md:last:pr-8";

type Props = { index: number; state: MonitorState | undefined };

export const MonitorRow = memo(function MonitorRow({ index, state }: Props) {
  if (state === undefined) return <Placeholder index={index} />;
  const status = shown(state);
  const failing = status === "critical" || status === "warning";
  return (
    <tr
      aria-rowindex={index + 2}
      data-monitor={state.check}
      className="group relative hover:bg-sunken/70 has-[:focus-visible]:bg-sunken/70"
    >
      <td className={CELL}>
        <StatusMark status={status} className="max-sm:hidden" />
        <span className="sm:hidden">
          <StatusIcon status={status} className="size-5" />
          <span className="sr-only">{STATUS_WORD[status]}</span>
        </span>
      </td>
      <td className={CELL}>
        <div className="flex min-w-0 items-center gap-2">
          <Link
            to="/monitors/$name"
            params={{ name: state.check }}
            data-row={index}
            className={cn(
              "truncate font-medium after:absolute after:inset-0 focus-visible:outline-offset-0",
              status === "disabled" && "text-ink-2",
            )}
          >
            {state.check}
          </Link>
          <Flags of={state} compact />
        </div>
        <p className={cn("truncate text-xs", failing ? "text-ink-2" : "text-ink-3")}>
          {failing ? state.message : `${state.description || state.type} · every ${interval(state.interval_ms)}`}
        </p>
      </td>
      <td className={cn(CELL, "hidden lg:table-cell")}>
        <Tag>{state.type}</Tag>
      </td>
      <td className={cn(CELL, "hidden xl:table-cell")}>
        <Tags tags={state.tags} />
      </td>
      <td className={cn(CELL, "hidden md:table-cell")}>
        <Sparkline values={state.spark} />
      </td>
      <td className={cn(CELL, "hidden text-right text-ink-2 md:table-cell")}>{took(state.took_ms)}</td>
      <td className={cn(CELL, "text-right")}>
        <Since at={state.since} className={cn(failing ? "font-semibold" : "text-ink-2")} />
      </td>
    </tr>
  );
});

const TAGS_SHOWN = 3;

/** Tags lead to everything else that carries them. */
function Tags({ tags }: { tags: readonly string[] }) {
  return (
    <div className="flex min-w-0 items-center gap-1 overflow-hidden">
      {tags.slice(0, TAGS_SHOWN).map((tag) => (
        <Link
          key={tag}
          to="/monitors"
          search={(old) => ({ ...old, tags: tag })}
          className="relative z-[1] max-w-24 rounded hover:bg-panel"
          tabIndex={-1}
        >
          <Tag className="hover:border-ink-3 hover:text-ink">{tag}</Tag>
        </Link>
      ))}
      {tags.length > TAGS_SHOWN && (
        <span className="text-2xs text-ink-3" title={tags.slice(TAGS_SHOWN).join(", ")}>
          +{tags.length - TAGS_SHOWN}
        </span>
      )}
    </div>
  );
}

function Placeholder({ index }: { index: number }) {
  return (
    <tr aria-rowindex={index + 2}>
      <td className={CELL}>
        <Skeleton className="h-4 w-16 max-sm:w-5" />
      </td>
      <td className={CELL}>
        <Skeleton className="h-4 w-48 max-w-full" />
      </td>
      <td className={cn(CELL, "hidden lg:table-cell")} />
      <td className={cn(CELL, "hidden xl:table-cell")} />
      <td className={cn(CELL, "hidden md:table-cell")}>
        <Skeleton className="h-4 w-28" />
      </td>
      <td className={cn(CELL, "hidden md:table-cell")} />
      <td className={CELL} />
    </tr>
  );
}
