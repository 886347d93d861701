// What the mock answers for /kinds and /openapi.json: enough of each shape that the page has to draw.
const common = {
  description: { type: ["string", "null"], description: "Shown beside the name and sent with every notification." },
  interval: { $ref: "#/$defs/Duration", description: "How often it is checked." },
  timeout: {
    $ref: "#/$defs/Duration",
    description: "How long one check may take; shorter than the interval.",
    default: "3s",
  },
  tags: { type: "array", items: { type: "string" }, description: "Free labels, for filters and silences." },
  disable: { type: "boolean", description: "Keeps the definition but runs nothing." },
  "warning-threshold": { type: "integer", minimum: 0, description: "Failures in a row until the status is warning." },
  "critical-threshold": { type: "integer", minimum: 0, description: "Failures in a row until the status is critical." },
  "warning-alerter": { type: "array", items: { type: "string" }, description: "Who is told of a warning." },
  "critical-alerter": { type: "array", items: { type: "string" }, description: "Who is told when it is critical." },
};
const kind = (name, summary, properties, required = []) => ({
  kind: name,
  summary,
  example: `monitor:\n  example-${name}:\n    type: ${name}\n    interval: 10s\n`,
  schema: {
    type: "object",
    $defs: { Duration: { anyOf: [{ type: "string" }, { type: "integer" }], examples: ["10s"] } },
    required: ["interval", ...required],
    properties: { type: { const: name }, ...properties, ...common },
  },
});
const text = (description, more = {}) => ({ type: ["string", "null"], description, ...more });

export const monitorKinds = [
  kind(
    "tcp",
    "Opens a connection; may send something and wait for an answer.",
    {
      host: { type: "string", description: "Name or address." },
      port: { type: "integer", minimum: 1, maximum: 65535 },
      send: text("Sent after connecting."),
      expect: text("Must occur in the answer."),
    },
    ["host", "port"],
  ),
  kind(
    "http",
    "Asks for a page and judges status and content.",
    {
      host: { type: "string", description: "Name or address." },
      port: { type: ["integer", "null"], minimum: 0, maximum: 65535, default: 80 },
      url: text("Path and query.", { examples: ["/healthz"] }),
      ssl: { type: "boolean", description: "HTTPS." },
      method: { anyOf: [{ enum: ["GET", "HEAD", "POST", "PUT"] }, { type: "null" }], description: "Request method." },
      "status-code": {
        anyOf: [{ type: "string" }, { type: "integer" }],
        description: "Expected status, a list or ranges.",
        default: "200-299",
      },
      headers: { type: "object", additionalProperties: { type: "string" }, description: "Sent with the request." },
      auth: { type: "object", properties: { bearer: { type: "string" } }, description: "Credentials." },
      expect: text("Must occur in the body."),
    },
    ["host"],
  ),
  kind(
    "dns",
    "Asks a server for records.",
    {
      host: { type: "string", description: "The server that is asked." },
      "dns-target": { type: "string" },
      "dns-record-type": { enum: ["A", "AAAA", "CNAME", "MX", "TXT"], default: "A" },
    },
    ["host", "dns-target"],
  ),
  kind(
    "exec",
    "Runs a command on the member.",
    {
      command: { type: "string" },
      args: { type: "array", items: { type: "string" } },
      "return-code": { type: "integer", default: 0 },
      format: { enum: ["plain", "nagios"] },
    },
    ["command"],
  ),
  kind(
    "icmp",
    "Sends echoes; judges loss and round trip.",
    { host: { type: "string" }, count: { type: "integer", minimum: 1, default: 3 } },
    ["host"],
  ),
];
const alerterKind = (name, summary, options) => ({
  kind: name,
  summary,
  example: "",
  schema: {
    type: "object",
    required: ["type"],
    properties: {
      type: { const: name },
      description: text("What it is for."),
      options: { type: "object", additionalProperties: { type: "string" }, description: options },
    },
  },
});
export const alerterKinds = [
  alerterKind("slack", "Posts to a channel.", "token and channel, or url"),
  alerterKind("pagerduty", "Opens and resolves incidents.", "token"),
  alerterKind("email", "Sends mail.", "to, address, from, username, password"),
  alerterKind("log", "A JSON line on standard output.", "none"),
];

const ok = (schema) => ({
  200: { description: "Done.", content: { "application/json": { schema } } },
  401: { description: "An access token is needed." },
});
const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
const name = {
  name: "name",
  in: "path",
  required: true,
  schema: { type: "string" },
  description: "Name of the monitor.",
};
const query = (n, description, schema = { type: "string" }) => ({ name: n, in: "query", description, schema });
export const openapi = {
  openapi: "3.1.0",
  info: { title: "9volt", version: "0.1.0", description: "What is checked, what is failing, who was told." },
  tags: [
    { name: "state", description: "What the monitors are saying now." },
    { name: "monitors", description: "Definitions." },
    { name: "silences", description: "Muting notifications for a time." },
  ],
  paths: {
    "/api/v1/overview": {
      get: {
        tags: ["state"],
        summary: "Everything at a glance",
        responses: ok({
          type: "object",
          properties: {
            monitors: { type: "object", additionalProperties: { type: "integer" } },
            runs_per_second: { type: "number" },
          },
        }),
      },
    },
    "/api/v1/state": {
      get: {
        tags: ["state"],
        summary: "States of monitors",
        parameters: [
          query("q", "Part of a name or description."),
          query("status", "critical,warning"),
          query("limit", "How many.", { type: "integer" }),
        ],
        responses: ok({ type: "array", items: ref("State") }),
      },
    },
    "/api/v1/monitor/{name}": {
      parameters: [name],
      get: { tags: ["monitors"], summary: "One definition", responses: ok(ref("Definition")) },
      put: {
        tags: ["monitors"],
        summary: "Create or replace",
        requestBody: { required: true, content: { "application/json": { schema: ref("Definition") } } },
        responses: {
          ...ok({ type: "object" }),
          412: { description: "Changed since it was read." },
          422: { description: "Has problems." },
        },
      },
      delete: { tags: ["monitors"], summary: "Remove", responses: ok({ type: "object" }) },
    },
    "/api/v1/monitor/{name}/run": {
      post: {
        tags: ["monitors"],
        summary: "Run once now",
        parameters: [name],
        responses: ok({ type: "object", properties: { outcome: { enum: ["pass", "fail"] } } }),
      },
    },
    "/api/v1/silence": {
      get: {
        tags: ["silences"],
        summary: "All silences",
        parameters: [query("state", "active, expired or all")],
        responses: ok({ type: "object" }),
      },
      post: {
        tags: ["silences"],
        summary: "Create",
        requestBody: { required: true, content: { "application/json": { schema: ref("Silence") } } },
        responses: { 201: { description: "Created.", content: { "application/json": { schema: ref("Silence") } } } },
      },
    },
  },
  components: {
    schemas: {
      State: {
        type: "object",
        required: ["check", "status"],
        properties: {
          check: { type: "string" },
          status: { enum: ["pending", "ok", "warning", "critical"] },
          took_ms: { type: ["number", "null"] },
          tags: { type: "array", items: { type: "string" } },
        },
      },
      Definition: { type: "object", additionalProperties: true },
      Silence: {
        type: "object",
        required: ["matchers"],
        properties: {
          matchers: {
            type: "array",
            items: {
              type: "object",
              properties: { field: { type: "string" }, op: { type: "string" }, value: { type: "string" } },
            },
          },
          duration: { type: "string" },
          comment: { type: "string" },
        },
      },
    },
  },
};
