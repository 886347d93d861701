/** The only door to the network: base path, abort, error mapping. Nothing else in the page calls fetch. */

/** A rule that a definition broke, as the server names it. */
export type Problem = {
  severity: "error" | "warning";
  file?: string | null;
  line?: number | null;
  column?: number | null;
  entry?: string | null;
  field?: string | null;
  message: string;
  fix?: string | null;
};

/** Why a request did not work. `status` is 0 when no answer came at all. */
export class ApiError extends Error {
  readonly status: number;
  readonly problems: Problem[];

  constructor(status: number, message: string, problems: Problem[] = []) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.problems = problems;
  }

  /** No answer, or an answer of something in between that says nobody is home yet. */
  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export type Options = {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  query?: Query;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};

export type Reply<T> = { data: T; status: number; headers: Headers };

/** Path of the page itself, `/` or `/prefix/ui/`: index.html works it out and writes it into its base element. */
export function uiBase(): string {
  return new URL(document.baseURI).pathname;
}

/** An address of the server, whatever prefix a proxy put in front: `url("/api/v1/state")`. */
export function url(path: string, query: Query = {}): string {
  const prefix = uiBase()
    .replace(/\/ui\/$/, "")
    .replace(/\/$/, "");
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(key, String(value));
  }
  const text = search.toString();
  return `${prefix}${path}${text === "" ? "" : `?${text}`}`;
}

let skew = 0;

/** The server's clock, as far as its Date header tells: "4 minutes ago" must not depend on the reader's clock. */
export function serverNow(): number {
  return Date.now() + skew;
}

function learnClock(date: string | null): void {
  const at = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(at)) return;
  const delta = at + 500 - Date.now();
  // The header has whole seconds, so a small difference means nothing.
  skew = Math.abs(delta) > 2500 ? delta : 0;
}

const signedOut = new Set<() => void>();

/** Calls back whenever the server answers that it wants an access token. */
export function onSignedOut(listener: () => void): () => void {
  signedOut.add(listener);
  return () => signedOut.delete(listener);
}

/** Asks the server; throws ApiError for anything but an answer in the 200s. */
export async function request<T>(path: string, options: Options = {}): Promise<Reply<T>> {
  const headers: Record<string, string> = { accept: "application/json", ...options.headers };
  if (options.body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(url(path, options.query), {
      method: options.method ?? "GET",
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer.");
  }
  learnClock(response.headers.get("date"));
  const text = await response.text();
  const data = parse(text);
  if (!response.ok) {
    if (response.status === 401) for (const listener of signedOut) listener();
    throw new ApiError(response.status, messageOf(response.status, data), problemsOf(data));
  }
  if (text !== "" && data === undefined) {
    throw new ApiError(response.status, `The answer to ${path} is not JSON: is something else listening here?`);
  }
  return { data: data as T, status: response.status, headers: response.headers };
}

/** The answer's body alone. */
export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return (await request<T>(path, { query, signal })).data;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function messageOf(status: number, data: unknown): string {
  if (typeof data === "object" && data !== null && "message" in data && typeof data.message === "string") {
    return data.message;
  }
  if (status === 401) return "An access token is needed.";
  if (status === 502 || status === 503 || status === 504) return "The server is not ready.";
  return `The server answered ${status}.`;
}

function problemsOf(data: unknown): Problem[] {
  if (typeof data !== "object" || data === null || !("problems" in data)) return [];
  return Array.isArray(data.problems) ? (data.problems as Problem[]) : [];
}

/** A list of the new kind: a page of items and how to ask for the next. */
export type Page<T> = { items: T[]; next: string | null; total: number };

/** Path of one named thing; names may hold anything. */
export function named(resource: string, name: string, action = ""): string {
  return `/api/v1/${resource}/${encodeURIComponent(name)}${action}`;
}
