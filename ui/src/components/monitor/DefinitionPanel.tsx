import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Pencil } from "lucide-react";
import { useState } from "react";
import { definition } from "../../api/monitors";
import { toYaml } from "../../lib/yaml";
import { Code } from "../Code";
import { buttonClass } from "../ui/button";
import { Panel } from "../ui/panel";
import { Failure, Loading } from "../ui/states";
import { Segments } from "../ui/tabs";

type Props = { name: string; config: Record<string, unknown> | undefined };

/** The definition as it is stored, ready to be copied into a file. */
export function DefinitionPanel({ name, config }: Props) {
  const [form, setForm] = useState("yaml");
  const stored = useQuery(definition("monitor", name));
  const shown = stored.data?.definition ?? config;
  return (
    <Panel
      flush
      title="Definition"
      aside={
        <Link to="/monitors/$name/edit" params={{ name }} className={buttonClass("ghost", "sm")}>
          <Pencil aria-hidden />
          Edit
        </Link>
      }
    >
      {shown !== undefined ? (
        <>
          <div className="px-4 pt-3">
            <Segments
              label="Form"
              value={form}
              onChange={setForm}
              options={[
                { value: "yaml", label: "YAML" },
                { value: "json", label: "JSON" },
              ]}
            />
          </div>
          <Code
            label={`Definition of ${name}`}
            text={form === "yaml" ? toYaml({ monitor: { [name]: shown } }) : `${JSON.stringify(shown, null, 2)}\n`}
          />
        </>
      ) : stored.error === null ? (
        <Loading rows={5} />
      ) : (
        <Failure error={stored.error} onRetry={() => void stored.refetch()} />
      )}
    </Panel>
  );
}
