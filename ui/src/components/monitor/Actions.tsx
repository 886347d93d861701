import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { BellOff, CopyPlus, Ellipsis, Pause, Pencil, Play, Power, Trash2 } from "lucide-react";
import { useState } from "react";
import { remove, setDisabled } from "../../api/monitors";
import type { MonitorDetail } from "../../api/state";
import { SilenceDialog } from "../SilenceDialog";
import { Button } from "../ui/button";
import { Dialog, DialogBody, DialogFooter } from "../ui/dialog";
import { Menu, MenuItem } from "../ui/menu";
import { toast } from "../ui/toast";
import { RunNow } from "./RunNow";

/** What can be done about a monitor. */
export function Actions({ state }: { state: MonitorDetail }) {
  const name = state.check;
  const queries = useQueryClient();
  const [dialog, setDialog] = useState<"run" | "silence" | "delete" | null>(null);
  const close = () => setDialog(null);
  const toggle = useMutation({
    mutationFn: () => setDisabled(name, !state.disabled),
    onSuccess: async () => {
      toast("done", state.disabled ? `${name} is checked again` : `${name} is disabled`);
      await queries.invalidateQueries();
    },
    onError: (error) => toast("failed", error.message),
  });
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Button look="primary" onClick={() => setDialog("run")}>
        <Play aria-hidden />
        Run now
      </Button>
      <Button onClick={() => setDialog("silence")}>
        <BellOff aria-hidden />
        Silence
      </Button>
      <Button disabled={toggle.isPending} onClick={() => toggle.mutate()}>
        {state.disabled ? <Power aria-hidden /> : <Pause aria-hidden />}
        {state.disabled ? "Enable" : "Disable"}
      </Button>
      <Menu
        trigger={
          <Button size="icon" aria-label="More actions">
            <Ellipsis aria-hidden />
          </Button>
        }
      >
        <MenuItem asChild>
          <Link to="/monitors/$name/edit" params={{ name }}>
            <Pencil aria-hidden />
            Edit
          </Link>
        </MenuItem>
        <MenuItem asChild>
          <Link to="/new" search={{ from: name }}>
            <CopyPlus aria-hidden />
            Copy to a new one
          </Link>
        </MenuItem>
        <MenuItem danger onSelect={() => setDialog("delete")}>
          <Trash2 aria-hidden />
          Remove
        </MenuItem>
      </Menu>
      {dialog === "run" && <RunNow name={name} onClose={close} />}
      {dialog === "silence" && <SilenceDialog matchers={[{ field: "name", op: "=", value: name }]} onClose={close} />}
      {dialog === "delete" && <RemoveDialog name={name} etag={state.etag} onClose={close} />}
    </div>
  );
}

type RemoveProps = { name: string; etag: string | null; onClose: () => void };

function RemoveDialog({ name, etag, onClose }: RemoveProps) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const removal = useMutation({
    mutationFn: () => remove("monitor", name, etag),
    onSuccess: async () => {
      toast("done", `${name} is removed`);
      await navigate({ to: "/monitors" });
      await queries.invalidateQueries();
    },
  });
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Remove ${name}?`}
      description="Its checks stop, and an open incident is closed with a resolve to whoever was told."
    >
      <DialogBody>
        <p className="text-ink-2">
          A monitor that comes from a directory of definitions returns with the next sync of that directory.
        </p>
        {removal.error !== null && (
          <p role="alert" className="text-critical">
            {removal.error.message}
          </p>
        )}
      </DialogBody>
      <DialogFooter>
        <Button look="ghost" onClick={onClose}>
          Keep it
        </Button>
        <Button look="danger" disabled={removal.isPending} onClick={() => removal.mutate()}>
          Remove
        </Button>
      </DialogFooter>
    </Dialog>
  );
}
