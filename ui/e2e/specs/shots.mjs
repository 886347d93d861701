// Pictures of the main pages, to be looked at.
import { SHOTS } from "../browser.mjs";

const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

async function pagesToShow(api) {
  const bad = await api("/state?sort=status&limit=1&config=false");
  const good = await api("/state?status=ok&type=http&limit=1&config=false");
  const name = encodeURIComponent(bad[0].check);
  const fine = encodeURIComponent((good[0] ?? bad[0]).check);
  return {
    overview: "",
    monitors: "monitors",
    "monitor-bad": `monitors/${name}`,
    "monitor-good": `monitors/${fine}`,
    edit: `monitors/${fine}/edit`,
    incidents: "incidents",
    notifications: "notifications",
    silences: "silences",
    events: "events",
    alerters: "alerters",
    cluster: "cluster",
    api: "api",
    about: "about",
  };
}

/** What opens over a page. */
async function dialogs({ open, api, base }, theme, size) {
  const page = await open({ ...SIZES[size], theme });
  const shoot = async (name) => {
    await page.waitForTimeout(400);
    await page.screenshot({ path: `${SHOTS}${name}-${theme}-${size}.png` });
  };
  const good = (await api("/state?status=ok&type=http&limit=1&config=false"))[0];
  await page.goto(`${base}/ui/monitors/${encodeURIComponent(good.check)}`);
  await page.getByRole("button", { name: "Run now" }).click();
  await page.locator("[data-run-result]").waitFor();
  await shoot("dialog-run");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Silence" }).click();
  await shoot("dialog-silence");
  await page.keyboard.press("Escape");
  await page.locator("[data-verdicts] summary").first().click();
  await page.locator("[data-chart]").hover();
  await page.locator("[data-verdicts]").scrollIntoViewIfNeeded();
  await shoot("monitor-below");
  await page.goto(`${base}/ui/monitors?type=http&disabled=false`);
  await page.locator("[data-monitor]").first().waitFor();
  await page.getByRole("button", { name: /Filters/ }).click();
  await shoot("filters");
  await page.goto(`${base}/ui/api`);
  await page.locator("[data-operation] summary").nth(1).click();
  await shoot("api-open");
}

export const shots = ["light", "dark"]
  .flatMap((theme) =>
    Object.entries(SIZES).map(([size, viewport]) => [
      `screenshots, ${theme}, ${size}`,
      async ({ open, api, base }) => {
        const page = await open({ ...viewport, theme });
        for (const [name, path] of Object.entries(await pagesToShow(api))) {
          await page.goto(`${base}/ui/${path}`);
          await page.getByRole("heading", { level: 1 }).waitFor();
          await page.waitForTimeout(700);
          await page.screenshot({ path: `${SHOTS}${name}-${theme}-${size}.png` });
        }
      },
    ]),
  )
  .concat([
    ["screenshots of dialogs, dark, wide", (context) => dialogs(context, "dark", "wide")],
    ["screenshots of dialogs, light, wide", (context) => dialogs(context, "light", "wide")],
    ["screenshots of dialogs, light, phone", (context) => dialogs(context, "light", "phone")],
  ]);
