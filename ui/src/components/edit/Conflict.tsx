import { GitCompareArrows } from "lucide-react";
import type { Definition } from "../../api/monitors";
import { cn } from "../../lib/cn";
import { diffFields } from "../../lib/diff";
import { Button } from "../ui/button";

type Props = {
  base: Definition;
  theirs: Definition;
  mine: Definition;
  taken: boolean;
  onTheirs: () => void;
  onMine: () => void;
};

/** Somebody else wrote in the meantime: what they changed, what you changed, and the choice. */
export function Conflict({ base, theirs, mine, taken, onTheirs, onMine }: Props) {
  const their = new Map(diffFields(base, theirs).map((c) => [c.field, c]));
  const own = new Map(diffFields(base, mine).map((c) => [c.field, c]));
  const fields = [...new Set([...their.keys(), ...own.keys()])].sort();
  return (
    <section
      role="alert"
      aria-label="Conflict"
      className="overflow-hidden rounded-xl border border-warning/40 bg-panel"
    >
      <div className="flex items-start gap-3 bg-warning-soft p-4">
        <GitCompareArrows aria-hidden className="mt-0.5 size-5 shrink-0 text-warning" />
        <div>
          <h2 className="font-semibold text-base">
            {taken ? "This name is taken" : "Somebody saved another version while you were editing"}
          </h2>
          <p className="text-ink-2">Nothing was written. Both versions are still here.</p>
        </div>
      </div>
      {fields.length === 0 ? (
        <p className="p-4 text-ink-2">Both versions say the same.</p>
      ) : (
        <div className="overflow-x-auto">
          <table className="w-full text-left">
            <thead className="text-ink-3 text-xs">
              <tr>
                {["Field", "You read", "They saved", "You have"].map((word) => (
                  <th key={word} scope="col" className="border-b px-4 py-2 font-medium">
                    {word}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody className="font-mono text-xs">
              {fields.map((field) => (
                <tr key={field} className="align-top">
                  <th scope="row" className="border-b px-4 py-2 font-medium">
                    {field}
                  </th>
                  <Value of={their.get(field)?.before ?? own.get(field)?.before} />
                  <Value of={their.get(field)?.after} changed={their.has(field)} />
                  <Value of={own.get(field)?.after} changed={own.has(field)} />
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div className="flex flex-wrap justify-end gap-2 p-4">
        <Button onClick={onTheirs}>Take theirs, drop mine</Button>
        <Button look="danger" onClick={onMine}>
          Write mine over theirs
        </Button>
      </div>
    </section>
  );
}

function Value({ of, changed = true }: { of: unknown; changed?: boolean }) {
  return (
    <td className={cn("border-b px-4 py-2 [overflow-wrap:anywhere]", !changed && "text-ink-3")}>
      {changed ? (of === undefined ? "–" : JSON.stringify(of)) : "unchanged"}
    </td>
  );
}
