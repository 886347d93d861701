import { useMemo } from "react";
import type { Problem } from "../../api/client";
import type { Kind } from "../../api/kinds";
import type { Definition } from "../../api/monitors";
import { concerns, fieldsOf, groupFields } from "../../lib/schema";
import { Labelled, Select } from "../ui/input";
import { Panel } from "../ui/panel";
import { FieldRow } from "./FieldRow";

type Props = {
  kinds: readonly Kind[];
  value: Definition;
  onChange: (next: Definition) => void;
  problems: readonly Problem[];
};

/** A form drawn from the kind's schema. A kind that the server learns tomorrow has its form tomorrow. */
export function KindForm({ kinds, value, onChange, problems }: Props) {
  const type = typeof value.type === "string" ? value.type : "";
  const kind = kinds.find((k) => k.kind === type);
  const fields = useMemo(
    () => (kind === undefined ? [] : fieldsOf(kind.schema).filter((f) => f.name !== "type")),
    [kind],
  );
  const known = new Set(["type", ...fields.map((f) => f.name)]);
  const strange = Object.keys(value).filter((key) => !known.has(key));
  const set = (name: string, next: unknown) => {
    const { [name]: _old, ...rest } = value;
    onChange(next === undefined ? rest : { ...value, [name]: next });
  };
  return (
    <>
      <Panel>
        <Labelled id="kind" label="Kind" hint={kind?.summary}>
          <Select id="kind" value={type} onChange={(e) => onChange({ ...value, type: e.target.value })}>
            {kind === undefined && <option value={type}>{type === "" ? "choose a kind" : `${type} (unknown)`}</option>}
            {kinds.map((k) => (
              <option key={k.kind} value={k.kind}>
                {k.kind}
              </option>
            ))}
          </Select>
        </Labelled>
      </Panel>
      {groupFields(fields).map((group) => (
        <Panel key={group.title} title={group.title}>
          <div className="grid gap-5">
            {group.fields.map((field) => (
              <FieldRow
                key={`${type}-${field.name}`}
                field={field}
                value={value[field.name]}
                onChange={(next) => set(field.name, next)}
                problems={problems.filter((p) => concerns(p, field.name))}
              />
            ))}
          </div>
        </Panel>
      ))}
      {strange.length > 0 && kind !== undefined && (
        <p className="text-ink-2">
          Also set, and not known to this kind: <code className="font-mono text-xs">{strange.join(", ")}</code>. They
          stay as they are; the JSON view shows them.
        </p>
      )}
    </>
  );
}
