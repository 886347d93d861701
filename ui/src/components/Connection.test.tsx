// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { Overview } from "../api/overview";
import { StoreBanner } from "./Connection";

const AWAY: Overview["store"] = {
  backend: "etcd",
  state: "outage",
  detail: "m2: has no store",
  means: "No member has the store.",
  since: new Date(Date.now() - 90_000).toISOString(),
  path: "http://etcd-1:2379",
};

afterEach(cleanup);

test("a member without its store says what that means, for how long, and why", () => {
  render(<StoreBanner store={AWAY} />);
  const said = screen.getByRole("alert").textContent;
  expect(said).toContain("No member has the store. For 1m");
  expect(said).toContain("Because: m2: has no store.");
});

test("where nobody was asked there is no reason to give", () => {
  render(<StoreBanner store={{ ...AWAY, detail: null }} />);
  expect(screen.getByRole("alert").textContent).not.toContain("Because");
});
