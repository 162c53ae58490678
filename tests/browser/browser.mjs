// Headless Chromium, without any of its own business with the network.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Opens a browser, hands it to `use`, and closes it whatever happens. */
export async function withBrowser(use) {
  const executablePath = PLACES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("Chromium is missing; install the package `chromium`, or name one in CHROMIUM");
  const profile = mkdtempSync(join(tmpdir(), "wtsp-load-browser-"));
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, viewport: null });
  try {
    return await use(context);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Opens a file as a page of a size; what it complains of, and what it asks for beyond itself, is kept. */
export async function openPage(context, file, { width = 1280, height = 900, colorScheme = "light" } = {}) {
  const page = await context.newPage();
  const complaints = [];
  const requests = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme });
  await page.goto(`file://${file}`, { waitUntil: "load" });
  await page.waitForFunction(() => window.wtspReport);
  return { page, complaints, requests: () => requests.filter((url) => url !== `file://${file}`) };
}
