// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { Sparkline } from "./Sparkline";

afterEach(cleanup);

test("what failed is said in words too", () => {
  render(<Sparkline values={[1, null, 3.2]} />);
  expect(screen.getByRole("img").getAttribute("aria-label")).toBe("Last 3 runs: 1 failed; latest 3.2 ms");
});

test("a failed run is drawn as another shape than a slow one", () => {
  const { container } = render(<Sparkline values={[10, null]} />);
  const [bars, gaps, feet] = [...container.querySelectorAll("path")].map((p) => p.getAttribute("d") ?? "");
  expect(bars?.match(/M/g)).toHaveLength(1);
  expect(gaps?.match(/M/g)).toHaveLength(1);
  expect(feet?.match(/M/g)).toHaveLength(1);
});

test("without runs there are words instead of an empty box", () => {
  render(<Sparkline values={[]} />);
  expect(screen.getByText("no runs yet")).toBeTruthy();
});
