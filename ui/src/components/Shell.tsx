import { useQuery } from "@tanstack/react-query";
import { Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect } from "react";
import { ApiError, onSignedOut } from "../api/client";
import { type Overview, overview } from "../api/overview";
import { session } from "../api/session";
import { live, queries } from "../runtime";
import { LostBanner, MissingBanner, StoreBanner, Unreachable } from "./Connection";
import { BottomBar, SideBar, TopBar } from "./Navigation";
import { paintTab } from "./tab";
import { Toasts } from "./ui/toast";

const SignIn = lazy(() => import("../pages/SignIn").then((m) => ({ default: m.SignIn })));

/** Everything around a page: who may see it, whether the server is there, and the way to the other pages. */
export function Shell() {
  const signed = useQuery(session);
  const locked = signed.data?.required === true && !signed.data.signed_in;
  const known = signed.data !== undefined && !locked;
  const all = useQuery({ ...overview, enabled: known });
  const path = useRouterState({ select: (s) => s.location.pathname });

  useEffect(() => onSignedOut(() => queries.setQueryData(session.queryKey, { required: true, signed_in: false })), []);
  useEffect(() => {
    if (!known) return;
    live.start();
    return () => live.stop();
  }, [known]);
  useEffect(() => paintTab(path, locked ? undefined : all.data), [path, locked, all.data]);
  // A new page begins at its top, and says so to a screen reader by its heading.
  useEffect(() => {
    if (path !== "") document.getElementById("main")?.scrollTo({ top: 0 });
  }, [path]);

  if (locked) {
    return (
      <Suspense>
        <SignIn />
      </Suspense>
    );
  }
  const error = signed.data === undefined ? signed.error : all.data === undefined ? all.error : null;
  if (error !== null) return <Unreachable error={error} />;
  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a
        href={`${path}#main`}
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
        className="sr-only z-50 rounded-md bg-ink px-3 py-2 text-panel focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        Skip to content
      </a>
      <SideBar overview={all.data} session={signed.data} />
      <TopBar overview={all.data} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        {isLost(all.data, all.error) ? (
          <LostBanner since={all.dataUpdatedAt} />
        ) : (
          <>
            {all.data !== undefined && all.data.store.means !== null && <StoreBanner store={all.data.store} />}
            {all.data?.unreachable !== undefined && all.data.unreachable.length > 0 && (
              <MissingBanner members={all.data.unreachable} />
            )}
          </>
        )}
        <main id="main" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto outline-none">
          <Outlet />
        </main>
      </div>
      <BottomBar overview={all.data} />
      <Toasts />
    </div>
  );
}

/** There was an answer once, and now there is none: old facts stay on the screen, marked as old. */
function isLost(data: Overview | undefined, error: Error | null): boolean {
  return data !== undefined && error instanceof ApiError && error.unreachable;
}
