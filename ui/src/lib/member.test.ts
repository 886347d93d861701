import { expect, test } from "vitest";
import type { Member, PlanGroup } from "../api/cluster";
import { actions, barFill, conditions, groupsInUse, groupWords, orphans } from "./member";

const member = (part: Partial<Member> = {}): Member => ({
  id: "m1",
  here: true,
  director: false,
  hostname: "a",
  address: "10.0.0.1:8080",
  tags: [],
  kinds: [],
  version: "0.1.0",
  started: "2026-01-01T00:00:00Z",
  leaving: false,
  unfit: null,
  weight: 1,
  intent: null,
  slots: 10,
  alerter_slots: 10,
  monitors: 3,
  load_share: 0.5,
  ...part,
});
const intent = (part: object) => ({ drain: false, cordon: false, weight: null, by: "", at: "", ...part });
const group = (name: string, monitors: number, orphaned = 0): PlanGroup => ({
  group: name,
  epoch: "1-0",
  at: "",
  why: "",
  monitors,
  orphaned_monitors: orphaned,
  members: [],
});

test("a member that is just here has nothing said of it", () => {
  expect(conditions(member())).toEqual([]);
});

test("a drain goes on until nothing is held, alerters included", () => {
  const drain = { intent: intent({ drain: true }) };
  expect(conditions(member({ ...drain, slots: 0 }))).toEqual(["draining"]);
  expect(conditions(member({ ...drain, slots: 0, alerter_slots: 0 }))).toEqual(["drained"]);
});

test("one that is gone is not also unreachable, and a drain covers a cordon", () => {
  expect(conditions(member({ here: false }), ["m1"])).toEqual(["gone"]);
  expect(conditions(member({ director: true, unfit: "no descriptors" }), ["m1"])).toEqual([
    "director",
    "unreachable",
    "unfit",
  ]);
  expect(conditions(member({ intent: intent({ drain: true, cordon: true }) }))).toEqual(["draining"]);
});

test("what can be asked of a member follows from what was asked", () => {
  expect(actions(member())).toEqual(["cordon", "drain"]);
  expect(actions(member({ intent: intent({ cordon: true }) }))).toEqual(["uncordon", "drain"]);
  expect(actions(member({ intent: intent({ drain: true, cordon: true }) }))).toEqual(["undrain"]);
  expect(actions(member({ here: false }))).toEqual([]);
  expect(actions(member({ here: false, intent: intent({ drain: true }) }))).toEqual(["forget"]);
});

test("half a bar is an even share, and nothing is longer than the bar", () => {
  expect(barFill(0.1, 10)).toBeCloseTo(0.5);
  expect(barFill(0.9, 10)).toBe(1);
  expect(barFill(0.64, 1)).toBe(0.64);
  expect(barFill(0, 0)).toBe(0);
});

test("orphans are counted over all groups, and groups that nothing asks for are left out", () => {
  const groups = [group("notify", 0), group("tag-eu", 40, 2), group("tag-mars", 3, 3), group("tag-old", 0)];
  expect(orphans(groups)).toEqual({ monitors: 5, groups: ["tag-eu", "tag-mars"] });
  expect(groupsInUse(groups).map((g) => groupWords(g.group))).toEqual(["Alerters", "eu", "mars"]);
  expect(groupWords("untagged")).toBe("No tag");
});
