import { ArrowRightFromLine, Ban, CloudOff, Crown, LogOut, ServerCrash, ServerOff } from "lucide-react";
import type { Member } from "../../api/cluster";
import { cn } from "../../lib/cn";
import { type Condition, conditions } from "../../lib/member";

const LOOKS: Record<Condition, { icon: typeof Crown; look: string; title: string }> = {
  director: { icon: Crown, look: "bg-accent-soft text-accent", title: "It decides which member judges what" },
  gone: { icon: ServerOff, look: "bg-pending-soft text-pending", title: "No such member is here now" },
  unreachable: {
    icon: CloudOff,
    look: "bg-warning-soft text-warning",
    title: "It does not answer the member that gives you this page",
  },
  unfit: {
    icon: ServerCrash,
    look: "bg-critical-soft text-critical",
    title: "It says that it should be given nothing",
  },
  leaving: { icon: LogOut, look: "bg-pending-soft text-pending", title: "It is about to stop" },
  draining: {
    icon: ArrowRightFromLine,
    look: "bg-warning-soft text-warning",
    title: "It is drained, and holds what no other member may run, or what is still moving",
  },
  drained: {
    icon: ArrowRightFromLine,
    look: "bg-pending-soft text-pending",
    title: "It was drained and holds nothing",
  },
  cordoned: {
    icon: Ban,
    look: "bg-pending-soft text-pending",
    title: "It keeps what it has, and is given nothing more",
  },
};

/** What is true of a member, beside its name. */
export function MemberFlags({ member, unreachable }: { member: Member; unreachable: readonly string[] }) {
  return conditions(member, unreachable).map((condition) => {
    const { icon: Icon, look, title } = LOOKS[condition];
    return (
      <span
        key={condition}
        title={condition === "unfit" ? `${title}: ${member.unfit}` : title}
        className={cn("inline-flex h-5 shrink-0 items-center gap-1 rounded px-1.5 font-medium text-2xs", look)}
      >
        <Icon aria-hidden className="size-3" />
        {condition}
      </span>
    );
  });
}
