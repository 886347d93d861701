// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, expect, test } from "vitest";
import type { Problem } from "../../api/client";
import type { Kind } from "../../api/kinds";
import type { Definition } from "../../api/monitors";
import { KindForm } from "./KindForm";

afterEach(cleanup);

const KINDS: Kind[] = [
  {
    kind: "teapot",
    summary: "Is it short and stout?",
    example: "",
    schema: {
      type: "object",
      required: ["interval"],
      properties: {
        type: { const: "teapot" },
        spout: { type: "integer", minimum: 1 },
        interval: { type: "string" },
        tags: { type: "array", items: { type: "string" } },
        lids: { type: "object", additionalProperties: { type: "string" } },
        whistle: { type: "boolean" },
      },
    },
  },
];

let latest: Definition = {};

function Harness({ start, problems = [] }: { start: Definition; problems?: Problem[] }) {
  const [value, setValue] = useState(start);
  latest = value;
  return <KindForm kinds={KINDS} value={value} onChange={setValue} problems={problems} />;
}

test("a kind the page never heard of has its form", () => {
  render(<Harness start={{ type: "teapot" }} />);
  fireEvent.change(screen.getByLabelText(/^spout/), { target: { value: "2" } });
  fireEvent.change(screen.getByLabelText(/^interval/), { target: { value: "10s" } });
  fireEvent.change(screen.getByLabelText(/^tags/), { target: { value: "a\n\nb " } });
  fireEvent.change(screen.getByLabelText(/^lids/), { target: { value: "top: on" } });
  fireEvent.click(screen.getByLabelText(/^whistle/));
  expect(latest).toEqual({
    type: "teapot",
    spout: 2,
    interval: "10s",
    tags: ["a", "b"],
    lids: { top: "on" },
    whistle: true,
  });
});

test("an emptied field leaves no key behind", () => {
  render(<Harness start={{ type: "teapot", interval: "10s", whistle: true }} />);
  fireEvent.change(screen.getByLabelText(/^interval/), { target: { value: "" } });
  fireEvent.click(screen.getByLabelText(/^whistle/));
  expect(latest).toEqual({ type: "teapot" });
});

test("half a line of a map does not throw away what was there", () => {
  render(<Harness start={{ type: "teapot", lids: { top: "on" } }} />);
  const lids = screen.getByLabelText(/^lids/);
  fireEvent.change(lids, { target: { value: "top: on\nside" } });
  expect(lids.getAttribute("aria-invalid")).toBe("true");
  expect(latest.lids).toEqual({ top: "on" });
});

test("a problem stands at its field", () => {
  const problem: Problem = { severity: "error", field: "interval", message: "must be larger than 0", fix: "write 10s" };
  const { container } = render(<Harness start={{ type: "teapot" }} problems={[problem]} />);
  expect(container.querySelector('[data-field="interval"]')?.textContent).toContain("must be larger than 0");
  expect(container.querySelector('[data-field="spout"]')?.textContent).not.toContain("must be");
});

test("keys that no form knows are kept and named", () => {
  render(<Harness start={{ type: "teapot", mystery: 1 }} />);
  expect(screen.getByText("mystery")).toBeTruthy();
  fireEvent.change(screen.getByLabelText(/^interval/), { target: { value: "5s" } });
  expect(latest.mystery).toBe(1);
});
