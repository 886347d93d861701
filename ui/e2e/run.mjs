// Browser tests. The same specs run against a real server and against the mock:
//   npm run e2e -- --base http://127.0.0.1:8080     (or NINEVOLT_URL; NINEVOLT_TOKEN when it wants one)
//   npm run e2e                                      (starts the mock; needs `npm run build` first)
//   --only TEXT runs the specs whose name contains it; --shots also writes screenshots to e2e/shots/
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { apiOf, launch, openPage, SHOTS, shut } from "./browser.mjs";
import { makeWorld, serve } from "./mock.mjs";
import { mockSpecs } from "./specs/mock-only.mjs";
import { pageSpecs } from "./specs/pages.mjs";
import { shots } from "./specs/shots.mjs";

const flag = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const SPEC_MS = 240_000;

async function main() {
  mkdirSync(SHOTS, { recursive: true });
  const given = flag("--base") ?? process.env.NINEVOLT_URL;
  const token = process.env.NINEVOLT_TOKEN ?? null;
  const mock = given === undefined ? await startMock() : undefined;
  const base = (given ?? mock.base).replace(/\/$/, "");
  const browser = await launch();
  const context = {
    base,
    token,
    browser,
    api: apiOf(base, token),
    open: (options = {}) => openPage(browser, { base, token, ...options }),
  };
  const only = flag("--only") ?? "";
  const specs = [
    ...pageSpecs,
    ...(mock === undefined ? [] : mockSpecs),
    ...(process.argv.includes("--shots") ? shots : []),
  ];
  let failed = 0;
  let skipped = 0;
  for (const [name, run] of specs.filter(([n]) => n.includes(only))) {
    const began = Date.now();
    try {
      const note = await withDeadline(run(context));
      if (note?.skipped) skipped++;
      console.log(
        `${note?.skipped ? "skip" : "ok  "} ${name} (${Date.now() - began} ms)${note?.skipped ? `: ${note.skipped}` : note ? `: ${note}` : ""}`,
      );
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}\n     ${String(error.message ?? error).replaceAll("\n", "\n     ")}`);
      await keepEvidence(browser, name);
    }
    for (const left of browser.contexts()) await left.close();
  }
  await browser.close();
  await mock?.close();
  console.log(failed === 0 ? `all passed${skipped > 0 ? `, ${skipped} skipped` : ""}` : `${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

async function startMock() {
  if (!existsSync(fileURLToPath(new URL("../dist/index.html", import.meta.url)))) {
    console.error("ui/dist is missing: run `npm run build` first");
    process.exit(2);
  }
  const server = serve(makeWorld());
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { base: `http://127.0.0.1:${server.address().port}`, close: () => shut(server) };
}

function withDeadline(work) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`not done within ${SPEC_MS / 1000} s`)), SPEC_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** The page as it was when the spec failed. */
async function keepEvidence(browser, name) {
  const page = browser.contexts().at(-1)?.pages().at(-1);
  const path = `${SHOTS}failed-${name.replace(/[^a-z0-9]+/gi, "-")}.png`;
  await page
    ?.screenshot({ path })
    .then(() => console.log(`     ${path}`))
    .catch(() => undefined);
}

await main();
