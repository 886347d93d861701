import { barFill } from "../../lib/member";
import { percent } from "../../lib/numbers";

/** A member's part of all work. The tick is an even share. */
export function LoadBar({ share, here }: { share: number; here: number }) {
  const words = percent(share, 1);
  return (
    <div className="flex items-center gap-2.5">
      <div
        role="img"
        aria-label={`${words} of the load`}
        className="relative h-2 min-w-16 flex-1 rounded-full bg-sunken"
      >
        <div className="h-full rounded-full bg-accent" style={{ width: `${barFill(share, here) * 100}%` }} />
        {here > 1 && <span className="absolute inset-y-[-3px] left-1/2 w-px bg-ink-3" title="An even share" />}
      </div>
      <span className="w-14 shrink-0 text-right tabular-nums">{words}</span>
    </div>
  );
}
