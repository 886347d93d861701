import { Link } from "@tanstack/react-router";
import { SearchX } from "lucide-react";
import { buttonClass } from "../components/ui/button";
import { Empty } from "../components/ui/states";

export function NotFound() {
  return (
    <div className="grid min-h-full place-items-center">
      <Empty
        icon={<SearchX aria-hidden />}
        title="There is no such page"
        action={
          <Link to="/" className={buttonClass()}>
            To the overview
          </Link>
        }
      >
        The address may be mistyped, or what it named is gone.
      </Empty>
    </div>
  );
}
