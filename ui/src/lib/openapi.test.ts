import { expect, test } from "vitest";
import { groupOperations, type OpenApi, shape } from "./openapi";

const DOC: OpenApi = {
  openapi: "3.1.0",
  info: { title: "t", version: "1" },
  tags: [{ name: "b" }, { name: "a" }],
  paths: {
    "/x/{id}": {
      parameters: [{ $ref: "#/components/parameters/Id" }],
      get: { tags: ["a"], parameters: [{ name: "q", in: "query" }] },
      delete: { tags: ["b"] },
    },
    "/y": { post: {} },
  },
  components: {
    parameters: { Id: { name: "id", in: "path", required: true } },
    schemas: {
      Node: {
        type: "object",
        required: ["name"],
        properties: { name: { type: "string" }, next: { $ref: "#/components/schemas/Node" } },
      },
    },
  },
};

test("operations are grouped in the order of the tags", () => {
  expect(groupOperations(DOC).map((g) => [g.tag, g.entries.map((e) => `${e.method} ${e.path}`)])).toEqual([
    ["b", ["DELETE /x/{id}"]],
    ["a", ["GET /x/{id}"]],
    ["other", ["POST /y"]],
  ]);
});

test("parameters of the path and of the operation are both shown", () => {
  const get = groupOperations(DOC)[1]?.entries[0];
  expect(get?.parameters.map((p) => p.name)).toEqual(["id", "q"]);
});

test("shapes are readable and a schema inside itself ends", () => {
  expect(shape({ type: ["string", "null"] }, DOC)).toBe("string | null");
  expect(shape({ type: "array", items: { enum: ["a", "b"] } }, DOC)).toBe('("a" | "b")[]');
  const node = shape({ $ref: "#/components/schemas/Node" }, DOC);
  expect(node).toContain("name: string");
  expect(node).toContain("next?: ");
});
