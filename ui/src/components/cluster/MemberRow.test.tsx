// @vitest-environment jsdom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import type { Member } from "../../api/cluster";
import { MemberRow } from "./MemberRow";

const M2: Member = {
  id: "m2",
  here: true,
  director: false,
  hostname: "host-b",
  address: "10.0.0.2:8080",
  tags: ["eu"],
  kinds: [],
  version: "0.1.0",
  started: "2026-01-01T00:00:00Z",
  leaving: false,
  unfit: null,
  weight: 1,
  intent: null,
  slots: 10,
  alerter_slots: 10,
  monitors: 39,
  load_share: 0.25,
};

function show(member: Member, shared: boolean) {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <ul>
        <MemberRow member={member} here={3} unreachable={[]} shared={shared} />
      </ul>
    </QueryClientProvider>,
  );
}

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a member alone on its store cannot be drained", () => {
  show(M2, false);
  expect(screen.queryByRole("button")).toBeNull();
  expect(screen.getByRole("img", { name: "25 % of the load" })).toBeTruthy();
});

test("nothing is asked of a member before it is confirmed, and then with the name of whoever asks", async () => {
  const asked = vi.fn(async (_address: string, _options: RequestInit) => new Response("{}"));
  vi.stubGlobal("fetch", asked);
  show(M2, true);
  fireEvent.click(screen.getByRole("button", { name: "Drain m2" }));
  const dialog = await screen.findByRole("dialog", { name: "Drain m2?" });
  expect(dialog.textContent).toContain("39 monitors");
  expect(asked).not.toHaveBeenCalled();
  fireEvent.change(within(dialog).getByLabelText("Who you are"), { target: { value: "ann" } });
  fireEvent.click(within(dialog).getByRole("button", { name: "Drain" }));
  await vi.waitFor(() => expect(asked).toHaveBeenCalledOnce());
  const [address, options] = asked.mock.calls[0] ?? [];
  expect(address).toMatch(/\/api\/v1\/member\/m2\/drain$/);
  expect(options).toMatchObject({ method: "PUT", body: '{"by":"ann"}' });
});

test("who drained it and why it is unfit are said", () => {
  const intent = { drain: true, cordon: false, weight: 4, by: "ann", at: "2026-01-01T00:00:00Z" };
  show({ ...M2, weight: 4, intent, unfit: "no descriptors" }, true);
  const row = screen.getByRole("listitem");
  for (const words of ["draining", "unfit", "no descriptors", "by ann", "weight 4, as wanted"])
    expect(row.textContent).toContain(words);
  expect(screen.getAllByRole("button").map((b) => b.textContent)).toEqual(["Undrain"]);
});
