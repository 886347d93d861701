import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { forget, type Member, wish } from "../../api/cluster";
import { rememberAuthor, rememberedAuthor } from "../../lib/author";
import type { Action } from "../../lib/member";
import { count } from "../../lib/numbers";
import { Button } from "../ui/button";
import { Dialog, DialogBody, DialogFooter } from "../ui/dialog";
import { Input, Labelled } from "../ui/input";
import { toast } from "../ui/toast";

type Words = { title: string; means: (member: Member) => string; button: string; done: string };

const WORDS: Record<Action, Words> = {
  drain: {
    title: "Drain",
    means: (m) =>
      `All that it judges (${count(m.monitors, "monitor")}) goes to other members at once; what no other may run stays and runs on. It is given nothing until it is undrained, also after a restart.`,
    button: "Drain",
    done: "is being drained",
  },
  undrain: {
    title: "Undrain",
    means: () => "It gets its share of the monitors back.",
    button: "Undrain",
    done: "is no longer drained",
  },
  cordon: {
    title: "Cordon",
    means: (m) =>
      `It keeps what it has (${count(m.monitors, "monitor")}) and is given nothing more until it is uncordoned, also after a restart.`,
    button: "Cordon",
    done: "is cordoned",
  },
  uncordon: {
    title: "Uncordon",
    means: () => "It may be given monitors again.",
    button: "Uncordon",
    done: "is no longer cordoned",
  },
  forget: {
    title: "Forget",
    means: () => "It is gone. What was wanted of it is removed, so that it would begin anew if it came back.",
    button: "Forget",
    done: "is forgotten",
  },
};

function perform(action: Action, id: string, by: string): Promise<void> {
  if (action === "forget") return forget(id);
  const on = action === "drain" || action === "cordon";
  return wish(id, action === "drain" || action === "undrain" ? "drain" : "cordon", on, by);
}

/** Says what will happen, and asks. */
export function ActionDialog({ member, action, onClose }: { member: Member; action: Action; onClose: () => void }) {
  const id = useId();
  const words = WORDS[action];
  const signed = action === "drain" || action === "cordon";
  const queries = useQueryClient();
  const [by, setBy] = useState(rememberedAuthor);
  const doing = useMutation({
    mutationFn: () => perform(action, member.id, by),
    onSuccess: async () => {
      if (signed) rememberAuthor(by);
      toast("done", `${member.id} ${words.done}`);
      onClose();
      await queries.invalidateQueries({ queryKey: ["cluster"] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    doing.mutate();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`${words.title} ${member.id}?`}
      description={words.means(member)}
    >
      <form onSubmit={submit} className="flex min-h-0 flex-col">
        {(signed || doing.error !== null) && (
          <DialogBody>
            {signed && (
              <Labelled id={`${id}-by`} label="Who you are">
                <Input id={`${id}-by`} value={by} autoComplete="username" onChange={(e) => setBy(e.target.value)} />
              </Labelled>
            )}
            {doing.error !== null && (
              <p role="alert" className="text-critical">
                {doing.error.message}
              </p>
            )}
          </DialogBody>
        )}
        <DialogFooter>
          <Button look="ghost" onClick={onClose}>
            Cancel
          </Button>
          <Button look="primary" type="submit" disabled={doing.isPending}>
            {words.button}
          </Button>
        </DialogFooter>
      </form>
    </Dialog>
  );
}
