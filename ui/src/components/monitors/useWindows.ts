import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type MonitorState, type StateFilter, stateWindow, WINDOW } from "../../api/state";

export type Windows = {
  total: number | undefined;
  row: (index: number) => MonitorState | undefined;
  /** What is shown belongs to the filter before: the answer to the new one is on its way. */
  behind: boolean;
  error: Error | null;
  retry: () => void;
};

/**
 * The rows in sight. While a new filter is being answered the old rows stay, so that typing does not make the list
 * flicker; only when its first window has come do the rows change.
 */
export function useWindows(filter: StateFilter, wanted: readonly number[]): Windows {
  const [applied, setApplied] = useState(filter);
  const first = useQuery({ ...stateWindow(filter, 0), placeholderData: keepPreviousData });
  const ready = first.data !== undefined && !first.isPlaceholderData;
  const same = JSON.stringify(applied) === JSON.stringify(filter);
  if (ready && !same) setApplied(filter);
  const indices = [...new Set([0, ...wanted])];
  const results = useQueries({ queries: indices.map((i) => ({ ...stateWindow(applied, i), gcTime: 30_000 })) });
  const windows = new Map(indices.map((index, i) => [index, results[i]?.data]));
  return {
    total: windows.get(0)?.total,
    row: (index) => windows.get(Math.floor(index / WINDOW))?.rows[index % WINDOW],
    behind: !same,
    error: first.error,
    retry: () => void first.refetch(),
  };
}
