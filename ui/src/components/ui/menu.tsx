import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { cn } from "../../lib/cn";

export function Menu({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align="end"
          sideOffset={6}
          collisionPadding={12}
          className="z-30 min-w-44 rounded-lg border bg-panel p-1 shadow-pop"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** With `asChild` the child, a link, is the item. */
type ItemProps = { onSelect?: () => void; danger?: boolean; asChild?: boolean; children: ReactNode };

export function MenuItem({ onSelect, danger = false, asChild = false, children }: ItemProps) {
  return (
    <Radix.Item
      onSelect={onSelect}
      asChild={asChild}
      className={cn(
        "flex h-9 cursor-default select-none items-center gap-2.5 rounded-md px-2.5 outline-none data-[highlighted]:bg-sunken [&_svg]:size-4 [&_svg]:text-ink-3",
        danger && "text-critical [&_svg]:text-critical",
      )}
    >
      {children}
    </Radix.Item>
  );
}
