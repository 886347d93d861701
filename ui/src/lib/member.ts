import type { Member, PlanGroup } from "../api/cluster";

export type Condition = "director" | "gone" | "unreachable" | "unfit" | "leaving" | "draining" | "drained" | "cordoned";

/** What is true of a member beside that it is here; what needs a person first. */
export function conditions(member: Member, unreachable: readonly string[] = []): Condition[] {
  const found: Condition[] = [];
  if (member.director) found.push("director");
  if (!member.here) found.push("gone");
  else if (unreachable.includes(member.id)) found.push("unreachable");
  if (member.unfit !== null) found.push("unfit");
  if (member.leaving) found.push("leaving");
  if (member.intent?.drain === true) found.push(holds(member) ? "draining" : "drained");
  else if (member.intent?.cordon === true) found.push("cordoned");
  return found;
}

function holds(member: Member): boolean {
  return member.slots + member.alerter_slots > 0;
}

export type Action = "drain" | "undrain" | "cordon" | "uncordon" | "forget";

/** What can be asked of a member. A drain includes what a cordon does, so a drained one is only undrained. */
export function actions(member: Member): Action[] {
  const { drain = false, cordon = false } = member.intent ?? {};
  const list: Action[] = drain ? ["undrain"] : cordon ? ["uncordon", "drain"] : ["cordon", "drain"];
  if (member.here) return list;
  // Nothing more can be asked of one that is gone; what was asked of it can be taken back.
  return member.intent === null ? [] : ["forget"];
}

/** How full the bar of a load is: half is an even share, so members compare at a glance however many there are. */
export function barFill(share: number, here: number): number {
  const full = Math.min(1, 2 / Math.max(1, here));
  return Math.min(1, Math.max(0, share / full));
}

/** A placement group as a person would say it. */
export function groupWords(group: string): string {
  if (group === "notify") return "Alerters";
  if (group === "untagged") return "No tag";
  return group.replace(/^tag-/, "");
}

/** Groups in use: tables of tags that nothing asks for any more stay in the store and say nothing. */
export function groupsInUse(groups: readonly PlanGroup[]): PlanGroup[] {
  return groups.filter((g) => g.monitors > 0 || g.group === "notify");
}

/** Monitors that nobody may run, and for which groups. */
export function orphans(groups: readonly PlanGroup[]): { monitors: number; groups: string[] } {
  const left = groups.filter((g) => g.orphaned_monitors > 0);
  return {
    monitors: left.reduce((n, g) => n + g.orphaned_monitors, 0),
    groups: left.map((g) => g.group),
  };
}
