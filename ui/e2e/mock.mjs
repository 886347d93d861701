// A stand-in for the server while the page is developed, and for the tests that need 100,000 monitors.
// It speaks the same contract, over data made from a seed; nothing is checked and nobody is told.
//   node e2e/mock.mjs [--port 8080] [--monitors 100000] [--token T] [--healthy]
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { answer, makeCluster } from "./mock-cluster.mjs";
import { alerterKinds, monitorKinds, openapi } from "./mock-documents.mjs";

const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const ROLES = ["web", "api", "db-primary", "db-replica", "cache", "queue", "mail", "auth", "search", "cdn-edge"];
const SITES = ["fra", "ams", "iad", "sin", "gru"];
const KINDS = ["http", "http", "tcp", "tcp", "dns", "exec", "icmp"];
const PHASES = {
  http: ["resolve", "connect", "tls", "first_byte", "transfer"],
  tcp: ["resolve", "connect", "read"],
  dns: ["query"],
  exec: ["spawn", "run"],
  icmp: ["round_trip"],
};
const FAILURES = {
  http: [
    ["status-mismatch", "received status 503, expected 200-299"],
    ["timeout", "no first byte within 3 s"],
  ],
  tcp: [["connect-refused", "connect to 10.4.2.17:5432: connection refused"]],
  dns: [["no-records", "NXDOMAIN for internal.example.org from 10.0.0.53"]],
  exec: [["exit-code", "exited with 2, expected 0: DISK CRITICAL - /var 97% used"]],
  icmp: [["loss", "4 of 5 echoes lost (80 %), allowed 20 %"]],
};

const hash = (n) => {
  let x = (n + 0x9e3779b9) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
};
const iso = (ms) => new Date(ms).toISOString();
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

export function makeWorld({ monitors: total = 100_000, healthy = false, token = null } = {}) {
  const started = Date.now() - 3 * 86_400_000;
  const world = {
    total,
    token,
    list: [],
    byName: new Map(),
    silences: [],
    events: [],
    clients: new Set(),
    beats: 0,
    members: makeCluster(),
  };
  for (let i = 0; i < total; i++) {
    const kind = KINDS[Math.floor(hash(i) * KINDS.length)];
    const site = SITES[i % SITES.length];
    const role = ROLES[Math.floor(hash(i * 7 + 1) * ROLES.length)];
    const roll = hash(i * 13 + 5);
    const bad = !healthy && (total < 100 ? i % 9 === 3 : roll < 0.00006);
    const warn = !healthy && !bad && (total < 100 ? i % 13 === 5 : roll < 0.0001);
    const status = bad ? "critical" : warn ? "warning" : roll > 0.9999 && !healthy ? "pending" : "ok";
    const fail = FAILURES[kind][i % FAILURES[kind].length];
    world.list.push({
      i,
      check: `${role}-${site}-${String(i).padStart(5, "0")}`,
      type: kind,
      description: `${role.replace("-", " ")} in ${site}`,
      tags: [site, role.split("-")[0], i % 3 === 0 ? "prod" : "staging"],
      status,
      since:
        bad || warn
          ? Date.now() - Math.floor(hash(i + 3) ** 3 * 9e6) - 42_000
          : started + Math.floor(hash(i + 9) * 6e7),
      reason: bad || warn ? fail[0] : null,
      message: bad || warn ? fail[1] : "N/A",
      base: kind === "icmp" ? 0.4 + hash(i) : kind === "tcp" ? 1 + hash(i) * 6 : 8 + hash(i) * 120,
      disabled: i % 997 === 11,
      unwatched: !healthy && i % 20_011 === 40,
      orphaned: false,
      invalid: !healthy && i === 77,
      broken: !healthy && i === 78,
      interval: kind === "exec" ? 60_000 : 10_000,
      rev: 12,
      definition: null,
    });
  }
  for (const m of world.list) world.byName.set(m.check, m);
  const first = world.list.find((m) => m.status === "warning");
  if (first)
    addSilence(world, {
      matchers: [{ field: "name", op: "=", value: first.check }],
      duration: "4h",
      author: "mira",
      comment: "replica being rebuilt",
    });
  addSilence(world, {
    matchers: [
      { field: "tag", op: "=", value: "gru" },
      { field: "type", op: "glob", value: "ic*" },
    ],
    duration: "1h",
    author: "jonas",
    comment: "",
    from: iso(Date.now() - 7_200_000),
  });
  for (let n = 0; n < (total === 0 ? 0 : 400); n++) {
    const m = world.list[Math.floor(hash(n + 77) * total)];
    const [type, message] = [
      ["status", `${m.check} went from ok to critical`],
      ["status", `${m.check} recovered after 4 runs`],
      ["alert", `told ops-slack of ${m.check}`],
      ["warning", `${m.check} names the alerter "ops-pager", which does not exist`],
      ["config", "14 monitors added, 2 changed from configs/"],
      ["error", "smtp.example.org: connection refused; the mail is tried again in 30 s"],
      ["member", "member d4e5f6 was lost; 2,048 slots went to a1b2c3"],
    ][n % 7];
    world.events.push({
      id: `e${n}`,
      type,
      message,
      timestamp: iso(Date.now() - n * 173_000 - 9000),
      memberid: "a1b2c3",
      monitor: n % 7 < 4 ? m.check : null,
    });
  }
  return world;
}

const UNITS = { s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7, w: 6.048e8 };
function addSilence(world, body) {
  const from = body.from ? Date.parse(body.from) : Date.now();
  const parsed = /^(\d+)([smhdw])$/.exec(body.duration ?? "");
  const until = body.until ? Date.parse(body.until) : from + (parsed ? parsed[1] * UNITS[parsed[2]] : 3.6e6);
  const silence = {
    id: `s${world.silences.length + 1}x${Math.floor(hash(world.silences.length) * 1e6).toString(36)}`,
    matchers: body.matchers,
    from,
    until,
    author: body.author ?? "",
    comment: body.comment ?? "",
  };
  world.silences.push(silence);
  return silence;
}

function matchOne({ field, op, value }, m) {
  const subjects = field === "tag" ? m.tags : [field === "type" ? m.type : m.check];
  const glob = () =>
    new RegExp(
      `^${value
        .replace(/[.+^${}()|[\]\\]/g, "\\$&")
        .replaceAll("*", ".*")
        .replaceAll("?", ".")}$`,
    );
  const re = () => new RegExp(`^(?:${value})$`);
  if (op === "=") return subjects.includes(value);
  if (op === "!=") return !subjects.includes(value);
  if (op === "!~") return !subjects.some((s) => re().test(s));
  const test = op === "glob" ? glob() : re();
  return subjects.some((s) => test.test(s));
}
const isActive = (s) => s.from <= Date.now() && Date.now() < s.until;
const silenced = (world, m) => world.silences.some((s) => isActive(s) && s.matchers.every((x) => matchOne(x, m)));
const showSilence = (world) => (s) => ({
  ...s,
  from: iso(s.from),
  until: iso(s.until),
  active: isActive(s),
  matches: world.list.reduce((n, m) => n + (s.matchers.every((x) => matchOne(x, m)) ? 1 : 0), 0),
});

const failing = (m) => m.status === "critical" || m.status === "warning";
const tookAt = (m, slot) => {
  const noise = hash(m.i * 31 + slot * 17);
  return m.base * (0.82 + noise * 0.3 + (noise > 0.97 ? 1.8 : 0) + Math.sin((slot + m.i) / 23) * 0.12);
};
const failedAt = (m, at) => (failing(m) && at >= m.since) || hash(m.i + Math.floor(at / m.interval) * 101) > 0.995;
const round = (n) => Math.round(n * 1000) / 1000;
function phasesOf(m, took, slot) {
  const names = PHASES[m.type];
  const weights = names.map((_, k) => 0.2 + hash(m.i + k * 91 + (slot % 7)) * (k === 3 ? 3 : 1));
  const sum = weights.reduce((a, b) => a + b, 0);
  return Object.fromEntries(names.map((n, k) => [n, round((took * weights[k]) / sum)]));
}
function sampleAt(m, at) {
  const slot = Math.floor(at / m.interval);
  const bad = failedAt(m, at);
  const took = round(bad ? 3000 : tookAt(m, slot));
  return {
    at: iso(at),
    took_ms: took,
    outcome: bad ? (m.status === "warning" ? "degraded" : "fail") : "pass",
    phases: bad ? {} : phasesOf(m, took, slot),
  };
}
function definitionOf(m) {
  m.definition ??= {
    type: m.type,
    description: m.description,
    host: `10.4.${m.i % 255}.${(m.i * 7) % 255}`,
    interval: `${m.interval / 1000}s`,
    timeout: "3s",
    ...(m.type === "http"
      ? { port: 8443, ssl: true, url: "/healthz", "status-code": 200, headers: { "X-Probe": "9volt" }, expect: "ready" }
      : {}),
    ...(m.type === "tcp" ? { port: 5432 } : {}),
    ...(m.type === "exec"
      ? { command: "/usr/lib/nagios/plugins/check_disk", args: ["-w", "10%", "-c", "5%"], format: "nagios" }
      : {}),
    ...(m.type === "dns" ? { "dns-target": "internal.example.org", "dns-record-type": "A" } : {}),
    "warning-threshold": 1,
    "critical-threshold": 3,
    "warning-alerter": ["ops-slack"],
    "critical-alerter": ["ops-slack", "ops-pager"],
    tags: m.tags,
    ...(m.disabled ? { disable: true } : {}),
  };
  return m.definition;
}
function showState(world, m, config) {
  const now = Date.now();
  const phase = Math.floor(hash(m.i) * m.interval);
  const last = now - ((now - phase) % m.interval);
  const sample = sampleAt(m, last);
  const spark = [];
  for (let k = 29; k >= 0; k--) {
    const s = sampleAt(m, last - k * m.interval);
    spark.push(s.outcome === "pass" ? s.took_ms : null);
  }
  const off = m.disabled || m.unwatched || m.status === "pending";
  return {
    check: m.check,
    owner: "a1b2c3",
    status: m.status,
    count: failing(m) ? 3 + (m.i % 40) : 0,
    message: m.message,
    date: iso(last),
    ...(config ? { config: definitionOf(m) } : {}),
    type: m.type,
    description: m.description,
    tags: m.tags,
    since: iso(m.since),
    last_run: m.status === "pending" ? null : iso(last),
    took_ms: off ? null : sample.took_ms,
    next_due: m.disabled ? null : iso(last + m.interval),
    outcome:
      m.status === "pending"
        ? null
        : m.unwatched
          ? "unknown"
          : sample.outcome === "pass"
            ? "pass"
            : failing(m)
              ? "fail"
              : "pass",
    reason: m.unwatched ? "no-route" : m.reason,
    unwatched: m.unwatched,
    silenced: silenced(world, m),
    disabled: m.disabled,
    orphaned: m.orphaned,
    invalid: m.invalid,
    broken: m.broken,
    unreachable: false,
    episode: failing(m) ? `ep-${m.i}` : null,
    interval_ms: m.interval,
    spark: m.status === "pending" ? [] : spark,
  };
}
function showDetail(world, m) {
  const state = showState(world, m, true);
  const last = Date.parse(state.date);
  const samples = [];
  for (let k = 359; k >= 0; k--) samples.push(sampleAt(m, last - k * m.interval));
  const verdicts = samples
    .slice(-20)
    .reverse()
    .map((s) => ({
      ...s,
      reason: s.outcome === "pass" ? null : (m.reason ?? "timeout"),
      message: s.outcome === "pass" ? "ok" : m.message === "N/A" ? "no answer within 3 s" : m.message,
      facts:
        m.type === "http"
          ? {
              http_status_code: s.outcome === "pass" ? 200 : 503,
              http_content_length: 1841,
              tls_cert_expires_in_days: 41,
            }
          : {},
    }));
  const transitions = failing(m)
    ? [
        { at: iso(m.since), from: "ok", to: m.status, message: m.message },
        { at: iso(m.since - 5_400_000), from: "critical", to: "ok", message: "recovered" },
        { at: iso(m.since - 5_900_000), from: "ok", to: "critical", message: m.message },
      ]
    : [];
  const due = Math.floor((Date.now() - m.since) / m.interval);
  return {
    ...state,
    samples: m.status === "pending" ? [] : samples,
    verdicts: m.status === "pending" ? [] : verdicts,
    ledger: { due, ran: due - 3, skipped: 2, late: 4, missed: 1, skipped_by: { "in-flight": 2 } },
    problems: m.invalid
      ? [
          {
            severity: "error",
            file: "configs/http.yaml",
            line: 14,
            column: 5,
            entry: `monitor ${m.check}`,
            field: "interval",
            message: "interval must be larger than 0",
            fix: "write how often it should run, such as 10s",
          },
        ]
      : m.i % 50 === 3
        ? [
            {
              severity: "warning",
              file: null,
              line: null,
              column: null,
              entry: `monitor ${m.check}`,
              field: "critical-alerter",
              message: "names the alerter “ops-pager”, which does not exist",
              fix: "define it, or name one of: ops-slack, ops-mail",
            },
          ]
        : [],
    etag: `"${m.rev}"`,
    transitions,
  };
}
function counts(world) {
  const c = {
    total: world.list.length,
    ok: 0,
    warning: 0,
    critical: 0,
    pending: 0,
    disabled: 0,
    unwatched: 0,
    silenced: 0,
    orphaned: 0,
    invalid: 0,
    broken: 0,
    unreachable: 0,
  };
  for (const m of world.list) {
    if (m.disabled) c.disabled++;
    else c[m.status]++;
    for (const k of ["unwatched", "orphaned", "invalid", "broken"]) if (m[k]) c[k]++;
  }
  c.silenced = world.list.filter((m) => failing(m) && silenced(world, m)).length;
  return c;
}
const showIncident = (world) => (m) => ({
  id: `ep-${m.i}`,
  monitor: m.check,
  type: m.type,
  status: m.status,
  since: iso(m.since),
  until: null,
  closed_as: null,
  reason: m.message,
  count: 3 + (m.i % 40),
  trail: [
    { at: iso(m.since), status: "warning", message: m.message },
    { at: iso(m.since + 20_000), status: m.status, message: m.message },
  ],
  alerters: ["ops-slack", "ops-pager"],
  silenced: silenced(world, m),
});
const pastIncidents = (world) =>
  Array.from({ length: world.total === 0 ? 0 : 40 }, (_, n) => {
    const m = world.list[Math.floor(hash(n + 5) * world.total)];
    const since = Date.now() - (n + 1) * 5_300_000;
    return {
      id: `old-${n}`,
      monitor: m.check,
      type: m.type,
      status: "ok",
      since: iso(since),
      until: iso(since + 60_000 + hash(n) * 3e6),
      closed_as: n % 7 === 3 ? "edited" : "recovered",
      reason: FAILURES[m.type][0][1],
      count: 3 + n,
      trail: [
        { at: iso(since), status: "warning", message: FAILURES[m.type][0][1] },
        { at: iso(since + 20_000), status: "critical", message: FAILURES[m.type][0][1] },
        { at: iso(since + 90_000), status: "ok", message: "recovered" },
      ],
      alerters: ["ops-slack"],
      silenced: false,
    };
  });
function notificationsOf(world) {
  const open = world.list.filter(failing);
  return open.flatMap((m, n) =>
    ["ops-slack", "ops-pager"].map((alerter, k) => {
      const muted = silenced(world, m);
      const state = muted ? "muted" : n === 1 && k === 1 ? "given-up" : n === 0 && k === 1 ? "pending" : "sent";
      return {
        key: `${alerter}/${m.check}`,
        alerter,
        monitor: m.check,
        episode: `ep-${m.i}`,
        status: m.status,
        state,
        at: iso(m.since + 25_000),
        attempts: state === "given-up" ? 12 : state === "pending" ? 3 : 1,
        error: state === "pending" || state === "given-up" ? "events.example.com: 502 Bad Gateway" : null,
        next_attempt: state === "pending" ? iso(Date.now() + 24_000) : null,
        muted_by: muted ? `silence ${world.silences[0]?.id}` : null,
      };
    }),
  );
}

const RANK = { critical: 0, warning: 1, pending: 2, ok: 3 };
const SORTS = {
  name: (a, b) => (a.check < b.check ? -1 : 1),
  status: (a, b) => Number(a.disabled) - Number(b.disabled) || RANK[a.status] - RANK[b.status] || b.since - a.since,
  since: (a, b) => a.since - b.since,
  took: (a, b) => a.base - b.base,
};
/** Answers are kept for a moment: the mock sorts 100,000 objects slowly, and that is not what is measured. */
function filterStates(world, query) {
  const key = [
    "q",
    "status",
    "type",
    "tags",
    "sort",
    "silenced",
    "disabled",
    "unwatched",
    "orphaned",
    "invalid",
    "broken",
  ]
    .map((k) => query.get(k))
    .join("|");
  if (world.kept?.key === key && Date.now() - world.kept.at < 2000) return world.kept.found;
  const found = filterNow(world, query);
  world.kept = { key, at: Date.now(), found };
  return found;
}
function filterNow(world, query) {
  const list = (k) => (query.get(k) ? new Set(query.get(k).split(",")) : null);
  const [tags, status, type] = [list("tags"), list("status"), list("type")];
  const q = (query.get("q") ?? "").toLowerCase();
  let found = world.list.filter((m) => {
    if (q && !m.check.includes(q) && !m.description.toLowerCase().includes(q)) return false;
    if (type && !type.has(m.type)) return false;
    if (status && (m.disabled || !status.has(m.status))) return false;
    if (tags && !m.tags.some((t) => tags.has(t))) return false;
    for (const flag of ["disabled", "unwatched", "orphaned", "invalid", "broken"])
      if (query.get(flag) && String(m[flag]) !== query.get(flag)) return false;
    return !query.get("silenced") || String(silenced(world, m)) === query.get("silenced");
  });
  const sort = query.get("sort") ?? "status";
  const by = SORTS[sort.replace("-", "")];
  if (by) found = found.sort(by);
  return sort.startsWith("-") ? found.reverse() : found;
}
function page(items, query) {
  const limit = Math.min(1000, Number(query.get("limit") ?? 100));
  const at = Number(query.get("cursor") ?? 0);
  return {
    items: items.slice(at, at + limit),
    next: at + limit < items.length ? String(at + limit) : null,
    total: items.length,
  };
}

const ALERTERS = [
  {
    name: "ops-slack",
    type: "slack",
    description: "everything, to #ops",
    options: { channel: "#ops", token: "********", username: "9volt-bot" },
    told_open: 4,
    pending: 0,
    last_delivery: { at: iso(Date.now() - 340_000), ok: true, message: "200 ok" },
  },
  {
    name: "ops-pager",
    type: "pagerduty",
    description: "wakes whoever is on call",
    options: { token: "********" },
    told_open: 3,
    pending: 1,
    last_delivery: { at: iso(Date.now() - 61_000), ok: false, message: "502 Bad Gateway" },
  },
  {
    name: "ops-mail",
    type: "email",
    description: "",
    options: { to: "ops@example.org", address: "smtp.example.org:587", username: "ops", password: "********" },
    told_open: 0,
    pending: 0,
    last_delivery: null,
  },
];

export function serve(world) {
  const server = createServer(async (req, res) => {
    const address = new URL(req.url, "http://mock");
    const path = address.pathname;
    const query = address.searchParams;
    const json = (status, body, headers = {}) => {
      res.writeHead(status, { "content-type": "application/json", ...headers });
      res.end(body === undefined ? "" : JSON.stringify(body));
    };
    const fail = (status, message, problems) =>
      json(status, { message, status: "error", ...(problems ? { problems } : {}) });
    let raw = "";
    for await (const chunk of req) raw += chunk;
    const body = raw ? JSON.parse(raw) : {};
    const given = req.headers["x-access-token"] ?? /ninevolt_token=([^;]+)/.exec(req.headers.cookie ?? "")?.[1];
    const signedIn = world.token === null || given === world.token;

    if (path === "/" || path === "/ui")
      return path === "/" ? res.end("Refer to README.md for 9volt API usage") : asset(res, "index.html");
    if (path.startsWith("/ui/")) return asset(res, path.slice(4));
    if (path === "/openapi.json") return json(200, openapi);
    if (path === "/api/v1/session") {
      if (req.method === "GET") return json(200, { required: world.token !== null, signed_in: signedIn });
      if (req.method === "DELETE") return json(204, undefined, { "set-cookie": "ninevolt_token=; Path=/; Max-Age=0" });
      if (world.token !== null && body.token !== world.token)
        return fail(401, "Unauthorized request: invalid access token");
      return json(204, undefined, { "set-cookie": `ninevolt_token=${body.token}; Path=/; HttpOnly; SameSite=Strict` });
    }
    if (!signedIn) return fail(401, "No access token found; ensure you pass 'X-Access-Token' in header");
    const [resource, rawName, action] = path.replace("/api/v1/", "").split("/");
    const name = rawName === undefined ? undefined : decodeURIComponent(rawName);

    if (resource === "overview") {
      const c = counts(world);
      const all = notificationsOf(world);
      return json(200, {
        monitors: c,
        incidents: { open: world.list.filter((m) => failing(m) && !m.disabled).length },
        notifications: {
          pending: all.filter((n) => n.state === "pending").length,
          given_up: all.filter((n) => n.state === "given-up").length,
        },
        member: {
          id: "a1b2c3",
          hostname: "watch-1.fra",
          version: "0.1.0",
          started: iso(Date.now() - 3 * 86_400_000),
          listen: "0.0.0.0:8080",
        },
        store: { backend: "embedded", state: "joined", detail: null, means: null, since: null, path: "/var/lib/9volt" },
        ledger: { due: 25_912_004, ran: 25_911_960, skipped: 31, late: 412, missed: 13 },
        runs_per_second: world.total / 10 + (world.beats++ % 5) / 3,
        lateness_ms: { p50: 0.21, p99: 3.14 },
      });
    }
    if (resource === "state" && name === undefined) {
      const found = filterStates(world, query);
      const offset = Number(query.get("offset") ?? 0);
      const limit = Number(query.get("limit") ?? found.length);
      return json(
        200,
        found.slice(offset, offset + limit).map((m) => showState(world, m, query.get("config") !== "false")),
        { "x-total-count": String(found.length) },
      );
    }
    if (resource === "stream") return stream(world, req, res, query.get("monitor"));
    if (resource === "kinds") return json(200, { monitors: monitorKinds, alerters: alerterKinds });
    const known = answer(world, { resource, name, action, method: req.method, body });
    if (known !== undefined) return json(...known);
    if (resource === "incident") {
      const open = world.list.filter((m) => failing(m) && !m.disabled).map(showIncident(world));
      const past = pastIncidents(world);
      const items = (
        query.get("state") === "open" ? open : query.get("state") === "past" ? past : [...open, ...past]
      ).filter((i) => !query.get("monitor") || i.monitor === query.get("monitor"));
      return json(200, page(items, query));
    }
    if (resource === "notification")
      return json(
        200,
        page(
          notificationsOf(world).filter((n) =>
            ["state", "alerter", "monitor"].every((k) => !query.get(k) || n[k] === query.get(k)),
          ),
          query,
        ),
      );
    if (resource === "events")
      return json(
        200,
        page(
          world.events.filter(
            (e) =>
              (!query.get("type") || query.get("type").split(",").includes(e.type)) &&
              (!query.get("q") || e.message.includes(query.get("q"))),
          ),
          query,
        ),
      );
    if (resource === "alerters") return json(200, page(ALERTERS, query));
    if (resource === "silence") {
      if (req.method === "POST") {
        if (!body.matchers?.length) return fail(422, "a silence needs a matcher");
        const made = addSilence(world, body);
        tell(world, "silence", { names: [made.id] });
        return json(201, showSilence(world)(made));
      }
      if (req.method === "DELETE") {
        const it = world.silences.find((s) => s.id === name);
        if (!it) return fail(404, `no silence ${name}`);
        it.until = Date.now();
        tell(world, "silence", { names: [name] });
        return json(200, { message: "expired", status: "ok" });
      }
      const state = query.get("state") ?? "all";
      return json(
        200,
        page(
          world.silences
            .map(showSilence(world))
            .filter((s) => state === "all" || s.active === (state === "active"))
            .reverse(),
          query,
        ),
      );
    }
    if (resource === "alerter") {
      const it = ALERTERS.find((a) => a.name === name);
      if (!it) return fail(404, `Unable to find any alerter named '${name}'`);
      if (action === "test") {
        await wait(250);
        return json(
          200,
          it.type === "pagerduty"
            ? { delivered: false, response: "502 Bad Gateway: <html>upstream</html>", took_ms: 214.2 }
            : { delivered: true, response: '200 OK {"ok":true,"ts":"1732"}', took_ms: 88.6 },
        );
      }
      if (req.method === "PUT") return json(200, { message: "saved", status: "ok", warnings: [] });
      return json(200, { type: it.type, description: it.description, options: it.options }, { etag: '"3"' });
    }
    const m = world.byName.get(name);
    if (resource === "monitor" && req.method === "PUT") return putMonitor(world, m, name, body, req, json, fail);
    if (!m) return fail(404, name === undefined ? "404 page not found" : `Unable to find any check named '${name}'`);
    if (resource === "state") return json(200, showDetail(world, m));
    if (req.method === "DELETE") {
      world.list.splice(world.list.indexOf(m), 1);
      world.byName.delete(name);
      tell(world, "definition", { names: [name] });
      return json(200, { message: `Successfully removed check '${name}'`, status: "ok" });
    }
    if (action === "run") {
      await wait(300);
      const s = sampleAt(m, Date.now());
      return json(200, {
        outcome: s.outcome,
        reason: s.outcome === "pass" ? null : m.reason,
        message: s.outcome === "pass" ? "status 200, body contains “ready”" : m.message,
        took_ms: s.took_ms,
        phases: phasesOf(m, s.outcome === "pass" ? s.took_ms : 34, 3),
        facts: m.type === "http" ? { http_status_code: 200, http_version: "2", tls_version: "1.3" } : {},
      });
    }
    return json(200, definitionOf(m), { etag: `"${m.rev}"` });
  });
  return server;
}

function putMonitor(world, m, name, body, req, json, fail) {
  const match = req.headers["if-match"];
  if ((match && match !== `"${m?.rev}"`) || (req.headers["if-none-match"] === "*" && m))
    return fail(412, "the definition has changed since it was read");
  if (!body.interval || /^-?0/.test(String(body.interval)))
    return fail(422, "1 problem", [
      {
        severity: "error",
        file: null,
        line: null,
        column: null,
        entry: `monitor ${name}`,
        field: "interval",
        message: "interval must be larger than 0",
        fix: "write how often it should run, such as 10s",
      },
    ]);
  const made = m ?? {
    ...world.list[0],
    i: world.list.length,
    check: name,
    status: "pending",
    since: Date.now(),
    reason: null,
    message: "N/A",
    rev: 0,
    invalid: false,
    broken: false,
  };
  Object.assign(made, {
    definition: body,
    rev: made.rev + 1,
    type: body.type ?? made.type,
    description: body.description ?? "",
    tags: body.tags ?? [],
    disabled: body.disable === true,
  });
  if (!m) {
    world.list.push(made);
    world.byName.set(name, made);
  }
  tell(world, "definition", { names: [name] });
  return json(m ? 200 : 201, { message: "saved", status: "ok", warnings: [] });
}

function tell(world, event, data) {
  world.kept = undefined;
  for (const { res } of world.clients) res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
function stream(world, req, res, monitor) {
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const client = { res, monitor };
  world.clients.add(client);
  res.write('event: hello\ndata: {"member":"a1b2c3","version":"0.1.0"}\n\n');
  const timer = setInterval(() => {
    const m = world.byName.get(monitor);
    if (m) res.write(`event: run\ndata: ${JSON.stringify({ monitor, sample: sampleAt(m, Date.now()) })}\n\n`);
    const some = world.list[Math.floor(Math.random() * world.list.length)];
    res.write(`event: state\ndata: ${JSON.stringify({ monitors: [some?.check], overview: {} })}\n\n`);
  }, 3000);
  req.on("close", () => {
    clearInterval(timer);
    world.clients.delete(client);
  });
}
function asset(res, name) {
  const path = normalize(join(DIST, name));
  const found = path.startsWith(DIST) && existsSync(path) && statSync(path).isFile() ? path : join(DIST, "index.html");
  res.writeHead(200, {
    "content-type": TYPES[extname(found)] ?? "application/octet-stream",
    "cache-control": found.endsWith(".html") ? "no-cache" : "max-age=31536000, immutable",
  });
  createReadStream(found).pipe(res);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flag = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
  const world = makeWorld({
    monitors: Number(flag("--monitors") ?? 100_000),
    healthy: process.argv.includes("--healthy"),
    token: flag("--token") ?? null,
  });
  const server = serve(world).listen(Number(flag("--port") ?? 8080), "127.0.0.1", () =>
    console.log(`mock at http://127.0.0.1:${server.address().port}/ui/`),
  );
}
