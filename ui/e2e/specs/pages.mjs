// What must hold against any server, the real one and the mock. Names are found by asking, never written here.
import { axe, check, proxyUnder } from "../browser.mjs";

const states = (api, query) => api(`/state?config=false&${query}`);
const failing = async (api) => {
  const open = (await api("/incident?state=open&limit=200")).items.filter((i) => !i.silenced);
  return open.find((i) => i.status === "critical") ?? open[0];
};
/** A monitor that may be run, silenced and edited: exec definitions may not come through the API everywhere. */
const healthy = async (api) =>
  (await states(api, "status=ok&limit=50")).find((s) => !s.disabled && !s.silenced && s.type !== "exec");
const heading = (page, name) => page.getByRole("heading", { level: 1, name });

async function clean(page, where) {
  check(page.problems.length === 0, `${where}: ${page.problems.join("\n")}`);
}

export const pageSpecs = [
  [
    "the overview says what is failing, worst first",
    async ({ open, api, base }) => {
      const bad = await failing(api);
      const page = await open();
      await page.goto(`${base}/ui`);
      await page.locator("[data-incident]").first().waitFor();
      if (bad === undefined) return { skipped: "nothing is failing on this server" };
      const first = page.locator("[data-incident]").first();
      check((await first.getAttribute("data-status")) === bad.status, "the first incident is not of the worst status");
      check((await first.locator("time").getAttribute("title"))?.includes("since"), "no absolute time on hover");
      await page.locator("#verdict", { hasText: /failing|warning/ }).waitFor();
      check(/^\(\d+\) 9volt$/.test(await page.title()), "the tab's title does not count what fails");
      await page.locator(`[data-incident="${bad.monitor}"]`).waitFor();
      await clean(page, "overview");
    },
  ],
  [
    "the stream is live, and a lost server is said to be lost",
    async ({ open, base }) => {
      const page = await open();
      await page.goto(`${base}/ui`);
      await page.locator('[data-live="live"]').first().waitFor();
      await page.route("**/api/v1/**", (route) => route.abort());
      await page.getByText("has not answered").waitFor({ timeout: 20_000 });
      await page.unroute("**/api/v1/**");
      await page.getByText("has not answered").waitFor({ state: "hidden", timeout: 20_000 });
    },
  ],
  [
    "a server that was never there has a page of its own, which opens by itself",
    async ({ open, base }) => {
      const page = await open();
      await page.route("**/api/v1/**", (route) => route.fulfill({ status: 503, body: "starting" }));
      await page.goto(`${base}/ui/`);
      await heading(page, "9volt is starting").waitFor();
      await page.unroute("**/api/v1/**");
      await page.locator("#verdict").waitFor({ timeout: 20_000 });
    },
  ],
  [
    "monitors are filtered by text and status, in the address",
    async ({ open, api, base }) => {
      const one = (await states(api, "sort=name&limit=1"))[0];
      const page = await open();
      await page.goto(`${base}/ui/monitors`);
      await page.locator("[data-monitor]").first().waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type(one.check);
      await page.waitForURL((url) => url.searchParams.get("q") === one.check);
      await page.locator(`[data-monitor="${one.check}"]`).waitFor();
      await page
        .getByRole("group", { name: "Status" })
        .getByRole("button", { name: /Critical/ })
        .click();
      await page.waitForURL((url) => url.searchParams.get("status") === "critical");
      await page.reload();
      check((await page.getByLabel("Filter by name or description").inputValue()) === one.check, "the text is lost");
      const pressed = page.getByRole("button", { name: /Critical/, pressed: true });
      await pressed.waitFor();
      await page.goBack();
      await clean(page, "monitors");
    },
  ],
  [
    "monitors are sorted by a click on a column, and opened by keyboard",
    async ({ open, api, base }) => {
      const first = (await states(api, "sort=name&limit=1"))[0].check;
      const page = await open();
      await page.goto(`${base}/ui/monitors`);
      await page.locator("[data-monitor]").first().waitFor();
      await page.getByRole("columnheader", { name: "Monitor" }).getByRole("link").click();
      await page.waitForURL((url) => url.searchParams.get("sort") === "name");
      await page.locator(`[data-row="0"]`, { hasText: first }).waitFor();
      await page.locator("[data-row='0']").focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("k");
      check(await page.evaluate(() => document.activeElement?.getAttribute("data-row") === "0"), "keys do not move");
      await page.keyboard.press("Enter");
      await heading(page, first).waitFor();
    },
  ],
  [
    "a monitor's page shows status, reason, chart, verdicts, ledger and definition",
    async ({ open, api, base }) => {
      const one = await healthy(api);
      const page = await open();
      await page.goto(`${base}/ui/monitors/${encodeURIComponent(one.check)}`);
      await heading(page, one.check).waitFor();
      await page.locator("[data-chart] canvas").waitFor();
      check((await page.locator("[data-chart] canvas").boundingBox()).width > 200, "the chart has no width");
      await page.locator("[data-verdicts] li").first().waitFor();
      await page.getByRole("heading", { name: "Ledger of runs" }).waitFor();
      await page.getByLabel(`Definition of ${one.check}`).getByText("type:").waitFor();
      await page.getByRole("button", { name: "JSON" }).click();
      await page.getByLabel(`Definition of ${one.check}`).getByText('"type"').waitFor();
      await clean(page, "monitor");
    },
  ],
  [
    "run now shows the verdict and does not change the status",
    async ({ open, api, base }) => {
      const one = await healthy(api);
      const page = await open();
      await page.goto(`${base}/ui/monitors/${encodeURIComponent(one.check)}`);
      await page.getByRole("button", { name: "Run now" }).click();
      await page.locator("[data-run-result]").waitFor({ timeout: 30_000 });
      await page.getByRole("button", { name: "Done" }).click();
      await page.locator('[data-status="ok"]').waitFor();
    },
  ],
  [
    "a monitor is silenced from its page, and the silence is ended",
    async ({ open, api, base }) => {
      const one = await healthy(api);
      const comment = `browser test ${Date.now()}`;
      const page = await open();
      await page.goto(`${base}/ui/monitors/${encodeURIComponent(one.check)}`);
      await page.getByRole("button", { name: "Silence" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "30m" }).click();
      await page.getByLabel("Why").fill(comment);
      await page.getByLabel("Who you are").fill("e2e");
      await page.getByRole("button", { name: "Silence for 30m" }).click();
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      await page.getByLabel("Status", { exact: true }).getByText("silenced").waitFor();
      await page.getByRole("navigation", { name: "Main" }).first().getByRole("link", { name: "Silences" }).click();
      const row = page.locator("[data-silence]", { hasText: comment });
      await row.getByRole("button", { name: "End now" }).click();
      await row.waitFor({ state: "hidden" });
      await page.getByRole("link", { name: "Expired" }).click();
      await row.waitFor();
      await clean(page, "silences");
    },
  ],
  [
    "an alerter's test shows what the far end said",
    async ({ open, api, base }) => {
      const { items } = await api("/alerters?limit=100");
      if (items.length === 0) return { skipped: "no alerters on this server" };
      // The kind that writes to standard output leaves the machine alone.
      const chosen = items.find((a) => a.type === "log") ?? items[0];
      const page = await open();
      await page.goto(`${base}/ui/alerters`);
      const card = page.locator(`[data-alerter="${chosen.name}"]`);
      await card.getByRole("button", { name: "Test" }).click();
      await card.locator("[data-test-result]").waitFor({ timeout: 60_000 });
      return `${chosen.name}: ${await card.locator("[data-test-result]").textContent()}`;
    },
  ],
  [
    "a definition is edited in the form, a conflict is shown, and the edit is undone",
    async ({ open, api, base }) => {
      const one = await healthy(api);
      const page = await open();
      await page.goto(`${base}/ui/monitors/${encodeURIComponent(one.check)}/edit`);
      const field = page.locator('[data-field="description"] input');
      const before = await field.inputValue();
      const path = `/monitor/${encodeURIComponent(one.check)}`;
      const stored = await api(path);
      const put = (body) =>
        api(path, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      await put({ ...stored, description: "changed by somebody else" });
      await field.fill("changed in the browser");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Somebody saved another version").waitFor();
      await page.getByText("changed by somebody else").first().waitFor();
      await page.getByRole("button", { name: "Write mine over theirs" }).click();
      await heading(page, one.check).waitFor();
      await page.getByText("changed in the browser").first().waitFor();
      await put(stored);
      await page.getByText("changed in the browser").first().waitFor({ state: "hidden" });
      check(((await api(path)).description ?? "") === before, "the description was not put back");
    },
  ],
  [
    "a wrong definition is refused with the problem at its field",
    async ({ open, base }) => {
      const page = await open();
      await page.goto(`${base}/ui/new`);
      await page.getByLabel("Name").fill("e2e-wrong");
      await page.locator('[data-field="interval"] input').fill("0s");
      await page.getByRole("button", { name: "Save" }).click();
      await page.locator('[data-field="interval"] [aria-label="error"]').waitFor();
    },
  ],
  [
    "events are filtered by type and words",
    async ({ open, base }) => {
      const page = await open();
      await page.goto(`${base}/ui/events`);
      await heading(page, "Events").waitFor();
      await page.getByRole("button", { name: "config" }).click();
      await page.waitForURL((url) => url.searchParams.get("type") === "config");
      await page.getByLabel("Search events").fill("zzz-no-such-word");
      await page.getByText("No events match").waitFor();
      await clean(page, "events");
    },
  ],
  [
    "the cluster shows its members, plan and store, and leads to its events",
    async ({ open, api, base }) => {
      const { items } = await api("/member");
      const { backend } = await api("/store");
      const page = await open();
      await page.goto(`${base}/ui/`);
      await page.getByRole("navigation", { name: "Main" }).first().getByRole("link", { name: "Cluster" }).click();
      await heading(page, "Cluster").waitFor();
      for (const one of items) await page.locator(`[data-member="${one.id}"]`).waitFor();
      await page.locator("[data-member]", { hasText: "director" }).waitFor();
      await page.locator('[data-store="joined"]').waitFor();
      await page.locator('[data-group="notify"]').waitFor();
      const buttons = await page.locator("[data-member]").getByRole("button").count();
      check(buttons > 0 === (backend === "etcd"), `${buttons} buttons with the store ${backend}`);
      await page.getByRole("link", { name: "All of it" }).click();
      await page.getByRole("button", { name: "member", pressed: true }).waitFor();
      await clean(page, "cluster");
    },
  ],
  [
    "a monitor's page says which member judges it",
    async ({ open, api, base }) => {
      const one = await healthy(api);
      const [judge] = (await api(`/monitor/${encodeURIComponent(one.check)}/judges`)).items;
      const page = await open();
      await page.goto(`${base}/ui/monitors/${encodeURIComponent(one.check)}`);
      await page.locator(`[data-judge="${judge.member}"]`, { hasText: "now" }).waitFor();
      await clean(page, "judges");
    },
  ],
  [
    "the API describes itself",
    async ({ open, base }) => {
      const page = await open();
      await page.goto(`${base}/ui/api`);
      const operation = page.locator('[data-operation="get-/api/v1/state"]');
      await operation.locator("summary").first().click();
      await operation.getByText("Parameters").waitFor();
      check((await page.locator("[data-operation]").count()) > 5, "too few operations");
      await clean(page, "api");
    },
  ],
  [
    "the theme is chosen and remembered",
    async ({ open, base }) => {
      const page = await open({ theme: "light" });
      await page.goto(`${base}/ui`);
      await page
        .getByRole("button", { name: /^Theme/ })
        .first()
        .click();
      await page.getByRole("menuitem", { name: "Dark" }).click();
      await page.reload();
      check((await page.locator("html").getAttribute("data-theme")) === "dark", "the choice is forgotten");
    },
  ],
  [
    "a token is asked for when the server wants one",
    async ({ open, base, token }) => {
      if (token === null) return { skipped: "this server wants no token (NINEVOLT_TOKEN)" };
      const page = await open({ token: null });
      await page.goto(`${base}/ui/monitors?status=ok`);
      await page.getByLabel("Access token").fill("certainly wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").waitFor();
      await axe(page, "sign-in");
      await page.getByLabel("Access token").fill(token);
      await page.getByRole("button", { name: "Sign in" }).click();
      await heading(page, "Monitors").waitFor();
      check(page.url().includes("status=ok"), "the address asked for is lost");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("Access token").waitFor();
    },
  ],
  [
    "everything works under a proxy's sub-path",
    async ({ open, api, base }) => {
      const proxy = await proxyUnder("/tools/9volt", base);
      try {
        const one = await healthy(api);
        const page = await open({ base: proxy.base });
        await page.goto(`${proxy.base}/ui`);
        await page.locator("#verdict").waitFor();
        await page.locator('[data-live="live"]').first().waitFor();
        await page.goto(`${proxy.base}/ui/monitors/${encodeURIComponent(one.check)}`);
        await page.locator("[data-chart] canvas").waitFor();
        await page.getByRole("navigation", { name: "Main" }).first().getByRole("link", { name: "Alerters" }).click();
        await heading(page, "Alerters").waitFor();
        check(page.url() === `${proxy.base}/ui/alerters`, `the prefix is lost: ${page.url()}`);
        check((await page.title()).endsWith("Alerters · 9volt"), `the title is ${await page.title()}`);
        await clean(page, "sub-path");
      } finally {
        await proxy.close();
      }
    },
  ],
  ...["light", "dark"].map((theme) => [
    `no serious accessibility violations, ${theme}`,
    async ({ open, api, base }) => {
      const one = (await failing(api))?.monitor ?? (await healthy(api)).check;
      const page = await open({ theme });
      const name = encodeURIComponent(one);
      const pages = [
        "",
        "monitors",
        `monitors/${name}`,
        "incidents",
        "silences",
        "notifications",
        "events",
        "alerters",
        "cluster",
        "api",
        "about",
        "new",
      ];
      for (const path of pages) {
        await page.goto(`${base}/ui/${path}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.waitForLoadState("load");
        await page.waitForTimeout(400);
        await axe(page, `/${path}`);
      }
      await clean(page, "all pages");
    },
  ]),
  [
    "a phone shows every page without sideways scrolling",
    async ({ open, api, base }) => {
      const one = (await failing(api))?.monitor ?? (await healthy(api)).check;
      const page = await open({ width: 390, height: 844 });
      const name = encodeURIComponent(one);
      for (const path of [
        "",
        "monitors",
        `monitors/${name}`,
        `monitors/${name}/edit`,
        "incidents",
        "silences",
        "notifications",
        "events",
        "alerters",
        "cluster",
        "api",
        "about",
      ]) {
        await page.goto(`${base}/ui/${path}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.waitForTimeout(300);
        const over = await page.evaluate(() => {
          const main = document.getElementById("main");
          return Math.max(document.documentElement.scrollWidth - innerWidth, main.scrollWidth - main.clientWidth);
        });
        check(over <= 0, `/${path} is ${over} px too wide`);
      }
    },
  ],
];
