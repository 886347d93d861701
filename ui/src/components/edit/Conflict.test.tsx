// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Conflict } from "./Conflict";

afterEach(cleanup);

test("both sides of a conflict are shown field by field, and nothing happens without a choice", () => {
  const onTheirs = vi.fn();
  const onMine = vi.fn();
  render(
    <Conflict
      base={{ interval: "10s", port: 80 }}
      theirs={{ interval: "30s", port: 80 }}
      mine={{ interval: "10s", port: 443 }}
      taken={false}
      onTheirs={onTheirs}
      onMine={onMine}
    />,
  );
  const cells = (name: string) =>
    within(screen.getByRole("row", { name: new RegExp(`^${name}`) }))
      .getAllByRole("cell")
      .map((c) => c.textContent);
  expect(cells("interval")).toEqual(['"10s"', '"30s"', "unchanged"]);
  expect(cells("port")).toEqual(["80", "unchanged", "443"]);
  expect(onMine).not.toHaveBeenCalled();
  fireEvent.click(screen.getByRole("button", { name: /theirs, drop mine/ }));
  expect(onTheirs).toHaveBeenCalledOnce();
});
