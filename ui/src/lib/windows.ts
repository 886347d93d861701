/** Which windows of a long list a screen needs. */

/** Indices of the windows that hold rows `first..=last`. */
export function windowsFor(first: number, last: number, size: number): number[] {
  if (last < first || size <= 0) return [];
  const from = Math.max(0, Math.floor(first / size));
  const to = Math.max(from, Math.floor(last / size));
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** The row to go to for a key, or null when the key means nothing here. */
export function rowForKey(key: string, current: number, total: number, page: number): number | null {
  if (total === 0) return null;
  const last = total - 1;
  const to: Record<string, number> = {
    ArrowDown: current + 1,
    j: current + 1,
    ArrowUp: current - 1,
    k: current - 1,
    PageDown: current + page,
    PageUp: current - page,
    Home: 0,
    End: last,
  };
  const row = to[key];
  return row === undefined ? null : Math.min(last, Math.max(0, row));
}
