/** Search parameters of the page: plain text in the address, so that a view can be read, shared and typed. */

export function parseSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== "") params.set(key, String(value));
  }
  const text = params.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/");
  return text === "" ? "" : `?${text}`;
}

/** Keeps the named parameters that have a value. */
export function pick<K extends string>(
  search: Record<string, unknown>,
  keys: readonly K[],
): Partial<Record<K, string>> {
  const out: Partial<Record<K, string>> = {};
  for (const key of keys) {
    const value = search[key];
    if (value !== undefined && value !== null && String(value) !== "") out[key] = String(value);
  }
  return out;
}

/** `a,b` as a list, without blanks. */
export function splitList(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** The list with the value added, or taken out if it was there; undefined when nothing is left. */
export function toggleInList(text: string | undefined, value: string): string | undefined {
  const list = splitList(text);
  const next = list.includes(value) ? list.filter((v) => v !== value) : [...list, value];
  return next.length === 0 ? undefined : next.join(",");
}

/** Ascending, descending, and back to the usual order. */
export function nextSort(current: string | undefined, column: string): string | undefined {
  if (current === column) return `-${column}`;
  return current === `-${column}` ? undefined : column;
}
