import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp, SearchX } from "lucide-react";
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { type StateFilter, WINDOW } from "../../api/state";
import { cn } from "../../lib/cn";
import { nextSort } from "../../lib/search";
import { rowForKey, windowsFor } from "../../lib/windows";
import { Empty, Failure } from "../ui/states";
import { MonitorRow, ROW_HEIGHT } from "./MonitorRow";
import { useWindows } from "./useWindows";

/** Scrolling by hand passes many windows; only where it rests for a moment is anything asked for. */
const SETTLE_MS = 70;

type Column = { key: string; word: string; sort?: string; className: string };

const COLUMNS: Column[] = [
  { key: "status", word: "Status", sort: "status", className: "w-12 sm:w-32" },
  { key: "name", word: "Monitor", sort: "name", className: "" },
  { key: "type", word: "Kind", className: "hidden w-20 lg:table-cell" },
  { key: "tags", word: "Tags", className: "hidden w-52 xl:table-cell" },
  { key: "spark", word: "Last 30 runs", className: "hidden w-36 md:table-cell" },
  { key: "took", word: "Took", sort: "took", className: "hidden w-24 text-right md:table-cell" },
  { key: "since", word: "Since", sort: "since", className: "w-20 text-right sm:w-28" },
];

type Props = { filter: StateFilter; onTotal: (total: number | undefined) => void; onClear: () => void };

/** A table of any length: only rows in sight exist, and only their windows are asked for. */
export function MonitorTable({ filter, onTotal, onClear }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [wanted, setWanted] = useState<number[]>([0]);
  const windows = useWindows(filter, wanted);
  const total = windows.total ?? 0;
  const virtual = useVirtualizer({
    count: total,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 6,
  });
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;

  useEffect(() => {
    const next = windowsFor(first, last, WINDOW);
    const timer = setTimeout(() => setWanted((old) => (old.join() === next.join() ? old : next)), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [first, last]);
  useEffect(() => onTotal(windows.total), [onTotal, windows.total]);
  // Another filter is another list: it begins at its top.
  const key = JSON.stringify(filter);
  useEffect(() => {
    if (key !== "") box.current?.scrollTo({ top: 0 });
  }, [key]);

  const keys = useRowKeys(total, (row) => virtual.scrollToIndex(row), box);
  if (windows.error !== null && windows.total === undefined) {
    return <Failure error={windows.error} onRetry={windows.retry} />;
  }
  if (windows.total === 0 && !windows.behind) {
    return (
      <Empty
        icon={<SearchX aria-hidden />}
        title="No monitor matches"
        action={
          <button type="button" onClick={onClear} className="font-medium text-accent hover:underline">
            Clear the filters
          </button>
        }
      />
    );
  }
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: arrow keys move between the links of the rows inside.
    <div ref={box} onKeyDown={keys} data-scroller className="h-full min-h-0 overflow-y-auto overscroll-contain">
      <table
        aria-rowcount={total + 1}
        aria-busy={windows.behind}
        className={cn("w-full table-fixed border-separate border-spacing-0", windows.behind && "opacity-60")}
      >
        <caption className="sr-only">Monitors, with status, last runs and how long the status holds</caption>
        <thead>
          <tr aria-rowindex={1}>
            {COLUMNS.map((column) => (
              <Head key={column.key} column={column} sort={filter.sort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <Spacer height={before} />}
          {items.map((item) => (
            <MonitorRow key={item.index} index={item.index} state={windows.row(item.index)} />
          ))}
          {after > 0 && <Spacer height={after} />}
        </tbody>
      </table>
    </div>
  );
}

/** Stands for the rows that are not drawn. */
function Spacer({ height }: { height: number }) {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: this row holds nothing and takes no focus.
    <tr aria-hidden="true">
      <td style={{ height, padding: 0, border: 0 }} />
    </tr>
  );
}

function Head({ column, sort }: { column: Column; sort: string | undefined }) {
  const { sort: by } = column;
  const up = sort === by;
  const down = sort === `-${by}`;
  const active = by !== undefined && (up || down || (sort === undefined && by === "status"));
  const Arrow = down ? ArrowDown : ArrowUp;
  return (
    <th
      scope="col"
      aria-sort={by === undefined ? undefined : active ? (down ? "descending" : "ascending") : "none"}
      className={cn(
        "sticky top-0 z-10 h-9 border-b bg-bg px-2 text-left font-medium text-ink-3 text-xs first:pl-4 last:pr-4 md:first:pl-8 md:last:pr-8",
        column.className,
      )}
    >
      {by === undefined ? (
        column.word
      ) : (
        <Link
          to="."
          search={(old: Record<string, unknown>) => ({ ...old, sort: nextSort(sort, by) })}
          className={cn("inline-flex items-center gap-1 rounded hover:text-ink", active && "text-ink")}
        >
          <span className={cn(column.key === "status" && "max-sm:sr-only")}>{column.word}</span>
          {active && <Arrow aria-hidden className="size-3" />}
        </Link>
      )}
    </th>
  );
}

/** Arrow keys, j and k, page keys, Home and End go from row to row; Enter follows the focused link. */
function useRowKeys(total: number, scrollTo: (row: number) => void, box: React.RefObject<HTMLDivElement | null>) {
  const target = useRef<number | null>(null);
  useLayoutEffect(() => {
    if (target.current === null) return;
    const link = box.current?.querySelector<HTMLElement>(`[data-row="${target.current}"]`);
    if (link === null || link === undefined) return;
    link.focus({ preventScroll: true });
    target.current = null;
  });
  return (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const focused = (document.activeElement as HTMLElement | null)?.dataset.row;
    const page = Math.floor((box.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2;
    const row = rowForKey(event.key, focused === undefined ? -1 : Number(focused), total, Math.max(1, page));
    if (row === null) return;
    event.preventDefault();
    target.current = row;
    scrollTo(row);
    box.current?.querySelector<HTMLElement>(`[data-row="${row}"]`)?.focus({ preventScroll: true });
  };
}
