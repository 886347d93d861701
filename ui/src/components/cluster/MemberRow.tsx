import type { ReactNode } from "react";
import type { Member } from "../../api/cluster";
import { cn } from "../../lib/cn";
import { count } from "../../lib/numbers";
import { Tag } from "../Tag";
import { Ago, Since } from "../Time";
import { LoadBar } from "./LoadBar";
import { MemberActions } from "./MemberActions";
import { MemberFlags } from "./MemberFlags";

type Props = {
  member: Member;
  /** How many members share the work. */
  here: number;
  unreachable: readonly string[];
  /** On a store of its own a member has nobody to give anything to. */
  shared: boolean;
};

/** One member: who it is, how it stands, what it holds, and what can be asked of it. */
export function MemberRow({ member: m, here, unreachable, shared }: Props) {
  return (
    <li
      data-member={m.id}
      className={cn(
        "grid items-center gap-x-6 gap-y-2.5 px-4 py-3.5 md:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)_minmax(11rem,1.1fr)]",
        shared && "lg:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)_minmax(11rem,1.1fr)_10rem]",
      )}
    >
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-1.5">
          <span className="mr-1 font-semibold [overflow-wrap:anywhere]">{m.id}</span>
          <MemberFlags member={m} unreachable={unreachable} />
        </p>
        <p className="mt-0.5 text-ink-2 [overflow-wrap:anywhere]">{place(m)}</p>
        <Condition member={m} />
      </div>
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-1">
          {m.tags.length === 0 ? (
            <span className="text-ink-3">no tags</span>
          ) : (
            m.tags.map((tag) => <Tag key={tag}>{tag}</Tag>)
          )}
        </p>
        <p className="mt-0.5 text-ink-3 text-xs">
          {m.intent?.weight == null ? `weight ${m.weight}` : `weight ${m.weight}, as wanted`}
          {m.kinds.length > 0 && ` · only ${m.kinds.join(", ")}`}
        </p>
      </div>
      <div className="min-w-0">
        <LoadBar share={m.load_share} here={here} />
        <p className="mt-0.5 text-ink-3 text-xs">{count(m.monitors, "monitor")}</p>
      </div>
      {shared && (
        <div className="flex flex-wrap gap-2 md:col-span-3 lg:col-span-1 lg:justify-end">
          <MemberActions member={m} />
        </div>
      )}
    </li>
  );
}

/** Host, address, version, age: what is known of it. */
function place(m: Member): ReactNode {
  const parts = [m.hostname, m.address, m.version].filter((part) => part !== null);
  if (parts.length === 0) return "known by name only";
  return (
    <>
      {parts.join(" · ")}
      {m.started !== null && (
        <>
          {" "}
          · up <Since at={m.started} />
        </>
      )}
    </>
  );
}

/** Why it stands so, since when, and who wanted it. */
function Condition({ member: m }: { member: Member }) {
  const wanted = m.intent?.drain === true ? "drain" : m.intent?.cordon === true ? "cordon" : null;
  return (
    <>
      {m.unfit !== null && <p className="mt-0.5 text-critical [overflow-wrap:anywhere]">{m.unfit}</p>}
      {wanted !== null && (
        <p className="mt-0.5 text-ink-3 text-xs">
          {wanted} asked for <Ago at={m.intent?.at} />
          {m.intent?.by !== "" && ` by ${m.intent?.by}`}
        </p>
      )}
    </>
  );
}
