// @vitest-environment jsdom
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { JudgeList } from "./JudgesPanel";

afterEach(cleanup);

test("the first judges now, those after it did before, and nobody is said to be nobody", () => {
  render(
    <JudgeList
      judges={[
        { member: "m2", epoch: "9-1", at: "2026-01-02T00:00:00Z", why: "member m1 was lost" },
        { member: null, epoch: "9-0", at: "2026-01-01T00:00:00Z", why: "" },
        { member: "m1", epoch: "5-0", at: null, why: "member m1 directs" },
      ]}
    />,
  );
  const rows = screen.getAllByRole("listitem");
  expect(rows.map((r) => within(r).queryByText("now") !== null)).toEqual([true, false, false]);
  expect(rows.map((r) => r.dataset.judge)).toEqual(["m2", "", "m1"]);
  expect(within(rows[1] as HTMLElement).getByText("nobody")).toBeTruthy();
  expect(within(rows[2] as HTMLElement).getByText("since earlier")).toBeTruthy();
});
