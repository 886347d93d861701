/** Reads an OpenAPI document into what the reference page shows. */
import type { JsonSchema } from "./schema";

export type Parameter = {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: JsonSchema;
  $ref?: string;
};
type Content = Record<string, { schema?: JsonSchema; example?: unknown }>;
export type Operation = {
  tags?: string[];
  summary?: string;
  description?: string;
  operationId?: string;
  parameters?: Parameter[];
  requestBody?: { description?: string; required?: boolean; content?: Content; $ref?: string };
  responses?: Record<string, { description?: string; content?: Content; $ref?: string }>;
  deprecated?: boolean;
};
export type OpenApi = {
  openapi: string;
  info: { title: string; version: string; description?: string };
  tags?: { name: string; description?: string }[];
  paths?: Record<string, Record<string, unknown>>;
  components?: Record<string, Record<string, unknown>>;
};

export type Entry = { id: string; method: string; path: string; operation: Operation; parameters: Parameter[] };
export type Group = { tag: string; description: string; entries: Entry[] };

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

/** Operations by tag, in the order of the document's tags, then by path. */
export function groupOperations(doc: OpenApi): Group[] {
  const groups = new Map<string, Group>();
  for (const tag of doc.tags ?? []) {
    groups.set(tag.name, { tag: tag.name, description: tag.description ?? "", entries: [] });
  }
  for (const [path, item] of Object.entries(doc.paths ?? {})) {
    const shared = (item.parameters as Parameter[] | undefined) ?? [];
    for (const method of METHODS) {
      const operation = item[method] as Operation | undefined;
      if (operation === undefined) continue;
      const tag = operation.tags?.[0] ?? "other";
      const group = groups.get(tag) ?? { tag, description: "", entries: [] };
      groups.set(tag, group);
      const parameters = [...shared, ...(operation.parameters ?? [])].map((p) => deref(p, doc));
      group.entries.push({ id: `${method}-${path}`, method: method.toUpperCase(), path, operation, parameters });
    }
  }
  return [...groups.values()].filter((g) => g.entries.length > 0);
}

/** Follows one reference into the document. */
export function deref<T extends { $ref?: string }>(value: T, doc: OpenApi): T {
  if (value.$ref === undefined) return value;
  let target: unknown = doc;
  for (const part of value.$ref.replace(/^#\//, "").split("/")) {
    target = (target as Record<string, unknown> | undefined)?.[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return (target as T | undefined) ?? value;
}

const MAX_DEPTH = 5;

/** A schema as the shape of its JSON, a line per field: easier to read than the schema itself. */
export function shape(schema: JsonSchema | undefined, doc: OpenApi, depth = 0): string {
  if (schema === undefined) return "any";
  const name = schema.$ref?.split("/").at(-1);
  if (depth > MAX_DEPTH) return name ?? "…";
  const s = deref(schema, doc);
  if (s.enum !== undefined) return s.enum.map((v) => JSON.stringify(v)).join(" | ");
  if (s.const !== undefined) return JSON.stringify(s.const);
  const variants = s.oneOf ?? s.anyOf;
  if (variants !== undefined) return [...new Set(variants.map((v) => shape(v, doc, depth + 1)))].join(" | ");
  if (s.allOf !== undefined) return s.allOf.map((v) => shape(v, doc, depth + 1)).join(" & ");
  const types = s.type === undefined ? [] : [s.type].flat();
  const nullable = types.includes("null") ? " | null" : "";
  const type = types.find((t) => t !== "null");
  if (type === "array" || s.items !== undefined) {
    const inner = typeof s.items === "object" ? shape(s.items, doc, depth) : "any";
    return `${inner.includes(" | ") && !inner.startsWith("{") ? `(${inner})` : inner}[]${nullable}`;
  }
  if (s.properties !== undefined) return objectShape(s, doc, depth) + nullable;
  if (typeof s.additionalProperties === "object") {
    return `{ [name]: ${shape(s.additionalProperties, doc, depth + 1)} }${nullable}`;
  }
  return (type ?? "any") + nullable;
}

function objectShape(s: JsonSchema, doc: OpenApi, depth: number): string {
  const required = new Set(s.required ?? []);
  const pad = "  ".repeat(depth + 1);
  const lines = Object.entries(s.properties ?? {}).map(([key, value]) => {
    const inner = typeof value === "boolean" ? "any" : shape(value, doc, depth + 1);
    return `${pad}${key}${required.has(key) ? "" : "?"}: ${inner}`;
  });
  return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
}
