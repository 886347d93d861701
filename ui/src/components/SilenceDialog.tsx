import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { ApiError } from "../api/client";
import { createSilence, type Matcher, type MatcherField, type MatcherOp } from "../api/silences";
import { rememberAuthor, rememberedAuthor } from "../lib/author";
import { count } from "../lib/numbers";
import { parseDuration } from "../lib/time";
import { Problems } from "./Problems";
import { Button } from "./ui/button";
import { Dialog, DialogBody, DialogFooter } from "./ui/dialog";
import { Input, Labelled, Select } from "./ui/input";
import { Segments } from "./ui/tabs";
import { toast } from "./ui/toast";

const DURATIONS = ["30m", "1h", "4h", "8h", "1d", "1w"] as const;
const OPS: { value: MatcherOp; word: string }[] = [
  { value: "=", word: "is" },
  { value: "!=", word: "is not" },
  { value: "glob", word: "is like" },
  { value: "=~", word: "matches regex" },
  { value: "!~", word: "does not match regex" },
];

type Row = Matcher & { id: number };
type Props = { matchers: readonly Matcher[]; onClose: () => void };

/** Mutes notifications of what matches, for a time. Checks go on, and what happens is recorded. */
export function SilenceDialog({ matchers, onClose }: Props) {
  const id = useId();
  const queries = useQueryClient();
  const [rows, setRows] = useState<Row[]>(() => matchers.map((m, i) => ({ ...m, id: i })));
  const [duration, setDuration] = useState<string>("1h");
  const [author, setAuthor] = useState(rememberedAuthor);
  const [comment, setComment] = useState("");
  const creation = useMutation({
    mutationFn: () =>
      createSilence({
        matchers: rows.map(({ field, op, value }) => ({ field, op, value })),
        duration,
        author,
        comment,
      }),
    onSuccess: async (made) => {
      rememberAuthor(author);
      toast("done", `Silenced for ${duration}: ${count(made.matches, "monitor matches", "monitors match")} now`);
      onClose();
      await queries.invalidateQueries();
    },
  });
  const valid = rows.length > 0 && rows.every((r) => r.value.trim() !== "") && parseDuration(duration) !== null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (valid) creation.mutate();
  };
  const change = (at: number, part: Partial<Matcher>) =>
    setRows(rows.map((r) => (r.id === at ? { ...r, ...part } : r)));
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Silence"
      description="Checks go on and are recorded; nobody is told until it ends."
      wide
    >
      <form onSubmit={submit} className="flex min-h-0 flex-col">
        <DialogBody>
          <fieldset className="grid gap-2">
            <legend className="mb-1.5 font-medium">Monitors whose…</legend>
            {rows.map((row) => (
              <div key={row.id} className="grid grid-cols-[1fr_1.2fr_auto] gap-2 sm:grid-cols-[6rem_10rem_1fr_auto]">
                <Select
                  aria-label="Field"
                  value={row.field}
                  onChange={(e) => change(row.id, { field: e.target.value as MatcherField })}
                >
                  <option value="name">name</option>
                  <option value="tag">tag</option>
                  <option value="type">kind</option>
                </Select>
                <Select
                  aria-label="Comparison"
                  value={row.op}
                  onChange={(e) => change(row.id, { op: e.target.value as MatcherOp })}
                >
                  {OPS.map((o) => (
                    <option key={o.value} value={o.value}>
                      {o.word}
                    </option>
                  ))}
                </Select>
                <Input
                  aria-label="Value"
                  className="font-mono max-sm:order-last max-sm:col-span-3"
                  value={row.value}
                  placeholder={row.op === "glob" ? "web-*" : ""}
                  onChange={(e) => change(row.id, { value: e.target.value })}
                />
                <Button
                  look="ghost"
                  size="icon"
                  aria-label="Remove this condition"
                  disabled={rows.length === 1}
                  onClick={() => setRows(rows.filter((r) => r.id !== row.id))}
                >
                  <X aria-hidden />
                </Button>
              </div>
            ))}
            <div>
              <Button
                look="ghost"
                size="sm"
                onClick={() =>
                  setRows([...rows, { id: Math.max(...rows.map((r) => r.id)) + 1, field: "tag", op: "=", value: "" }])
                }
              >
                <Plus aria-hidden />
                And…
              </Button>
            </div>
          </fieldset>
          <fieldset className="grid gap-2">
            <legend className="mb-1.5 font-medium">For</legend>
            <div className="flex flex-wrap items-center gap-2">
              <Segments
                label="Duration"
                value={duration}
                onChange={setDuration}
                options={DURATIONS.map((d) => ({ value: d, label: d }))}
              />
              <Input
                aria-label="Another duration"
                placeholder="90m"
                className="w-28"
                value={duration}
                aria-invalid={parseDuration(duration) === null}
                onChange={(e) => setDuration(e.target.value)}
              />
            </div>
          </fieldset>
          <Labelled id={`${id}-comment`} label="Why">
            <Input
              id={`${id}-comment`}
              value={comment}
              placeholder="Planned work, known cause, ticket"
              onChange={(e) => setComment(e.target.value)}
            />
          </Labelled>
          <Labelled id={`${id}-author`} label="Who you are">
            <Input
              id={`${id}-author`}
              value={author}
              autoComplete="username"
              onChange={(e) => setAuthor(e.target.value)}
            />
          </Labelled>
          {creation.error !== null && (
            <div role="alert" className="grid gap-2">
              <p className="text-critical">{creation.error.message}</p>
              {creation.error instanceof ApiError && <Problems problems={creation.error.problems} />}
            </div>
          )}
        </DialogBody>
        <DialogFooter>
          <Button look="ghost" onClick={onClose}>
            Cancel
          </Button>
          <Button look="primary" type="submit" disabled={!valid || creation.isPending}>
            Silence for {duration}
          </Button>
        </DialogFooter>
      </form>
    </Dialog>
  );
}
