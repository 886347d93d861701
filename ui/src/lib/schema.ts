/** Turns the JSON schema of a kind into the fields of a form. The page knows no kind by name. */

export type JsonSchema = {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  definitions?: Record<string, JsonSchema>;
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  format?: string;
  examples?: unknown[];
  properties?: Record<string, JsonSchema | boolean>;
  additionalProperties?: JsonSchema | boolean;
  required?: string[];
  items?: JsonSchema | boolean;
  oneOf?: JsonSchema[];
  anyOf?: JsonSchema[];
  allOf?: JsonSchema[];
  minimum?: number;
  maximum?: number;
  writeOnly?: boolean;
  readOnly?: boolean;
  [extra: string]: unknown;
};

export type FieldKind = "text" | "number" | "flag" | "choice" | "list" | "map" | "json";

export type Field = {
  name: string;
  kind: FieldKind;
  required: boolean;
  description: string;
  placeholder: string;
  choices: string[];
  secret: boolean;
  integer: boolean;
  minimum?: number;
  maximum?: number;
};

const MAX_DEPTH = 8;

/** Required fields first, each group in the order of the schema. */
export function fieldsOf(schema: JsonSchema): Field[] {
  const root = resolve(schema, schema);
  const required = new Set(root.required ?? []);
  const fields = Object.entries(root.properties ?? {}).flatMap(([name, property]) => {
    if (typeof property === "boolean") return property ? [field(name, {}, false)] : [];
    const resolved = resolve(property, schema);
    if (resolved.readOnly === true || resolved.const !== undefined) return [];
    return [field(name, resolved, required.has(name))];
  });
  return [...fields.filter((f) => f.required), ...fields.filter((f) => !f.required)];
}

function field(name: string, schema: JsonSchema, required: boolean): Field {
  const types = typesOf(schema);
  const choices = choicesOf(schema);
  return {
    name,
    kind: kindOf(schema, types, choices),
    required,
    description: schema.description ?? schema.title ?? "",
    placeholder: placeholderOf(schema),
    choices,
    secret: schema.writeOnly === true || schema.format === "password",
    integer: types.includes("integer") && !types.includes("number"),
    minimum: schema.minimum,
    maximum: schema.maximum,
  };
}

function kindOf(schema: JsonSchema, types: string[], choices: string[]): FieldKind {
  if (choices.length > 0) return "choice";
  // A value with a textual form (a duration is text or nanoseconds) is typed as text.
  if (types.includes("string")) return "text";
  if (types.includes("array")) return "list";
  if (types.includes("boolean")) return "flag";
  if (types.includes("integer") || types.includes("number")) return "number";
  if (types.includes("object") && schema.properties === undefined && isTextMap(schema)) return "map";
  return "json";
}

function isTextMap(schema: JsonSchema): boolean {
  const values = schema.additionalProperties;
  return typeof values === "object" ? typesOf(values).includes("string") : true;
}

/** Follows references and drops the "or null" that optional fields carry. */
export function resolve(schema: JsonSchema, root: JsonSchema, depth = 0): JsonSchema {
  if (depth > MAX_DEPTH) return {};
  if (schema.$ref !== undefined) {
    const { $ref, ...own } = schema;
    const name = $ref.split("/").at(-1) ?? "";
    const target = root.$defs?.[name] ?? root.definitions?.[name];
    return target === undefined ? own : { ...resolve(target, root, depth + 1), ...own };
  }
  if (schema.allOf?.length === 1) {
    const { allOf, ...own } = schema;
    return { ...resolve(allOf[0] ?? {}, root, depth + 1), ...own };
  }
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants !== undefined) {
    const solid = variants.map((v) => resolve(v, root, depth + 1)).filter((v) => v.type !== "null");
    if (solid.length === 1) {
      const { anyOf: _any, oneOf: _one, ...own } = schema;
      return { ...solid[0], ...own };
    }
    return { ...schema, anyOf: undefined, oneOf: solid };
  }
  return schema;
}

function typesOf(schema: JsonSchema): string[] {
  const own = schema.type === undefined ? [] : [schema.type].flat();
  const inner = (schema.oneOf ?? schema.anyOf ?? []).flatMap(typesOf);
  return [...own, ...inner].filter((t) => t !== "null");
}

function choicesOf(schema: JsonSchema): string[] {
  const own = (schema.enum ?? []).filter((v) => v !== null).map(String);
  if (own.length > 0) return own;
  const variants = schema.oneOf ?? [];
  const constants = variants.flatMap((v) => (v.const !== undefined ? [String(v.const)] : (v.enum ?? []).map(String)));
  const allConstant = variants.length > 0 && variants.every((v) => v.const !== undefined || v.enum !== undefined);
  return allConstant ? constants : [];
}

function placeholderOf(schema: JsonSchema): string {
  if (schema.default !== undefined && schema.default !== null && schema.default !== "") {
    return typeof schema.default === "object" ? JSON.stringify(schema.default) : String(schema.default);
  }
  const example = schema.examples?.[0];
  if (example === undefined || example === null) return "";
  return `e.g. ${typeof example === "object" ? JSON.stringify(example) : String(example)}`;
}

const SCHEDULE = ["interval", "timeout", "read-timeout", "write-timeout", "member-tag", "disable"];
const ABOUT = ["description", "tags"];

export type FieldGroup = { title: string; fields: Field[] };

/** The same headings for every kind, by what a key is for. */
export function groupFields(fields: readonly Field[]): FieldGroup[] {
  const group = (f: Field) => {
    if (ABOUT.includes(f.name)) return "About";
    if (SCHEDULE.includes(f.name)) return "When";
    return /alerter|threshold|^message|runbook|^link/.test(f.name) ? "Judging and telling" : "What";
  };
  return ["What", "When", "Judging and telling", "About"]
    .map((title) => ({ title, fields: fields.filter((f) => group(f) === title) }))
    .filter((g) => g.fields.length > 0);
}

/** Problems of one field, with those below it (`headers.x` shows at `headers`). */
export function concerns(problem: { field?: string | null }, name: string): boolean {
  const at = problem.field ?? "";
  return at === name || at.startsWith(`${name}.`) || at.startsWith(`${name}[`);
}
