import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useCallback, useState } from "react";
import { Filters } from "../components/monitors/Filters";
import { MonitorTable } from "../components/monitors/MonitorTable";
import { PageHead } from "../components/Page";
import { buttonClass } from "../components/ui/button";
import { count } from "../lib/numbers";

/** Every monitor, however many there are. */
export function Monitors() {
  const search = useSearch({ from: "/monitors" });
  const navigate = useNavigate();
  const [total, setTotal] = useState<number | undefined>();
  const filtered = Object.keys(search).some((key) => key !== "sort");
  const clear = useCallback(() => void navigate({ to: "/monitors", search: {} }), [navigate]);
  return (
    <div className="flex h-full flex-col">
      <div className="grid grid-cols-1 gap-4 px-4 pt-5 pb-3 md:px-8 md:pt-7">
        <PageHead
          title="Monitors"
          lead={
            <span role="status">
              {total === undefined ? "…" : filtered ? `${count(total, "monitor")} found` : count(total, "monitor")}
            </span>
          }
          actions={
            <Link to="/new" className={buttonClass("primary")}>
              <Plus aria-hidden />
              New monitor
            </Link>
          }
        />
        <Filters filter={search} />
      </div>
      <div className="min-h-0 flex-1">
        <MonitorTable
          filter={search.sort === undefined ? { ...search, sort: "status" } : search}
          onTotal={setTotal}
          onClear={clear}
        />
      </div>
    </div>
  );
}
