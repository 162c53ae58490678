// Pictures of a page: `node shots.mjs report.html DIR` writes desktop (light, dark), phone, and the page on paper.

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { openPage, withBrowser } from "./browser.mjs";

const [file, directory] = process.argv.slice(2).map((path) => resolve(path));
mkdirSync(directory, { recursive: true });
const SIZES = [
  ["desktop-light", { width: 1280, height: 900 }],
  ["desktop-dark", { width: 1280, height: 900, colorScheme: "dark" }],
  ["phone", { width: 360, height: 780 }],
];
await withBrowser(async (context) => {
  for (const [name, size] of SIZES) {
    const { page, complaints } = await openPage(context, file, size);
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(directory, `${name}-top.png`) });
    await page.evaluate(() => document.getElementById("charts").scrollIntoView());
    await page.waitForTimeout(200);
    await page.screenshot({ path: join(directory, `${name}-charts.png`) });
    await page.screenshot({ path: join(directory, `${name}-whole.png`), fullPage: true });
    if (complaints.length) console.error(name, complaints);
    if (name === "desktop-light") await page.pdf({ path: join(directory, "paper.pdf"), format: "A4" });
    await page.close();
  }
});
