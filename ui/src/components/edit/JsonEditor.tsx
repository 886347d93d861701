import { useState } from "react";
import type { Definition } from "../../api/monitors";
import { Textarea } from "../ui/input";
import { Panel } from "../ui/panel";

type Props = { value: Definition; onChange: (next: Definition) => void; onBroken: (broken: boolean) => void };

/** The definition as text. Text that is not JSON stays as typed and is said to be so; it is never sent. */
export function JsonEditor({ value, onChange, onBroken }: Props) {
  const [text, setText] = useState(() => JSON.stringify(value, null, 2));
  const [error, setError] = useState<string | null>(null);
  const edit = (next: string) => {
    setText(next);
    try {
      const parsed: unknown = JSON.parse(next);
      if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
        throw new Error("an object is needed");
      setError(null);
      onChange(parsed as Definition);
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
      onBroken(true);
    }
  };
  return (
    <Panel>
      <Textarea
        aria-label="Definition as JSON"
        aria-invalid={error !== null}
        aria-describedby="json-error"
        spellCheck={false}
        rows={Math.min(36, Math.max(14, text.split("\n").length + 1))}
        className="font-mono text-xs leading-5"
        value={text}
        onChange={(event) => edit(event.target.value)}
      />
      <p id="json-error" role="status" className="mt-2 text-critical">
        {error === null ? "" : `Not JSON yet: ${error}`}
      </p>
    </Panel>
  );
}
