import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ListFilter, Search, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { kinds } from "../../api/kinds";
import { overview } from "../../api/overview";
import type { StateFilter, Status } from "../../api/state";
import { cn } from "../../lib/cn";
import { whole } from "../../lib/numbers";
import { splitList, toggleInList } from "../../lib/search";
import { STATUS_WORD } from "../../lib/status";
import { StatusIcon } from "../StatusMark";
import { Button } from "../ui/button";
import { Input, Labelled, Select } from "../ui/input";
import { Popover } from "../ui/popover";
import { Segments } from "../ui/tabs";

const TYPING_MS = 180;
const STATUSES: Status[] = ["critical", "warning", "pending", "ok"];
const FLAGS = ["silenced", "disabled", "unwatched", "orphaned", "invalid", "broken", "unreachable"] as const;
const SORTS = [
  ["", "Worst first"],
  ["name", "Name"],
  ["since", "Oldest status first"],
  ["-since", "Newest status first"],
  ["took", "Fastest first"],
  ["-took", "Slowest first"],
] as const;

/** Filters are the address: each control reads it and writes it, and nothing is kept beside it. */
export function Filters({ filter }: { filter: StateFilter }) {
  const navigate = useNavigate({ from: "/monitors" });
  const set = (change: Partial<StateFilter>) =>
    void navigate({ to: "/monitors", search: (old: StateFilter) => ({ ...old, ...change }), replace: true });
  return (
    <div className="grid grid-cols-1 gap-2.5">
      <div className="flex flex-wrap items-center gap-2">
        <SearchBox value={filter.q ?? ""} onChange={(q) => set({ q: q === "" ? undefined : q })} />
        <StatusChips filter={filter} set={set} />
        <MoreFilters filter={filter} set={set} />
      </div>
      <Active filter={filter} set={set} />
    </div>
  );
}

type Part = { filter: StateFilter; set: (change: Partial<StateFilter>) => void };

function SearchBox({ value, onChange }: { value: string; onChange: (q: string) => void }) {
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  const box = useRef<HTMLInputElement>(null);
  const change = useRef(onChange);
  change.current = onChange;
  // The address may change without this box: by the back button, or a link.
  if (value !== seen) {
    setSeen(value);
    setText(value);
  }
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => change.current(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, value]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      box.current?.focus();
      box.current?.select();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return (
    <div className="relative min-w-40 flex-1 md:max-w-80">
      <Search aria-hidden className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-ink-3" />
      <Input
        ref={box}
        type="search"
        aria-label="Filter by name or description"
        aria-keyshortcuts="/"
        placeholder="Name or description"
        value={text}
        onChange={(event) => setText(event.target.value)}
        className="pl-8.5 [&::-webkit-search-cancel-button]:hidden"
      />
      {text === "" ? (
        <kbd className="pointer-events-none absolute top-2 right-2 rounded border px-1.5 text-2xs text-ink-3 max-md:hidden">
          /
        </kbd>
      ) : (
        <button
          type="button"
          aria-label="Clear the text"
          onClick={() => setText("")}
          className="absolute top-1.5 right-1.5 rounded p-1 text-ink-3 hover:text-ink"
        >
          <X className="size-4" />
        </button>
      )}
    </div>
  );
}

function StatusChips({ filter, set }: Part) {
  const counts = useQuery(overview).data?.monitors;
  const chosen = splitList(filter.status);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out inline in all browsers.
    <div
      role="group"
      aria-label="Status"
      className="flex gap-1.5 max-sm:order-last max-sm:w-full max-sm:overflow-x-auto"
    >
      {STATUSES.map((status) => {
        const on = chosen.includes(status);
        return (
          <button
            key={status}
            type="button"
            aria-pressed={on}
            onClick={() => set({ status: toggleInList(filter.status, status) })}
            className={cn(
              "inline-flex h-9 shrink-0 items-center gap-1.5 rounded-md border px-2.5 whitespace-nowrap",
              on ? "border-ink bg-ink text-panel" : "border-line-strong bg-panel text-ink-2 hover:text-ink",
            )}
          >
            <StatusIcon status={status} className={cn(on && "text-current")} />
            {STATUS_WORD[status]}
            {counts !== undefined && (
              <span className={cn("text-xs", on ? "opacity-75" : "text-ink-3")}>{whole(counts[status])}</span>
            )}
          </button>
        );
      })}
    </div>
  );
}

function MoreFilters({ filter, set }: Part) {
  const names = useQuery(kinds).data?.monitors.map((k) => k.kind) ?? [];
  const [tags, setTags] = useState(filter.tags ?? "");
  const active = [filter.type, filter.tags, ...FLAGS.map((f) => filter[f])].filter((v) => v !== undefined).length;
  return (
    <Popover
      label="More filters"
      trigger={
        <Button>
          <ListFilter aria-hidden />
          <span className="max-sm:sr-only">Filters</span>
          {active > 0 && <span className="rounded bg-ink px-1.5 text-panel text-xs">{active}</span>}
        </Button>
      }
    >
      <div className="grid gap-4">
        <Labelled id="filter-sort" label="Order">
          <Select
            id="filter-sort"
            value={filter.sort ?? ""}
            onChange={(event) => set({ sort: event.target.value === "" ? undefined : event.target.value })}
          >
            {SORTS.map(([value, word]) => (
              <option key={value} value={value}>
                {word}
              </option>
            ))}
          </Select>
        </Labelled>
        <fieldset className="grid gap-1.5">
          <legend className="mb-1.5 font-medium">Kind</legend>
          <div className="flex flex-wrap gap-x-4 gap-y-1.5">
            {names.map((name) => (
              <label key={name} className="inline-flex items-center gap-1.5">
                <input
                  type="checkbox"
                  className="size-4 accent-ink"
                  checked={splitList(filter.type).includes(name)}
                  onChange={() => set({ type: toggleInList(filter.type, name) })}
                />
                {name}
              </label>
            ))}
          </div>
        </fieldset>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            set({ tags: splitList(tags).join(",") || undefined });
          }}
        >
          <Labelled id="filter-tags" label="Tags" hint="Several with commas; any of them matches. Enter applies.">
            <Input id="filter-tags" value={tags} placeholder="prod, web" onChange={(e) => setTags(e.target.value)} />
          </Labelled>
        </form>
        {FLAGS.map((flag) => (
          <div key={flag} className="flex items-center justify-between gap-3">
            <span className="capitalize">{flag}</span>
            <Segments
              label={flag}
              value={filter[flag] ?? ""}
              onChange={(value) => set({ [flag]: value === "" ? undefined : value })}
              options={[
                { value: "", label: "Any" },
                { value: "true", label: "Only" },
                { value: "false", label: "Hide" },
              ]}
            />
          </div>
        ))}
      </div>
    </Popover>
  );
}

/** What is filtered beyond the text and the statuses, in words, each with its way out. */
function Active({ filter, set }: Part) {
  const chips: { key: string; word: string; clear: Partial<StateFilter> }[] = [
    ...splitList(filter.type).map((t) => ({
      key: `type-${t}`,
      word: `kind ${t}`,
      clear: { type: toggleInList(filter.type, t) },
    })),
    ...splitList(filter.tags).map((t) => ({
      key: `tag-${t}`,
      word: `tag ${t}`,
      clear: { tags: toggleInList(filter.tags, t) },
    })),
    ...FLAGS.filter((f) => filter[f] !== undefined).map((f) => ({
      key: f,
      word: filter[f] === "false" ? `not ${f}` : `only ${f}`,
      clear: { [f]: undefined },
    })),
  ];
  if (chips.length === 0) return null;
  return (
    <ul aria-label="Active filters" className="flex flex-wrap gap-1.5">
      {chips.map((chip) => (
        <li key={chip.key}>
          <button
            type="button"
            onClick={() => set(chip.clear)}
            className="inline-flex h-6 items-center gap-1 rounded-md bg-accent-soft px-2 text-accent text-xs"
          >
            {chip.word}
            <X aria-label="remove" className="size-3" />
          </button>
        </li>
      ))}
    </ul>
  );
}
