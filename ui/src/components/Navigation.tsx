import { Link } from "@tanstack/react-router";
import {
  Activity,
  BellOff,
  BellRing,
  BookText,
  Ellipsis,
  Info,
  LayoutList,
  LogOut,
  Megaphone,
  Monitor,
  Moon,
  Network,
  ScrollText,
  Siren,
  Sun,
} from "lucide-react";
import { useState } from "react";
import type { Overview } from "../api/overview";
import { type Session, session as sessionQuery, signOut } from "../api/session";
import { cn } from "../lib/cn";
import { whole } from "../lib/numbers";
import { chooseTheme, storedTheme, type Theme } from "../lib/theme";
import { queries } from "../runtime";
import { LiveMark } from "./Connection";
import { Logo } from "./Logo";
import { Menu, MenuItem } from "./ui/menu";

type Item = {
  to:
    | "/"
    | "/monitors"
    | "/incidents"
    | "/silences"
    | "/notifications"
    | "/events"
    | "/alerters"
    | "/cluster"
    | "/api"
    | "/about";
  word: string;
  icon: typeof Activity;
  /** Shown beside the word when it is not zero. */
  badge?: (o: Overview) => number;
  alarming?: boolean;
};

const MAIN: Item[] = [
  { to: "/", word: "Overview", icon: Activity },
  { to: "/monitors", word: "Monitors", icon: LayoutList, badge: (o) => o.monitors.total },
  { to: "/incidents", word: "Incidents", icon: Siren, badge: (o) => o.incidents.open, alarming: true },
  { to: "/silences", word: "Silences", icon: BellOff },
  {
    to: "/notifications",
    word: "Notifications",
    icon: BellRing,
    badge: (o) => o.notifications.given_up,
    alarming: true,
  },
  { to: "/events", word: "Events", icon: ScrollText },
  { to: "/alerters", word: "Alerters", icon: Megaphone },
  { to: "/cluster", word: "Cluster", icon: Network },
];
const MORE: Item[] = [
  { to: "/api", word: "API", icon: BookText },
  { to: "/about", word: "About", icon: Info },
];

type Props = { overview: Overview | undefined };

export function SideBar({ overview, session }: Props & { session: Session | undefined }) {
  return (
    <aside className="hidden w-56 shrink-0 flex-col border-r px-3 py-4 md:flex">
      <Link to="/" className="mx-2 mb-5 flex rounded-md" aria-label="9volt, overview">
        <Logo />
      </Link>
      <nav aria-label="Main" className="grid gap-0.5">
        {MAIN.map((item) => (
          <SideLink key={item.to} item={item} overview={overview} />
        ))}
      </nav>
      <div className="mt-auto grid gap-4">
        <nav aria-label="Reference" className="grid gap-0.5">
          {MORE.map((item) => (
            <SideLink key={item.to} item={item} overview={overview} />
          ))}
          {session?.required === true && (
            <button
              type="button"
              onClick={() => void leave()}
              className="flex h-9 items-center gap-2.5 rounded-md px-2.5 text-ink-2 hover:bg-sunken hover:text-ink"
            >
              <LogOut aria-hidden className="size-4" />
              Sign out
            </button>
          )}
        </nav>
        <div className="flex items-center justify-between border-t px-2 pt-3">
          <LiveMark />
          <ThemeButton />
        </div>
      </div>
    </aside>
  );
}

async function leave(): Promise<void> {
  await signOut();
  queries.clear();
  await queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
  location.reload();
}

function SideLink({ item, overview }: { item: Item; overview: Overview | undefined }) {
  const n = overview === undefined ? 0 : (item.badge?.(overview) ?? 0);
  return (
    <Link
      to={item.to}
      activeOptions={{ exact: item.to === "/", includeSearch: false }}
      className="flex h-9 items-center gap-2.5 rounded-md px-2.5 text-ink-2 hover:bg-sunken hover:text-ink aria-[current=page]:bg-sunken aria-[current=page]:font-medium aria-[current=page]:text-ink"
    >
      <item.icon aria-hidden className="size-4" />
      <span className="flex-1">{item.word}</span>
      {n > 0 && <Badge n={n} alarming={item.alarming === true} />}
    </Link>
  );
}

function Badge({ n, alarming }: { n: number; alarming: boolean }) {
  return (
    <span
      className={cn(
        "rounded px-1.5 text-xs",
        alarming ? "bg-critical-soft font-semibold text-critical" : "font-normal text-ink-3",
      )}
    >
      {whole(n)}
    </span>
  );
}

export function TopBar({ overview }: Props) {
  return (
    <header className="flex h-13 shrink-0 items-center gap-3 border-b px-4 md:hidden">
      <Link to="/" className="flex rounded-md" aria-label="9volt, overview">
        <Logo />
      </Link>
      <span className="min-w-0 flex-1 truncate text-ink-3 text-xs">{overview?.member.hostname}</span>
      <LiveMark />
      <ThemeButton />
    </header>
  );
}

/** On a phone the main pages are where the thumb is. */
export function BottomBar({ overview }: Props) {
  return (
    <nav
      aria-label="Main"
      className="grid shrink-0 grid-cols-5 border-t bg-panel pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {MAIN.slice(0, 4).map((item) => (
        <Link
          key={item.to}
          to={item.to}
          activeOptions={{ exact: item.to === "/", includeSearch: false }}
          className="relative grid h-14 content-center justify-items-center gap-1 text-2xs text-ink-3 aria-[current=page]:font-semibold aria-[current=page]:text-ink"
        >
          <item.icon aria-hidden className="size-5" />
          {item.word}
          {item.alarming === true && overview !== undefined && (item.badge?.(overview) ?? 0) > 0 && (
            <span className="absolute top-1.5 left-1/2 ml-2 min-w-4 rounded-full bg-critical-fill px-1 text-center font-semibold text-[10px] text-white leading-4">
              {item.badge?.(overview)}
            </span>
          )}
        </Link>
      ))}
      <MoreMenu />
    </nav>
  );
}

function MoreMenu() {
  return (
    <Menu
      trigger={
        <button type="button" className="grid h-14 content-center justify-items-center gap-1 text-2xs text-ink-3">
          <Ellipsis aria-hidden className="size-5" />
          More
        </button>
      }
    >
      {[...MAIN.slice(4), ...MORE].map((item) => (
        <MenuItem key={item.to} asChild>
          <Link to={item.to}>
            <item.icon aria-hidden />
            {item.word}
          </Link>
        </MenuItem>
      ))}
    </Menu>
  );
}

const THEMES: { value: Theme; word: string; icon: typeof Sun }[] = [
  { value: "light", word: "Light", icon: Sun },
  { value: "dark", word: "Dark", icon: Moon },
  { value: "system", word: "As the system", icon: Monitor },
];

function ThemeButton() {
  const [theme, setTheme] = useState<Theme>(storedTheme);
  const Icon = THEMES.find((t) => t.value === theme)?.icon ?? Monitor;
  return (
    <Menu
      trigger={
        <button
          type="button"
          aria-label={`Theme: ${theme}`}
          className="grid size-8 place-items-center rounded-md text-ink-2 hover:bg-sunken hover:text-ink"
        >
          <Icon aria-hidden className="size-4" />
        </button>
      }
    >
      {THEMES.map((t) => (
        <MenuItem
          key={t.value}
          onSelect={() => {
            setTheme(t.value);
            chooseTheme(t.value);
          }}
        >
          <t.icon aria-hidden />
          <span className={cn("flex-1", t.value === theme && "font-semibold")}>{t.word}</span>
        </MenuItem>
      ))}
    </Menu>
  );
}
