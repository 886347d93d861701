// The browser and the small things every spec needs.
import { createServer, request } from "node:http";
import { fileURLToPath } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";

export const SHOTS = fileURLToPath(new URL("./shots/", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--no-default-browser-check",
  // Nothing but this machine is ever asked.
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
];

export const launch = () => chromium.launch({ executablePath: CHROMIUM, headless: true, args: QUIET });

/** A page that remembers what went wrong in it. */
export async function openPage(browser, { width = 1440, height = 900, theme = "light", token = null, base } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: "reduce",
  });
  if (token !== null) await context.request.post(`${base}/api/v1/session`, { data: { token } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(`page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/401|404|412|422|Failed to load resource/.test(message.text())) {
      page.problems.push(`console: ${message.text()}`);
    }
  });
  page.done = () => context.close();
  return page;
}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** Serious and critical violations only; the rest is a matter of taste. */
export async function axe(page, where) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const bad = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  const words = bad.map(
    (v) =>
      `${v.id}: ${v.help} (${v.nodes
        .map((n) => n.target.join(" "))
        .slice(0, 3)
        .join("; ")})`,
  );
  check(bad.length === 0, `axe on ${where}:\n  ${words.join("\n  ")}`);
}

/** A reverse proxy that serves the target under a prefix, as a site's front door would. */
export async function proxyUnder(prefix, target) {
  const to = new URL(target);
  const server = createServer((req, res) => {
    if (!req.url.startsWith(`${prefix}/`)) {
      res.writeHead(404, { "content-type": "text/plain" });
      return res.end("outside the prefix");
    }
    const options = {
      host: to.hostname,
      port: to.port,
      method: req.method,
      path: req.url.slice(prefix.length),
      headers: req.headers,
    };
    const upstream = request(options, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    upstream.on("error", () => res.destroy());
    res.on("close", () => upstream.destroy());
    req.pipe(upstream);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { base: `http://127.0.0.1:${server.address().port}${prefix}`, close: () => shut(server) };
}

export function shut(server) {
  server.closeAllConnections();
  return new Promise((done) => server.close(done));
}

/** The API, asked beside the page, to find out what there is to test. */
export function apiOf(base, token) {
  const headers = token === null ? {} : { "x-access-token": token };
  return async (path, options = {}) => {
    const response = await fetch(`${base}/api/v1${path}`, { ...options, headers: { ...headers, ...options.headers } });
    const text = await response.text();
    check(response.ok, `${options.method ?? "GET"} ${path}: ${response.status} ${text.slice(0, 200)}`);
    return text === "" ? undefined : JSON.parse(text);
  };
}
