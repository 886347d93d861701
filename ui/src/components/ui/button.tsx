import type { ComponentProps } from "react";
import { cn } from "../../lib/cn";

type Look = "primary" | "plain" | "ghost" | "danger";
type Size = "md" | "sm" | "icon";

const LOOKS: Record<Look, string> = {
  primary: "bg-ink text-panel border-ink hover:opacity-85",
  plain: "bg-panel text-ink border-line-strong hover:bg-sunken",
  ghost: "border-transparent text-ink-2 hover:bg-sunken hover:text-ink",
  danger: "bg-panel text-critical border-line-strong hover:bg-critical-soft hover:border-critical",
};

const SIZES: Record<Size, string> = {
  md: "h-9 px-3 gap-2",
  sm: "h-7 px-2.5 gap-1.5 text-xs",
  icon: "size-9 justify-center",
};

/** Classes of a button, for links that look like one. */
export function buttonClass(look: Look = "plain", size: Size = "md"): string {
  return cn(
    "inline-flex shrink-0 select-none items-center rounded-md border font-medium whitespace-nowrap transition-colors",
    "disabled:cursor-default disabled:opacity-50 [&_svg]:size-4 [&_svg]:shrink-0",
    LOOKS[look],
    SIZES[size],
  );
}

type Props = ComponentProps<"button"> & { look?: Look; size?: Size };

export function Button({ look, size, className, type = "button", ...rest }: Props) {
  return <button type={type} className={cn(buttonClass(look, size), className)} {...rest} />;
}
