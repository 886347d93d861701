import { QueryClientProvider } from "@tanstack/react-query";
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, RouterProvider } from "@tanstack/react-router";
import { uiBase } from "./api/client";
import type { StateFilter } from "./api/state";
import { Shell } from "./components/Shell";
import { Failure } from "./components/ui/states";
import { parseSearch, pick, stringifySearch } from "./lib/search";
import { NotFound } from "./pages/NotFound";
import { Overview } from "./pages/Overview";
import { queries } from "./runtime";

const FILTERS = [
  "q",
  "status",
  "type",
  "tags",
  "silenced",
  "disabled",
  "unwatched",
  "orphaned",
  "invalid",
  "broken",
  "unreachable",
  "sort",
] as const;

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

/** The whole table of routes. The overview comes with the first load, since it is what a page at night opens. */
const routes = [
  createRoute({ getParentRoute: () => root, path: "/", component: Overview }),
  createRoute({
    getParentRoute: () => root,
    path: "/monitors",
    validateSearch: (s): StateFilter => pick(s, FILTERS),
    component: lazyRouteComponent(() => import("./pages/Monitors"), "Monitors"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/monitors/$name",
    component: lazyRouteComponent(() => import("./pages/Monitor"), "Monitor"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/monitors/$name/edit",
    component: lazyRouteComponent(() => import("./pages/Edit"), "EditMonitor"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/alerters",
    component: lazyRouteComponent(() => import("./pages/Alerters"), "Alerters"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/alerters/$name/edit",
    component: lazyRouteComponent(() => import("./pages/Edit"), "EditAlerter"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/new",
    validateSearch: (s) => pick(s, ["resource", "from"]),
    component: lazyRouteComponent(() => import("./pages/Edit"), "New"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/incidents",
    validateSearch: (s) => pick(s, ["state", "monitor"]),
    component: lazyRouteComponent(() => import("./pages/Incidents"), "Incidents"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/notifications",
    validateSearch: (s) => pick(s, ["state", "alerter", "monitor"]),
    component: lazyRouteComponent(() => import("./pages/Notifications"), "Notifications"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/silences",
    validateSearch: (s) => pick(s, ["state"]),
    component: lazyRouteComponent(() => import("./pages/Silences"), "Silences"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/events",
    validateSearch: (s) => pick(s, ["type", "q"]),
    component: lazyRouteComponent(() => import("./pages/Events"), "Events"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/cluster",
    component: lazyRouteComponent(() => import("./pages/Cluster"), "Cluster"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/api",
    component: lazyRouteComponent(() => import("./pages/Api"), "Api"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/about",
    component: lazyRouteComponent(() => import("./pages/About"), "About"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/sign-in",
    component: lazyRouteComponent(() => import("./pages/SignIn"), "SignInRoute"),
  }),
] as const;

const router = createRouter({
  routeTree: root.addChildren(routes),
  basepath: uiBase(),
  parseSearch,
  stringifySearch,
  scrollRestoration: true,
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  defaultErrorComponent: ({ error, reset }) => (
    <Failure error={error instanceof Error ? error : new Error(String(error))} onRetry={reset} />
  ),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  );
}
