import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useBlocker, useNavigate } from "@tanstack/react-router";
import { Save } from "lucide-react";
import { type FormEvent, useRef, useState } from "react";
import { ApiError, type Problem } from "../../api/client";
import type { Kind } from "../../api/kinds";
import { type Definition, load, type Resource, type Saved, type Stored, save } from "../../api/monitors";
import { Page } from "../Page";
import { Problems } from "../Problems";
import { Button, buttonClass } from "../ui/button";
import { Input, Labelled } from "../ui/input";
import { Panel } from "../ui/panel";
import { Segments } from "../ui/tabs";
import { toast } from "../ui/toast";
import { Conflict } from "./Conflict";
import { JsonEditor } from "./JsonEditor";
import { KindForm } from "./KindForm";

type Props = {
  resource: Resource;
  /** Null for a new one. */
  name: string | null;
  start: Definition;
  etag: string | null;
  kinds: readonly Kind[];
};

/** Writes a definition, over the revision that was read and no other. */
export function Editor({ resource, name: fixedName, start, etag: startTag, kinds }: Props) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [name, setName] = useState(fixedName ?? "");
  const [base, setBase] = useState<Stored>({ definition: start, etag: startTag });
  const [draft, setDraft] = useState<Definition>(start);
  const [mode, setMode] = useState("form");
  const [broken, setBroken] = useState(false);
  const [conflict, setConflict] = useState<Stored | null>(null);
  const leaving = useRef(false);
  const dirty = JSON.stringify(draft) !== JSON.stringify(base.definition);
  useBlocker({
    shouldBlockFn: () => !leaving.current && dirty && !window.confirm("Leave without saving?"),
    enableBeforeUnload: () => !leaving.current && dirty,
  });

  const done = async (saved: Saved) => {
    leaving.current = true;
    const warnings = saved.warnings ?? [];
    toast("done", warnings.length === 0 ? `${name} is saved` : `${name} is saved, with ${warnings.length} to look at`);
    await queries.invalidateQueries();
    if (resource === "monitor") await navigate({ to: "/monitors/$name", params: { name } });
    else await navigate({ to: "/alerters" });
  };
  const writing = useMutation({
    mutationFn: (over: string | null) => save(resource, name, draft, over),
    onSuccess: done,
    onError: async (error) => {
      if (!(error instanceof ApiError) || error.status !== 412) return;
      setConflict(await load(resource, name).catch(() => null));
    },
  });
  const problems = writing.error instanceof ApiError ? writing.error.problems : [];
  const blocked = broken || name.trim() === "" || writing.isPending;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setConflict(null);
    if (!blocked) writing.mutate(base.etag);
  };
  const change = (next: Definition) => {
    setDraft(next);
    setBroken(false);
  };
  return (
    <Page
      title={fixedName === null ? `New ${resource}` : `Edit ${fixedName}`}
      actions={
        <>
          <Segments
            label="Way of editing"
            value={mode}
            onChange={(next) => !broken && setMode(next)}
            options={[
              { value: "form", label: "Form" },
              { value: "json", label: "JSON" },
            ]}
          />
          <Link
            {...(fixedName !== null && resource === "monitor"
              ? { to: "/monitors/$name", params: { name: fixedName } }
              : { to: resource === "monitor" ? "/monitors" : "/alerters" })}
            className={buttonClass("ghost")}
          >
            Cancel
          </Link>
          <Button look="primary" type="submit" form="definition" disabled={blocked}>
            <Save aria-hidden />
            Save
          </Button>
        </>
      }
    >
      {conflict !== null ? (
        <Conflict
          base={base.definition}
          theirs={conflict.definition}
          mine={draft}
          onTheirs={() => {
            setBase(conflict);
            change(conflict.definition);
            setConflict(null);
            writing.reset();
          }}
          onMine={() => {
            setBase(conflict);
            setConflict(null);
            writing.mutate(conflict.etag);
          }}
          taken={fixedName === null}
        />
      ) : (
        writing.error !== null && <Refusal error={writing.error} problems={problems} />
      )}
      <form id="definition" onSubmit={submit} className="grid gap-5">
        {fixedName === null && (
          <Panel>
            <Labelled
              id="name"
              label="Name"
              hint="The identity: incidents and silences refer to it, and it is not changed later."
            >
              <Input
                id="name"
                required
                autoFocus
                autoComplete="off"
                spellCheck={false}
                value={name}
                placeholder={resource === "monitor" ? "web-frontend" : "ops"}
                onChange={(e) => setName(e.target.value)}
              />
            </Labelled>
          </Panel>
        )}
        {mode === "form" ? (
          <KindForm kinds={kinds} value={draft} onChange={change} problems={problems} />
        ) : (
          <JsonEditor value={draft} onChange={change} onBroken={setBroken} />
        )}
      </form>
    </Page>
  );
}

/** What the server said, with the problems that no field shows. */
function Refusal({ error, problems }: { error: Error; problems: readonly Problem[] }) {
  return (
    <div role="alert" className="grid gap-2">
      <p className="font-medium text-critical">
        {error instanceof ApiError && error.status === 412
          ? "It has changed since it was read, or the name is taken."
          : error.message}
      </p>
      <Problems problems={problems} />
    </div>
  );
}
