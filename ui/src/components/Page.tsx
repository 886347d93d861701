import type { ReactNode } from "react";
import { cn } from "../lib/cn";

type Props = {
  title: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  /** Reading width; wide for tables. */
  wide?: boolean;
};

/** A page that scrolls: its heading, what can be done, its content. */
export function Page({ title, lead, actions, children, wide = false }: Props) {
  return (
    <div className={cn("mx-auto grid gap-5 px-4 py-5 md:px-8 md:py-7", wide ? "max-w-[90rem]" : "max-w-6xl")}>
      <PageHead title={title} lead={lead} actions={actions} />
      {children}
    </div>
  );
}

export function PageHead({ title, lead, actions }: Pick<Props, "title" | "lead" | "actions">) {
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-3">
      <div className="min-w-0 flex-1">
        <h1 className="font-semibold text-xl [overflow-wrap:anywhere]">{title}</h1>
        {lead !== undefined && <p className="mt-0.5 text-ink-2">{lead}</p>}
      </div>
      {actions !== undefined && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
    </div>
  );
}
