// What needs a world made for it: a hundred thousand monitors, or none that fails.
import { axe, check, openPage, SHOTS, shut } from "../browser.mjs";
import { makeWorld, serve } from "../mock.mjs";

const FIRST_ROWS_MS = 2500;
const JUMP_MS = 2500;
const MAX_ROWS = 80;

async function withWorld(options, run) {
  const server = serve(makeWorld(options));
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  try {
    return await run(`http://127.0.0.1:${server.address().port}`);
  } finally {
    await shut(server);
  }
}

export const mockSpecs = [
  [
    "100,000 monitors: first rows at once, any place within a moment, few rows drawn",
    async ({ open, base }) => {
      const page = await open();
      await page.goto(`${base}/ui/monitors?sort=name`);
      const began = Date.now();
      await page.reload();
      await page.locator("[data-monitor]").first().waitFor();
      const first = Date.now() - began;
      check(first < FIRST_ROWS_MS, `first rows after ${first} ms`);
      const asked = [];
      page.on("request", (r) => r.url().includes("/api/v1/state?") && asked.push(r.url()));
      const jump = Date.now();
      for (const part of [0.2, 0.5, 0.9, 0.4, 0.999]) {
        await page.locator("[data-scroller]").evaluate((box, p) => box.scrollTo({ top: box.scrollHeight * p }), part);
        await page.waitForTimeout(15);
      }
      await page.locator("[data-row]").first().waitFor();
      await page.waitForFunction(() => {
        const rows = [...document.querySelectorAll("[data-row]")];
        return rows.some((r) => Number(r.getAttribute("data-row")) > 99_000);
      });
      const jumped = Date.now() - jump;
      check(jumped < JUMP_MS, `rows after a jump came after ${jumped} ms`);
      const rows = await page.locator("tbody tr").count();
      check(rows < MAX_ROWS, `${rows} rows are drawn`);
      check(asked.length <= 8, `${asked.length} windows were asked for while scrolling past`);
      await page.locator("[data-row]").first().focus();
      await page.keyboard.press("End");
      await page.waitForFunction(() => document.activeElement?.getAttribute("data-row") === "99999");
      return `first rows ${first} ms, jump ${jumped} ms, ${rows} rows, ${asked.length} requests`;
    },
  ],
  [
    "a member is cordoned once that is confirmed, and uncordoned",
    async ({ open, base }) => {
      const page = await open();
      await page.goto(`${base}/ui/cluster`);
      const row = page.locator('[data-member="d4e5f6"]');
      await row.getByRole("button", { name: "Cordon" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
      await row.getByRole("button", { name: "Cordon" }).click();
      await axe(page, "cordon");
      await page.getByLabel("Who you are").fill("e2e");
      await page.getByRole("dialog").getByRole("button", { name: "Cordon" }).click();
      await row.getByText("cordoned", { exact: true }).waitFor();
      await row.getByText("by e2e").waitFor();
      await row.getByRole("button", { name: "Uncordon" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Uncordon" }).click();
      await row.getByRole("button", { name: "Cordon", exact: false }).waitFor();
      await row.getByText("cordoned", { exact: true }).waitFor({ state: "hidden" });
      check(page.problems.length === 0, page.problems.join("\n"));
    },
  ],
  [
    "when all is well the overview is calm",
    async ({ browser }) =>
      withWorld({ monitors: 240, healthy: true }, async (base) => {
        for (const theme of ["light", "dark"]) {
          const page = await openPage(browser, { theme, base });
          await page.goto(`${base}/ui/`);
          await page.getByRole("heading", { level: 1, name: "Everything is fine" }).waitFor();
          await page.getByText("Everything is watched").waitFor();
          await page.getByRole("heading", { name: "Last incidents" }).waitFor();
          check((await page.title()) === "9volt", "the tab counts failures where there are none");
          await axe(page, "calm overview");
          await page.screenshot({ path: `${SHOTS}calm-${theme}-wide.png` });
        }
      }),
  ],
  [
    "a broken monitor is counted on the overview and found in the list",
    async ({ browser }) =>
      withWorld({ monitors: 240 }, async (base) => {
        const page = await openPage(browser, { base });
        await page.goto(`${base}/ui/`);
        await page.getByRole("link", { name: "1 broken" }).click();
        await page.getByRole("list", { name: "Active filters" }).getByText("only broken").waitFor();
        check(page.url().includes("broken=true"), "the address does not say what is asked for");
        await page.getByText("1 monitor").first().waitFor();
        await page.getByText("broken", { exact: true }).first().waitFor();
      }),
  ],
  [
    "nothing defined yet says what to do",
    async ({ browser }) =>
      withWorld({ monitors: 0, healthy: true }, async (base) => {
        const page = await openPage(browser, { base });
        await page.goto(`${base}/ui/`);
        await page.getByRole("heading", { level: 1, name: "Nothing is watched yet" }).waitFor();
      }),
  ],
  [
    "sign-in, with a server that wants a token",
    async ({ browser }) =>
      withWorld({ monitors: 50, token: "open sesame" }, async (base) => {
        const page = await openPage(browser, { base });
        await page.goto(`${base}/ui/monitors?status=ok`);
        await page.getByLabel("Access token").fill("wrong");
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByRole("alert").waitFor();
        await axe(page, "sign-in");
        await page.screenshot({ path: `${SHOTS}sign-in-light-wide.png` });
        await page.getByLabel("Access token").fill("open sesame");
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByRole("heading", { level: 1, name: "Monitors" }).waitFor();
        check(page.url().includes("status=ok"), "the address asked for is lost");
        await page.getByRole("button", { name: "Sign out" }).click();
        await page.getByLabel("Access token").waitFor();
      }),
  ],
];
