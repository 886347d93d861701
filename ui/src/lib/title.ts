const PAGES: Record<string, string> = {
  monitors: "Monitors",
  incidents: "Incidents",
  notifications: "Notifications",
  silences: "Silences",
  events: "Events",
  alerters: "Alerters",
  cluster: "Cluster",
  api: "API",
  about: "About",
  new: "New",
};

/** Title of the browser's tab: what fails comes first, then where one is. `path` is within the page's base. */
export function titleOf(path: string, failing: number): string {
  const [page = "", name] = path.split("/").filter((part) => part !== "");
  const place = name === undefined ? PAGES[page] : decode(name);
  return `${failing > 0 ? `(${failing}) ` : ""}${place === undefined ? "" : `${place} · `}9volt`;
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
