import type { Overview } from "../api/overview";
import { worst } from "../lib/status";
import { titleOf } from "../lib/title";

const FILL = { critical: "#d92d2a", warning: "#d9920f", ok: "#17181a", pending: "#17181a" } as const;

/** The browser's tab answers the question too: the number that fails in the title, and the icon. */
export function paintTab(path: string, data: Overview | undefined): void {
  const failing = data === undefined ? 0 : data.monitors.critical + data.monitors.warning;
  document.title = titleOf(path, failing);
  const icon = document.getElementById("favicon");
  if (!(icon instanceof HTMLLinkElement)) return;
  const fill = data === undefined ? FILL.ok : FILL[worst(data.monitors)];
  const mark =
    failing > 0
      ? '<path d="M16 7v11M16 23v2" stroke="#fff" stroke-width="4" stroke-linecap="round"/>'
      : '<path d="M18.2 4.5 8.5 18h6l-1.2 9.5L23.5 13.5h-6.3z" fill="#f6f6f4"/>';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${fill}"/>${mark}</svg>`;
  icon.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
