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
    api: "api",
    about: "about",
  };
}

export const shots = ["light", "dark"].flatMap((theme) =>
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
);
