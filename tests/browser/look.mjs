// What a person would try on a page, tried: `node look.mjs report.html` fails with what is wrong. The page of a comparison is
// looked at in the same way.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { openPage, withBrowser } from "./browser.mjs";

const file = resolve(process.argv[2]);

/** Waits for the charts that have a place to be drawn in. */
async function drawn(page) {
  await page.waitForFunction(() => {
    const places = Array.from(document.querySelectorAll("figure[data-chart] .plot")).filter((place) => place.checkVisibility());
    return places.every((place) => place.querySelector("canvas"));
  });
}

async function chartsHaveTheirPoints({ page }) {
  await page.evaluate(() => document.querySelectorAll("details.more").forEach((details) => (details.open = true)));
  await drawn(page);
  const charts = await page.evaluate(() => {
    const { data, ids, plot, column } = window.wtspReport;
    return ids.map((id) => {
      const chart = data.charts.find((one) => one.id === id);
      const drawn = plot(id);
      // A metric that only one of two runs measured has the curve of that one.
      const stored = chart.series.map((one) =>
        chart.kind === "curve" ? data.runs[one.run].curves[one.key]?.micros : column(one.key, "high", one.run),
      );
      const expected = stored.filter(Boolean).map((values) => values.filter((value) => value !== null).length);
      const series = drawn?.data.slice(1, 1 + expected.length) ?? [];
      const points = series.map((values) => values.filter((value) => value !== null && value !== undefined).length);
      // What is drawn is what is stored of that very run.
      const same = series.every(
        (values, line) => chart.kind === "curve" || values.every((value, place) => (value ?? null) === stored[line][place]),
      );
      const canvas = drawn?.root.querySelector("canvas");
      const surface = drawn?.root.querySelector(".u-wrap");
      let painted = 0;
      if (canvas) {
        const { data: pixels } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let place = 3; place < pixels.length; place += 4) painted += pixels[place] > 0;
      }
      return { id, kind: chart.kind, expected, points, same, painted, label: surface?.getAttribute("aria-label") };
    });
  });
  const runs = await page.evaluate(() => window.wtspReport.data.runs.length);
  assert.ok(charts.length >= 4, `${charts.length} charts`);
  for (const { id, kind, expected, points, same, painted, label } of charts) {
    if (points.length === 0) {
      assert.match(id, /\.service$/, `${id} is not drawn`); // on demand
      continue;
    }
    const all = runs === 1 ? "every" : "some";
    assert.ok(expected[all]((count) => count > 0), `${id}: ${expected} points`);
    points.forEach((count, place) => assert.ok(count >= expected[place], `${id}: ${points} of ${expected}`));
    assert.ok(same, `${id}: the points are others than those of its run`);
    assert.ok(painted > 1000, `${id}: ${painted} points of the canvas are painted`);
    assert.match(label, kind === "curve" ? /at most/ : /at most .* at \d+:\d\d|nothing/, id);
  }
  const articles = page.locator("article.latency:has(.choice)");
  if (await articles.count()) {
    const first = articles.first();
    await first.getByRole("button", { name: "service" }).click();
    await drawn(page);
    assert.equal(await first.locator("figure:not(.curve):not([hidden])").count(), 1);
    assert.match(await first.locator("figure:not(.curve):not([hidden])").getAttribute("data-chart"), /\.service$/);
  }
  await page.getByRole("button", { name: "logarithmic" }).click();
  await drawn(page);
}

/** In a comparison: each chart has a line of both runs, which differ in more than their colour. */
async function bothRunsAreDrawn({ page }) {
  const lines = await page.evaluate(() => {
    const { data, ids, plot } = window.wtspReport;
    if (data.runs.length < 2) return null;
    return ids.map((id) => {
      const [, ...series] = plot(id).series;
      const points = plot(id).data.slice(1).map((values) => values.filter((value) => value !== null && value !== undefined).length);
      return { id, series: series.map(({ label, dash, stroke }) => ({ label, dash: String(dash ?? ""), stroke: stroke() })), points };
    });
  });
  if (!lines) return;
  let both = 0;
  for (const { id, series, points } of lines) {
    assert.ok(series.length >= 1 && series.length <= 2, id);
    if (series.length < 2) continue;
    const [base, next] = series;
    assert.deepEqual([base.label, next.label], ["BASE", "NEW"], id);
    assert.notEqual(base.dash, next.dash, `${id}: the lines have the same stroke`);
    assert.notEqual(base.stroke, next.stroke, `${id}: the lines have the same colour`);
    both += points.every((count) => count > 0);
  }
  const measured = await page.evaluate(() => window.wtspReport.data.runs.every((run) => run.timeline.at.length > 0));
  assert.ok(both >= (measured ? 3 : 0), `${both} charts have points of both runs`);
  // What was in a second is told of both.
  const told = (await page.locator("#panel dl").first().innerText()).split(/\s+/);
  assert.ok(told.includes("BASE") && told.includes("NEW"), `${told}`);
}

/** The first chart over time. */
const FIRST = "figure[data-chart]:not(.curve)";

async function aSecondIsTold({ page }) {
  const seconds = await page.evaluate(() => window.wtspReport.at.length);
  if (seconds === 0) return;
  // By keyboard alone: the slider is a field like any other.
  const slider = page.getByRole("slider", { name: "second of the run" });
  await slider.focus();
  await page.keyboard.press("End");
  const last = await page.evaluate(() => window.wtspReport.selected());
  assert.equal(last, seconds - 1);
  await page.keyboard.press("ArrowLeft");
  assert.equal(await page.evaluate(() => window.wtspReport.selected()), seconds - 2);
  const shown = await page.evaluate(() => {
    window.wtspReport.select(Math.min(42, window.wtspReport.at.length - 1), true);
    return document.getElementById("panel").innerText;
  });
  assert.match(shown, /^at \d/);
  // And with a mouse: what is pointed at in one chart is shown in the panel, and in every other chart.
  await page.evaluate(() => document.querySelector("#panel button[aria-pressed]").click());
  const surface = page.locator(`${FIRST} .u-over`).first();
  await surface.scrollIntoViewIfNeeded();
  const box = await surface.boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + box.height / 2);
  const quarter = await page.evaluate(() => window.wtspReport.selected());
  assert.ok(Math.abs(quarter - seconds / 4) <= seconds * 0.05 + 1, `${quarter} of ${seconds}`);
  const others = await page.evaluate(() => {
    const { data, plot } = window.wtspReport;
    const drawn = data.charts.filter((chart) => chart.kind === "time").map((chart) => plot(chart.id)).filter(Boolean);
    return drawn.map((chart) => chart.cursor.idx);
  });
  assert.ok(others.length > 2 && others.every((place) => place === quarter), `${others} are not all ${quarter}`);
  await page.mouse.click(box.x + box.width * 0.75, box.y + box.height / 2);
  const held = await page.evaluate(() => window.wtspReport.selected());
  await page.mouse.move(box.x + 2, box.y + 2);
  assert.equal(await page.evaluate(() => window.wtspReport.selected()), held, "a click holds the second");
}

async function momentsLeadToTheirSecond({ page }) {
  const moments = page.locator("#moments button[data-at]");
  for (let place = 0; place < Math.min(await moments.count(), 3); place += 1) {
    const moment = moments.nth(place);
    await moment.focus();
    await page.keyboard.press("Enter");
    const shown = (await page.locator("#panel h2").innerText()).replace("at ", "");
    assert.equal(shown, (await moment.innerText()).split("–")[0]);
  }
}

async function tablesSort({ page }) {
  const tables = page.locator("table.sortable");
  assert.ok((await tables.count()) >= 2);
  const sorted = await page.evaluate(() => {
    const wrong = [];
    for (const table of document.querySelectorAll("table.sortable")) {
      const before = Array.from(table.tBodies[0].rows, (row) => row.innerText).sort();
      Array.from(table.tHead.rows[0].cells).forEach((heading, place) => {
        for (const expected of heading.classList.contains("n") ? ["descending", "ascending"] : ["ascending", "descending"]) {
          heading.querySelector("button").click();
          if (heading.getAttribute("aria-sort") !== expected) wrong.push(`${table.id} ${place}: not ${expected}`);
          const cells = Array.from(table.tBodies[0].rows, (row) => row.cells[place]);
          const figures = cells.filter((cell) => cell.dataset.v).map((cell) => Number(cell.dataset.v));
          const sign = expected === "ascending" ? 1 : -1;
          if (figures.some((value, at) => at && (value - figures[at - 1]) * sign < 0)) wrong.push(`${table.id} ${place}: ${figures}`);
        }
      });
      const after = Array.from(table.tBodies[0].rows, (row) => row.innerText).sort();
      if (before.join() !== after.join()) wrong.push(`${table.id}: other rows than before`);
      const marked = table.querySelectorAll('th[aria-sort]:not([aria-sort="none"])').length;
      if (marked !== 1) wrong.push(`${table.id}: ${marked} columns are marked as sorted`);
    }
    return wrong;
  });
  assert.deepEqual(sorted, []);
  // And by keyboard.
  const heading = tables.first().locator("thead th").first();
  await heading.getByRole("button").focus();
  const before = await heading.getAttribute("aria-sort");
  await page.keyboard.press("Enter");
  assert.notEqual(await heading.getAttribute("aria-sort"), before);
}

/** The slowest flow comes first when its table is asked for it, and the flows of a mix have such a table. */
async function flowsSortByTheirLatency({ page }) {
  const table = page.locator("#t-latency-by-flow");
  if (!(await table.count())) {
    const mixed = await page.evaluate(() => {
      const flows = Array.from(document.querySelectorAll("#t-flows tbody th"), (cell) => cell.innerText);
      return new Set(flows.filter((flow) => flow !== "side calls")).size > 1;
    });
    return assert.ok(!mixed, "a mix of flows has no latencies by flow");
  }
  const column = (heading) =>
    table.evaluate((element, name) => {
      const place = Array.from(element.tHead.rows[0].cells).findIndex((cell) => cell.innerText.trim() === name);
      return Array.from(element.tBodies[0].rows, ({ cells }) => [cells[place].dataset.v ?? "", cells[place].innerText]);
    }, heading);
  const press = (name) => table.locator("thead button", { hasText: new RegExp(`^${name}$`) }).click();
  await press("p99");
  const p99 = (await column("p99")).map(([value]) => Number(value));
  assert.ok(p99.length >= 4 && p99.every((value, at) => value > 0 && (!at || value <= p99[at - 1])), `p99 falls: ${p99}`);
  await press("flow");
  const flows = (await column("flow")).map(([, name]) => name);
  assert.ok(new Set(flows).size > 1, `${flows}`);
  assert.deepEqual(flows, flows.toSorted());
}

async function figuresAreThereAsTables({ page }) {
  const details = page.locator(`${FIRST} details.data`).first();
  await details.locator("summary").focus();
  await page.keyboard.press("Enter");
  await details.locator("table").waitFor();
  const rows = await details.locator("tbody tr").count();
  assert.equal(rows, await page.evaluate(() => window.wtspReport.at.length));
}

/** The colours of the paper and of the ink, and of the first chart's axis. */
const look = (page) =>
  page.evaluate(() => {
    const style = getComputedStyle(document.documentElement);
    const canvas = document.querySelector("figure[data-chart] canvas");
    const { data: pixels } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let light = 0;
    let painted = 0;
    for (let place = 0; place < pixels.length; place += 4) {
      if (pixels[place + 3] < 250) continue;
      painted += 1;
      light += (pixels[place] + pixels[place + 1] + pixels[place + 2]) / 3;
    }
    return { paper: style.backgroundColor, ink: style.color, chart: light / painted };
  });

/** How light a colour is: 0 to 1, as WCAG counts it. */
function luminance(rgb) {
  const [red, green, blue] = rgb.match(/[\d.]+/g).map((part) => {
    const value = Number(part) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** All texts against what they stand on. */
async function textIsReadable({ page }, scheme) {
  const pairs = await page.evaluate(() => {
    const found = new Map();
    const opaque = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        if (!/, 0\)$|transparent/.test(backgroundColor)) return backgroundColor;
      }
      return getComputedStyle(document.documentElement).backgroundColor;
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.textContent.trim() || !element.checkVisibility()) continue;
      found.set(`${getComputedStyle(element).color}|${opaque(element)}`, element.tagName + "." + element.className);
    }
    return Array.from(found);
  });
  for (const [colours, where] of pairs) {
    const ratio = contrast(...colours.split("|"));
    assert.ok(ratio >= 4.5, `${scheme}: ${where} has a contrast of ${ratio.toFixed(2)} (${colours})`);
  }
}

async function colourSchemes({ page }) {
  const light = await look(page);
  await page.getByRole("button", { name: "dark" }).click();
  await drawn(page);
  const dark = await look(page);
  assert.ok(luminance(light.paper) > 0.8 && luminance(dark.paper) < 0.05, `${light.paper}, ${dark.paper}`);
  assert.ok(Math.abs(light.chart - dark.chart) > 20, `charts: ${light.chart}, ${dark.chart}`);
  await textIsReadable({ page }, "dark");
  await page.getByRole("button", { name: "light" }).click();
  await textIsReadable({ page }, "light");
  await page.getByRole("button", { name: "system" }).click();
  await page.emulateMedia({ colorScheme: "dark" });
  await drawn(page);
  assert.equal((await look(page)).paper, dark.paper, "the system's choice is followed");
  await page.emulateMedia({ colorScheme: "light" });
}

async function fits({ page }, width) {
  const wide = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const over = Array.from(document.querySelectorAll("body *")).filter(
      (element) => !element.closest(".scroll") && element.checkVisibility() && element.getBoundingClientRect().right > clientWidth + 1,
    );
    return { scrollWidth, clientWidth, over: over.slice(0, 5).map((element) => `${element.tagName}.${element.className}`) };
  });
  assert.ok(wide.scrollWidth <= wide.clientWidth, `${width} px: ${wide.scrollWidth} wide, by ${wide.over}`);
}

async function ladders({ page }) {
  const ladder = page.locator("details.ladder").first();
  if (!(await ladder.count())) return;
  assert.equal(await ladder.locator("table").isVisible(), false, "a ladder is folded");
  await ladder.locator("summary").first().focus();
  await page.keyboard.press("Enter");
  assert.ok(await ladder.locator("table").isVisible());
  // A ladder of two parties can be read without scrolling, texts and all, on a phone, too.
  const wide = await page.evaluate(() => {
    const all = Array.from(document.querySelectorAll("details.ladder"));
    all.forEach((one) => one.querySelectorAll("details").forEach((text) => (text.open = one.open = true)));
    const twos = all.filter((one) => one.querySelectorAll("th.leg").length === 2);
    return twos.map((one) => one.querySelector(".scroll")).map(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]);
  });
  assert.ok(wide.length && wide.every(([needed, there]) => needed <= there), `ladders need and have: ${JSON.stringify(wide)}`);
}

const VISITS = [
  ["desktop", { width: 1280, height: 900 }, [chartsHaveTheirPoints, bothRunsAreDrawn, aSecondIsTold, momentsLeadToTheirSecond, tablesSort, flowsSortByTheirLatency, figuresAreThereAsTables, ladders, colourSchemes]],
  ["phone", { width: 360, height: 780 }, [ladders]],
  ["phone in the dark", { width: 360, height: 780, colorScheme: "dark" }, []],
];

await withBrowser(async (context) => {
  for (const [name, size, tries] of VISITS) {
    const visit = await openPage(context, file, size);
    await drawn(visit.page);
    await fits(visit, size.width);
    for (const attempt of tries) await attempt(visit);
    await fits(visit, size.width);
    // On paper, too.
    if (name === "desktop") assert.ok((await visit.page.pdf({ format: "A4" })).length > 10_000);
    assert.deepEqual(visit.complaints, [], `${name}: the console has something to say`);
    assert.deepEqual(visit.requests(), [], `${name}: the page asked for something`);
    await visit.page.close();
    console.log(`${name}: fine`);
  }
});
