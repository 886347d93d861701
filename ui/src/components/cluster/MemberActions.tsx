import { useState } from "react";
import type { Member } from "../../api/cluster";
import { type Action, actions } from "../../lib/member";
import { Button } from "../ui/button";
import { ActionDialog } from "./ActionDialog";

export const ACTION_WORD: Record<Action, string> = {
  drain: "Drain",
  undrain: "Undrain",
  cordon: "Cordon",
  uncordon: "Uncordon",
  forget: "Forget",
};

/** What can be asked of a member; nothing is done before it is confirmed. */
export function MemberActions({ member }: { member: Member }) {
  const [asked, setAsked] = useState<Action>();
  return (
    <>
      {actions(member).map((action) => (
        <Button
          key={action}
          size="sm"
          aria-label={`${ACTION_WORD[action]} ${member.id}`}
          onClick={() => setAsked(action)}
        >
          {ACTION_WORD[action]}
        </Button>
      ))}
      {asked !== undefined && <ActionDialog member={member} action={asked} onClose={() => setAsked(undefined)} />}
    </>
  );
}
