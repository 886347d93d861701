import { expect, test } from "vitest";
import { concerns, fieldsOf, groupFields, type JsonSchema } from "./schema";

const SCHEMA: JsonSchema = {
  type: "object",
  required: ["host"],
  $defs: {
    Duration: { anyOf: [{ type: "string" }, { type: "integer" }], examples: ["10s"] },
    Method: { oneOf: [{ const: "GET" }, { const: "POST" }] },
  },
  properties: {
    port: { type: ["integer", "null"], minimum: 0, maximum: 65535, default: 80 },
    host: { type: "string", description: "Whom to ask." },
    interval: { $ref: "#/$defs/Duration", description: "How often." },
    method: { anyOf: [{ $ref: "#/$defs/Method" }, { type: "null" }] },
    ssl: { type: "boolean" },
    tags: { type: "array", items: { type: "string" } },
    headers: { type: "object", additionalProperties: { type: "string" } },
    auth: { type: "object", properties: { basic: { type: "string" } } },
    token: { type: "string", writeOnly: true },
    type: { const: "http" },
  },
};

test("required fields come first and constants are left out", () => {
  const names = fieldsOf(SCHEMA).map((f) => f.name);
  expect(names[0]).toBe("host");
  expect(names).not.toContain("type");
});

test.each([
  ["port", "number"],
  ["host", "text"],
  ["interval", "text"],
  ["method", "choice"],
  ["ssl", "flag"],
  ["tags", "list"],
  ["headers", "map"],
  ["auth", "json"],
])("%s is a %s field", (name, kind) => {
  expect(fieldsOf(SCHEMA).find((f) => f.name === name)?.kind).toBe(kind);
});

test("references keep the words beside them", () => {
  const interval = fieldsOf(SCHEMA).find((f) => f.name === "interval");
  expect(interval).toMatchObject({ description: "How often.", placeholder: "e.g. 10s" });
});

test("limits, choices and secrets are kept", () => {
  const by = (name: string) => fieldsOf(SCHEMA).find((f) => f.name === name);
  expect(by("port")).toMatchObject({ minimum: 0, maximum: 65535, integer: true, placeholder: "80" });
  expect(by("method")?.choices).toEqual(["GET", "POST"]);
  expect(by("token")?.secret).toBe(true);
});

test("fields are grouped by what they are for", () => {
  expect(groupFields(fieldsOf(SCHEMA)).map((g) => g.title)).toEqual(["What", "When", "About"]);
});

test("a schema that refers to itself ends", () => {
  expect(fieldsOf({ $ref: "#/$defs/A", $defs: { A: { $ref: "#/$defs/A" } } })).toEqual([]);
});

test("a problem below a field concerns it", () => {
  expect(concerns({ field: "headers.x" }, "headers")).toBe(true);
  expect(concerns({ field: "headersx" }, "headers")).toBe(false);
  expect(concerns({ field: null }, "headers")).toBe(false);
});
