import { useId, useState } from "react";
import type { Problem } from "../../api/client";
import type { Field } from "../../lib/schema";
import { ProblemIcon } from "../Problems";
import { Input, Select, Textarea } from "../ui/input";

type Props = { field: Field; value: unknown; onChange: (next: unknown) => void; problems: readonly Problem[] };

/** One key: its name as it is written in a file, its control, what it is for, and what is wrong with it. */
export function FieldRow({ field, value, onChange, problems }: Props) {
  const id = useId();
  const hint = `${id}-hint`;
  const control = {
    id,
    "aria-describedby": hint,
    "aria-invalid": problems.length > 0,
  };
  return (
    <div className="grid gap-x-6 gap-y-1.5 md:grid-cols-[12rem_minmax(0,1fr)]" data-field={field.name}>
      <label htmlFor={id} className="font-medium md:pt-2">
        <code className="font-mono text-[0.8125rem]">{field.name}</code>
        {field.required && (
          <span className="text-critical" title="required">
            {" "}
            *<span className="sr-only"> required</span>
          </span>
        )}
      </label>
      <div className="grid gap-1.5">
        <Control field={field} value={value} onChange={onChange} attributes={control} />
        {problems.map((p) => (
          <p key={p.message} className="flex items-start gap-2">
            <ProblemIcon severity={p.severity} />
            <span>
              <span className="font-medium">{p.message}</span>
              {p.fix !== null && p.fix !== undefined && p.fix !== "" && <span className="text-ink-2"> · {p.fix}</span>}
            </span>
          </p>
        ))}
        <p id={hint} className="text-ink-3 text-xs empty:hidden">
          {field.description}
        </p>
      </div>
    </div>
  );
}

type ControlProps = {
  field: Field;
  value: unknown;
  onChange: (next: unknown) => void;
  attributes: { id: string; "aria-describedby": string; "aria-invalid": boolean };
};

function Control({ field, value, onChange, attributes }: ControlProps) {
  switch (field.kind) {
    case "flag":
      return (
        <span className="flex h-9 items-center">
          <input
            type="checkbox"
            className="size-4.5 accent-ink"
            {...attributes}
            checked={value === true}
            onChange={(e) => onChange(e.target.checked ? true : undefined)}
          />
        </span>
      );
    case "choice":
      return (
        <Select {...attributes} value={textOf(value)} onChange={(e) => onChange(e.target.value || undefined)}>
          <option value="">{field.placeholder === "" ? "not set" : `${field.placeholder} (default)`}</option>
          {field.choices.map((c) => (
            <option key={c} value={c}>
              {c}
            </option>
          ))}
        </Select>
      );
    case "number":
      return (
        <Input
          {...attributes}
          type="number"
          inputMode="numeric"
          className="max-w-48"
          min={field.minimum}
          max={field.maximum}
          step={field.integer ? 1 : "any"}
          placeholder={field.placeholder}
          value={textOf(value)}
          onChange={(e) => onChange(e.target.value === "" ? undefined : Number(e.target.value))}
        />
      );
    case "list":
      return (
        <TextForm
          attributes={attributes}
          value={value}
          onChange={onChange}
          rows={Array.isArray(value) ? Math.max(2, value.length) : 2}
          placeholder={field.placeholder === "" ? "one on each line" : field.placeholder}
          toText={(v) => (Array.isArray(v) ? v.map(textOf).join("\n") : textOf(v))}
          fromText={linesOf}
        />
      );
    case "map":
      return (
        <TextForm
          attributes={attributes}
          value={value}
          onChange={onChange}
          rows={Math.max(2, Object.keys(isMap(value) ? value : {}).length)}
          placeholder="name: value, one on each line"
          toText={(v) =>
            isMap(v)
              ? Object.entries(v)
                  .map(([k, x]) => `${k}: ${textOf(x)}`)
                  .join("\n")
              : ""
          }
          fromText={mapOf}
        />
      );
    case "json":
      return (
        <TextForm
          attributes={attributes}
          value={value}
          onChange={onChange}
          rows={4}
          placeholder="JSON"
          toText={(v) => (v === undefined ? "" : JSON.stringify(v, null, 2))}
          fromText={jsonOf}
        />
      );
    default:
      return (
        <Input
          {...attributes}
          type={field.secret ? "password" : "text"}
          autoComplete="off"
          spellCheck={false}
          placeholder={field.placeholder}
          value={textOf(value)}
          onChange={(e) => onChange(e.target.value === "" ? undefined : e.target.value)}
        />
      );
  }
}

type TextFormProps = {
  attributes: ControlProps["attributes"];
  value: unknown;
  onChange: (next: unknown) => void;
  rows: number;
  placeholder: string;
  toText: (value: unknown) => string;
  /** Throws for text that means nothing yet. */
  fromText: (text: string) => unknown;
};

/** A value typed as lines. The text is kept as typed, so that half a line is not taken away while typing. */
function TextForm({ attributes, value, onChange, rows, placeholder, toText, fromText }: TextFormProps) {
  const [text, setText] = useState(() => toText(value));
  const [broken, setBroken] = useState(false);
  return (
    <Textarea
      {...attributes}
      aria-invalid={attributes["aria-invalid"] || broken}
      rows={rows}
      spellCheck={false}
      placeholder={placeholder}
      className="font-mono text-xs leading-5"
      value={text}
      onChange={(e) => {
        setText(e.target.value);
        try {
          onChange(fromText(e.target.value));
          setBroken(false);
        } catch {
          setBroken(true);
        }
      }}
    />
  );
}

function linesOf(text: string): string[] | undefined {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.length === 0 ? undefined : lines;
}

function mapOf(text: string): Record<string, string> | undefined {
  const lines = linesOf(text);
  if (lines === undefined) return undefined;
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(":");
      if (at <= 0) throw new Error("a colon is needed");
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}

function jsonOf(text: string): unknown {
  return text.trim() === "" ? undefined : (JSON.parse(text) as unknown);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
