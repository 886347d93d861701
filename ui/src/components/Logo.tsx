/** The bolt and the name. */
export function Logo() {
  return (
    <span className="inline-flex items-center gap-2.5 font-semibold text-base tracking-tight">
      <svg aria-hidden="true" viewBox="0 0 32 32" className="size-7">
        <rect width="32" height="32" rx="8" className="fill-ink" />
        <path d="M18.2 4.5 8.5 18h6l-1.2 9.5L23.5 13.5h-6.3z" className="fill-panel" />
      </svg>
      9volt
    </span>
  );
}
