// A cluster for the mock: three members on one etcd, one of which is drained, and what the last plans were for.
const iso = (ms) => new Date(ms).toISOString();

export function makeCluster() {
  const began = Date.now() - 3 * 86_400_000;
  const member = (id, hostname, part) => ({
    id,
    here: true,
    director: false,
    hostname,
    address: `${hostname}:8080`,
    tags: ["fra"],
    kinds: [],
    version: "0.1.0",
    started: iso(began),
    leaving: false,
    unfit: null,
    weight: 1,
    intent: null,
    slots: 2048,
    alerter_slots: 1365,
    monitors: 50_000,
    load_share: 0.5,
    lease: "1",
    ...part,
  });
  return [
    member("a1b2c3", "watch-1.fra", { director: true, load_share: 0.54 }),
    member("d4e5f6", "watch-2.fra", { load_share: 0.46 }),
    member("0f1e2d", "watch-3.ams", {
      tags: ["ams", "eu-west"],
      weight: 2,
      slots: 0,
      alerter_slots: 0,
      monitors: 0,
      load_share: 0,
      intent: { drain: true, cordon: false, weight: 2, by: "mira", at: iso(Date.now() - 720_000) },
    }),
  ];
}

function planOf(members, total) {
  const at = iso(Date.now() - 720_000);
  const holders = members.filter((m) => m.slots > 0);
  const group = (name, monitors, orphaned = 0) => ({
    group: name,
    epoch: "41-7",
    at,
    why: "member 0f1e2d is drained",
    runs: 2,
    monitors,
    orphans: orphaned > 0 ? 4096 : 0,
    orphaned_monitors: orphaned,
    members: orphaned > 0 ? [] : holders.map((m) => ({ id: m.id, slots: m.slots, monitors: Math.floor(monitors / 2) })),
  });
  const items = [group("notify", 0), group("tag-ams", 3, 3), group("untagged", Math.max(0, total - 3))];
  return {
    director: "a1b2c3",
    term: "41",
    last: { at, why: "member 0f1e2d is drained" },
    slots: 4096,
    groups: { items, next: null, total: items.length },
  };
}

const STORE = {
  backend: "etcd",
  state: "joined",
  detail: null,
  means: null,
  since: null,
  others: {},
  path: "http://etcd-1:2379",
  revision: "88214",
  size: 50_541_363,
  in_use: 20_971_520,
  quota: 2_147_483_648,
  endpoints: [
    { url: "http://etcd-1:2379", version: "3.5.17", leads: true, latency_ms: 1.2, trouble: null },
    { url: "http://etcd-2:2379", version: "3.5.17", leads: false, latency_ms: 1.9, trouble: null },
    {
      url: "http://etcd-3:2379",
      version: null,
      leads: false,
      latency_ms: null,
      trouble: "etcd-3:2379: connection refused",
    },
  ],
};

const JUDGES = [
  { member: "a1b2c3", epoch: "41-7", at: iso(Date.now() - 720_000), why: "member 0f1e2d is drained" },
  { member: "0f1e2d", epoch: "38-2", at: iso(Date.now() - 90_000_000), why: "member d4e5f6 was lost" },
  { member: "d4e5f6", epoch: "12-0", at: null, why: "member d4e5f6 directs" },
];

/** What is answered for a path of the cluster, as `[status, body]`; nothing for other paths. */
export function answer(world, { resource, name, action, method, body }) {
  if (resource === "store") return [200, STORE];
  if (resource === "plan") return [200, planOf(world.members, world.total)];
  if (resource === "monitor" && action === "judges") return [200, { items: JUDGES }];
  if (resource !== "member") return undefined;
  if (name === undefined) return [200, { items: world.members, next: null, total: world.members.length }];
  const it = world.members.find((m) => m.id === name);
  if (!it) return [404, { message: `Unable to find any member named '${name}'`, status: "error" }];
  const wanted = it.intent ?? { drain: false, cordon: false, weight: null, by: "", at: "" };
  if (action !== undefined) {
    const next = { ...wanted, [action]: method === "PUT", by: body.by ?? "", at: iso(Date.now()) };
    it.intent = next.drain || next.cordon || next.weight !== null ? next : null;
  }
  return [200, it];
}
