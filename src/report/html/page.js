// The script of report.html, and of the page of a comparison, which has two runs in the same charts: draws them, tells
// what was in a second, sorts tables, switches the colours. It reads the JSON in #data, and sends nothing anywhere: the page's policy would not let it.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { runs } = data;
  // The points of all runs: those of two begin at multiples of the same length, so they have most in common.
  const at = Array.from(new Set(runs.flatMap((run) => run.timeline.at))).sort((one, other) => one - other);
  const { every } = runs[0].timeline;
  const NARROW = 1100; // below this width in pixels the panel is a sheet at the bottom
  const PRINTED = 660; // the width of a chart on paper, in pixels

  // ---- figures, written as the rest of the page writes them

  /** Microseconds at three digits: `870 µs`, `23.1 ms`, `1.02 s`, `2.5 min`. */
  function latency(micros) {
    if (micros < 1000) return `${Math.round(micros)} µs`;
    if (micros < 999500) return `${digits(micros / 1e3)} ms`;
    if (micros < 59950000) return `${digits(micros / 1e6)} s`;
    return `${(micros / 6e7).toFixed(1)} min`;
  }
  const digits = (value) => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
  const grouped = (text) => text.replace(/\B(?=(\d{3})+$)/g, "\u00a0");
  function number(value) {
    const [whole, rest] = String(Math.round(value * 1000) / 1000).split(".");
    return grouped(whole) + (rest ? `.${rest}` : "");
  }
  function written(value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "us") return latency(value);
    return number(value) + (unit === "%" ? " %" : "");
  }
  /** Like `written`, without digits that a tick does not need. */
  const tick = (value, unit) => (value === 0 ? "0" : written(value, unit)).replace(/\.0+(?= )/, "").replace(/(\.\d*?)0+(?= )/, "$1");

  const hasHours = data.duration_s >= 3600;
  /** Seconds as a clock shows them: `00:42`, or `1:00:42` in runs of an hour and more. */
  function clock(seconds) {
    const whole = Math.floor(seconds + 1e-6);
    const two = (part) => String(part).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    return hasHours
      ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`
      : `${two(minutes)}:${two(whole % 60)}`;
  }

  // ---- the timeline

  /** Points as they are stored: plain, without their zeros, or as times of 16 bits. */
  function expand(points) {
    if (Array.isArray(points)) return points;
    if (typeof points === "string") {
      const bytes = atob(points);
      return Array.from({ length: bytes.length / 2 }, (_, place) => {
        const code = bytes.charCodeAt(2 * place) | (bytes.charCodeAt(2 * place + 1) << 8);
        return code === 0xffff ? null : (code & 0x1fff) * 10 ** (code >> 13);
      });
    }
    const all = new Array(points.count).fill(0);
    for (const [place, value] of points.sparse) all[place] = value;
    return all;
  }
  /** What a run has, at the points of all runs. */
  function aligned({ timeline }, points) {
    if (timeline.at.length === at.length) return points;
    const known = new Map(timeline.at.map((seconds, place) => [seconds, points[place]]));
    return at.map((seconds) => known.get(seconds) ?? null);
  }
  const expanded = new Map();
  /** The points of a column: `high`, `low` in a thinned run, `sum` where it differs. */
  function column(key, part = "high", run = 0) {
    const name = `${run}/${key}/${part}`;
    if (!expanded.has(name)) {
      const points = runs[run].timeline.series[key]?.[part];
      expanded.set(name, points === undefined ? null : aligned(runs[run], expand(points)));
    }
    return expanded.get(name);
  }
  const pointsOfLine = (one) => column(one.key, "high", one.run);
  const curveOf = (one) => runs[one.run].curves[one.key];
  const lengths = runs.map((run) => aligned(run, run.timeline.length));
  /** The point that a time lies in. */
  function pointAt(seconds) {
    let place = at.length - 1;
    while (place > 0 && at[place] > seconds + 1e-6) place -= 1;
    return place;
  }

  // ---- small helpers for the document

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

  // ---- colours: the style sheet has them, for light and for dark

  const probe = make("span", { hidden: "" });
  document.body.append(probe);
  let colours = new Map();
  function colour(name) {
    if (!colours.has(name)) {
      probe.style.color = `var(--${name})`;
      colours.set(name, getComputedStyle(probe).color);
    }
    return colours.get(name);
  }
  const faint = (rgb, alpha) => rgb.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
  // Lines differ in their stroke, too.
  const DASHES = { 4: [6, 3], 5: [6, 3], 6: [2, 3], 7: [8, 3, 2, 3], 11: [3, 3], 12: [5, 3] };

  // ---- charts

  const plots = new Map(); // by id: { chart, host, plot }
  const byId = new Map(data.charts.map((chart) => [chart.id, chart]));
  let logarithmic = false;
  let pinned = false;
  let selected = at.length ? 0 : -1;

  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

  function axis(more) {
    return {
      stroke: () => colour("faint"),
      grid: { stroke: () => colour("line"), width: 1 },
      ticks: { stroke: () => colour("line"), width: 1, size: 4 },
      font: "11px system-ui, sans-serif",
      gap: 4,
      ...more,
    };
  }

  /** The value axis is as wide as its longest label. */
  function widthOf(u, values) {
    const longest = (values ?? []).reduce((longest, text) => Math.max(longest, (text ?? "").length), 3);
    return longest * 6.5 + 14;
  }

  function scaleOf(unit) {
    if (unit === "us" && logarithmic) return { distr: 3 };
    return { range: (u, low, high) => [0, high > 0 ? high * 1.08 : 1] };
  }

  /** A point that has no neighbours is no line: it gets a dot. */
  function lonely(u, series) {
    const values = u.data[series];
    const found = [];
    values.forEach((value, place) => {
      const alone = (values[place - 1] ?? null) === null && (values[place + 1] ?? null) === null;
      if (value !== null && value !== undefined && alone) found.push(place);
    });
    return found;
  }

  function line(series, unit, more = {}) {
    const name = `c${series.colour}`;
    return {
      label: series.label,
      stroke: () => colour(name),
      width: series.colour === 11 ? 1 : 1.5,
      dash: DASHES[series.colour],
      fill: series.fill && every === 1 ? () => faint(colour(name), 0.1) : undefined,
      value: (u, value) => (value === null || value === undefined ? "" : written(value, unit)),
      points: { show: true, size: 4, filter: lonely, fill: () => colour(name) },
      ...more,
    };
  }

  /** Stages as bands with their names, and what else is marked. */
  function marks(u) {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    const x = (seconds) => Math.min(Math.max(u.valToPos(seconds, "x", true), bbox.left), bbox.left + bbox.width);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - 16 * ratio, bbox.width, bbox.height + 16 * ratio);
    ctx.clip();
    ctx.font = `${10 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "bottom";
    ctx.textAlign = "left";
    data.stages.forEach((stage, place) => {
      const [from, to] = [x(stage.from), x(stage.to)];
      if (to <= from) return;
      if (place % 2) {
        ctx.fillStyle = colour("band");
        ctx.fillRect(from, bbox.top, to - from, bbox.height);
      }
      ctx.fillStyle = colour("faint");
      ctx.fillRect(from, bbox.top - 13 * ratio, ratio, 13 * ratio);
      const room = to - from - 8 * ratio;
      let name = stage.name;
      while (name && ctx.measureText(name).width > room) name = name.slice(0, -1);
      ctx.fillText(name, from + 4 * ratio, bbox.top - 2 * ratio);
    });
    for (const stretch of data.unfit) {
      const [from, to] = [x(stretch.from), Math.max(x(stretch.to), x(stretch.from) + ratio)];
      ctx.save();
      ctx.beginPath();
      ctx.rect(from, bbox.top, to - from, bbox.height);
      ctx.clip();
      // Of two runs each has a colour and a slant.
      ctx.strokeStyle = faint(colour(runs.length > 1 ? `c${12 + stretch.run}` : "void"), 0.35);
      ctx.lineWidth = ratio;
      const [begins, ends] = stretch.run ? [0, bbox.height] : [bbox.height, 0];
      for (let left = from - bbox.height; left < to; left += 6 * ratio) {
        ctx.beginPath();
        ctx.moveTo(left, bbox.top + begins);
        ctx.lineTo(left + bbox.height, bbox.top + ends);
        ctx.stroke();
      }
      ctx.restore();
    }
    ctx.restore();
  }

  /** What changed the run: a line with its name, to the side where there is room. */
  function drawChanges(u) {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${10 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.strokeStyle = ctx.fillStyle = colour("accent");
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    for (const change of data.changes) {
      const left = u.valToPos(change.from, "x", true);
      if (left < bbox.left || left > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(left, bbox.top);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.stroke();
      ctx.textAlign = left > bbox.left + bbox.width / 2 ? "right" : "left";
      ctx.fillText(change.name, left + (ctx.textAlign === "left" ? 4 : -4) * ratio, bbox.top + 2 * ratio);
    }
    ctx.restore();
  }

  /** The second that was chosen. */
  function drawPin(u) {
    if (!pinned || selected < 0) return;
    const { ctx, bbox } = u;
    const left = u.valToPos(at[selected], "x", true);
    if (left < bbox.left || left > bbox.left + bbox.width) return;
    ctx.save();
    ctx.fillStyle = colour("accent");
    ctx.fillRect(left - devicePixelRatio / 2, bbox.top, devicePixelRatio * 1.5, bbox.height);
    ctx.restore();
  }

  let zooming = false;
  /** What one chart is zoomed to, all are. */
  function zoomAll(u, scale) {
    if (scale !== "x" || zooming) return;
    zooming = true;
    const { min, max } = u.scales.x;
    for (const { chart, plot } of plots.values()) {
      if (plot && plot !== u && chart.kind === "time") plot.setScale("x", { min, max });
    }
    zooming = false;
  }

  function timeOptions(chart, series, values) {
    const stepped = chart.unit === "/s" ? { paths: uPlot.paths.stepped({ align: 1 }) } : {};
    const lines = series.map((one) => line(one, chart.unit, stepped));
    const bands = [];
    if (every > 1) {
      series.forEach((one, place) => {
        values.push(column(one.key, "low", one.run));
        lines.push({ show: true, class: "low", width: 0, points: { show: false }, ...stepped });
        const name = `c${one.colour}`;
        bands.push({ series: [place + 1, series.length + place + 1], fill: () => faint(colour(name), 0.22) });
      });
    }
    return {
      scales: { x: { time: false, range: (u, low, high) => (low === null ? [0, 1] : [low, high]) }, y: scaleOf(chart.unit) },
      axes: [
        axis({ incrs: STEPS, values: (u, splits) => splits.map(clock), space: 60, size: 26 }),
        axis({ values: (u, splits) => splits.map((value) => (value === null ? "" : tick(value, chart.unit))), size: widthOf }),
      ],
      series: [{ label: "at", value: (u, value) => (value === null ? "" : clock(value)) }, ...lines],
      bands,
      cursor: { sync: { key: "time", setSeries: false }, drag: { x: true, y: false }, y: false },
      hooks: {
        drawClear: [marks],
        draw: [drawChanges, drawPin],
        setScale: [zoomAll],
        setCursor: [(u) => hovered(u)],
      },
      padding: [18, 22, 0, 0],
    };
  }

  const PARTS = [1, 2, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7];
  /** A part of all, by one in how many took longer: 100 is the p99. */
  const part = (oneIn) => `${oneIn === 2 ? 50 : Number((100 - 100 / oneIn).toFixed(6))} %`;

  function curveOptions(chart, series) {
    return {
      scales: { x: { time: false, distr: 3, range: (u, low, high) => [1, Math.max(high ?? 10, 10)] }, y: scaleOf("us") },
      axes: [
        axis({
          // Where there is little room the median's place goes without its name, where there is less every other.
          splits: (u, index, low, high) => {
            const room = u.width / Math.log10(high);
            const fits = (value) => (value === 2 ? room > 130 : room > 65 || Math.round(Math.log10(value)) % 2 === 0);
            return PARTS.filter((value) => value >= low && value <= high * 1.01 && fits(value));
          },
          values: (u, splits) => splits.map(part),
          filter: (u, splits) => splits,
          size: 26,
          space: 30,
        }),
        axis({ values: (u, splits) => splits.map((value) => (value === null ? "" : tick(value, "us"))), size: widthOf }),
      ],
      series: [
        { label: "part", value: (u, value) => (value === null ? "" : part(value)) },
        ...series.map((one) => line(one, "us", { spanGaps: true })),
      ],
      cursor: { drag: { x: false, y: false }, y: false },
      padding: [18, 22, 0, 0],
    };
  }

  /** The series of a chart that there are points of, with the points. */
  function pointsOf(chart) {
    if (chart.kind === "curve") {
      const series = chart.series.filter(curveOf);
      const tables = series.map((one) => [curveOf(one).one_in, curveOf(one).micros]);
      return { series, values: tables.length > 1 ? uPlot.join(tables) : (tables[0] ?? [[]]) };
    }
    const series = chart.series.filter(pointsOfLine);
    return { series, values: [at, ...series.map(pointsOfLine)] };
  }

  function draw(entry, width) {
    const { chart, host } = entry;
    const { series, values } = pointsOf(chart);
    const options = chart.kind === "curve" ? curveOptions(chart, series) : timeOptions(chart, series, values);
    entry.plot?.destroy();
    entry.plot = new uPlot({ ...options, width, height: 200, legend: { live: true, markers: { dash: (u, place) => (u.series[place].dash ? "dashed" : "solid") } } }, values, host);
    const surface = entry.plot.root.querySelector(".u-wrap");
    surface.setAttribute("role", "img");
    surface.setAttribute("aria-label", described(chart, series, host));
    if (chart.kind === "time") {
      surface.tabIndex = 0;
      surface.addEventListener("keydown", steer);
      pinOnClick(entry.plot);
    }
  }

  /** A chart in words. */
  function described(chart, series, host) {
    const title = host.closest("figure").querySelector("figcaption").textContent;
    const said = series.map((one) => {
      const values = chart.kind === "curve" ? curveOf(one).micros : pointsOfLine(one);
      let highest = -1;
      values.forEach((value, place) => {
        if (value !== null && (highest < 0 || value > values[highest])) highest = place;
      });
      if (highest < 0) return `${one.label}: nothing`;
      const where = chart.kind === "curve" ? "" : ` at ${clock(at[highest])}`;
      return `${one.label}: at most ${written(values[highest], chart.unit)}${where}`;
    });
    return `${title}. ${said.join("; ")}. The figures are in the table below it.`;
  }

  // A chart is drawn once it has a width: what is folded or hidden has none.
  const watch = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const entry = plots.get(target.parentElement.dataset.chart);
      const width = Math.floor(contentRect.width);
      if (width < 50) continue;
      if (!entry.plot) draw(entry, width);
      else if (entry.plot.width !== width) entry.plot.setSize({ width, height: 200 });
    }
  });
  for (const figure of all("figure[data-chart]")) {
    const id = figure.dataset.chart;
    plots.set(id, { chart: byId.get(id), host: figure.querySelector(".plot"), plot: null });
    tableOf(figure, byId.get(id));
  }
  function drawAll(width) {
    for (const entry of plots.values()) {
      if (entry.plot) draw(entry, width ?? entry.plot.width);
    }
  }

  /** The figures of a chart as a table, made when it is opened. */
  function tableOf(figure, chart) {
    const details = figure.querySelector("details.data");
    const fill = () => {
      const { series, values } = pointsOf(chart);
      const first = chart.kind === "curve" ? "part" : "at";
      const head = make("tr", {}, ...[first, ...series.map((one) => one.label)].map((text) => make("th", { scope: "col" }, text)));
      const rows = values[0].map((x, place) => {
        const cells = series.map((one, index) => make("td", { class: "n" }, written(values[index + 1][place], chart.unit)));
        return make("tr", {}, make("th", { scope: "row" }, chart.kind === "curve" ? part(x) : clock(x)), ...cells);
      });
      const caption = make("caption", {}, figure.querySelector("figcaption").textContent);
      const table = make("table", {}, caption, make("thead", {}, head), make("tbody", {}, ...rows));
      details.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "figures" }, table));
    };
    details.addEventListener("toggle", fill, { once: true });
  }

  // ---- the panel: what was in a second

  const panel = document.getElementById("panel");
  const title = make("h2", { id: "panel-title" });
  const when = make("p", { class: "note" });
  const slider = make("input", { type: "range", min: "0", max: String(Math.max(at.length - 1, 0)), "aria-label": "second of the run" });
  const pin = make("button", { type: "button", "aria-pressed": "false" }, "hold");
  const close = make("button", { type: "button", class: "close" }, "close");
  const told = make("ul", { class: "told" });
  const groups = make("div", { class: "groups" });
  panel.classList.toggle("two", runs.length > 1);
  panel.append(make("div", { class: "top" }, title, pin, close), when, slider, told, groups);

  function show(place) {
    if (place < 0 || place >= at.length) return;
    selected = place;
    const from = at[place];
    const length = Math.max(...lengths.map((length) => length[place] ?? 0));
    title.textContent = `at ${clock(from)}`;
    const stage = data.stages.find((one) => from >= one.from - 0.5 && from < one.to);
    const utc = ({ name, started_at }) => `${name} ${new Date(started_at + from * 1000).toISOString().slice(11, 19)} UTC`.trim();
    when.textContent = `${runs.map(utc).join(", ")}, ${stage ? `stage ${stage.name}` : data.stages.length ? "beyond the stages" : "stages differ"}, ${number(Math.round(length * 100) / 100)} s counted`;
    slider.value = place;
    slider.setAttribute("aria-valuetext", clock(from));
    const moments = all("#moments li[data-from]").filter((item) => {
      const [begins, ends] = [Number(item.dataset.from), Number(item.dataset.to)];
      return begins < from + length - 1e-3 && ends > from + 1e-3;
    });
    told.replaceChildren(...moments.map((item) => make("li", {}, `${item.querySelector("button").textContent} ${item.querySelector("span").textContent}`)));
    groups.replaceChildren(...data.panel.map((group) => groupOf(group, place)).filter(Boolean));
  }

  function groupOf(group, place) {
    const rows = [];
    for (const row of group.rows) {
      const values = runs.map((_, run) => (column(row.key, "sum", run) ?? column(row.key, "high", run))?.[place] ?? null);
      if (row.sparse && !values.some(Boolean)) continue;
      rows.push(make("dt", {}, row.label), ...values.map((value) => make("dd", {}, written(value, row.unit))));
    }
    if (!rows.length) return null;
    if (runs.length > 1) rows.unshift(make("dt", { class: "runs" }, "of"), ...runs.map(({ name }) => make("dd", { class: "runs" }, name)));
    return make("section", {}, make("h3", {}, group.title), make("dl", {}, ...rows));
  }

  /** The cursor of all charts on the second that is shown. */
  let moving = false;
  function moveCursors() {
    moving = true;
    for (const { chart, plot } of plots.values()) {
      if (plot && chart.kind === "time") {
        plot.setCursor({ left: plot.valToPos(at[selected], "x"), top: 1 }, true, false);
      }
    }
    moving = false;
  }

  function hold(held) {
    pinned = held;
    pin.setAttribute("aria-pressed", String(held));
    for (const { chart, plot } of plots.values()) if (plot && chart.kind === "time") plot.redraw(false);
  }

  function select(place, held) {
    panel.hidden = false;
    show(Math.min(Math.max(place, 0), at.length - 1));
    if (held !== undefined) hold(held);
    moveCursors();
  }

  function hovered(u) {
    const place = u.cursor.idx;
    // What is in another chart comes by the synced cursor, too; one of them is enough.
    if (moving || pinned || place === null || place === undefined || place === selected) return;
    if (innerWidth >= NARROW) panel.hidden = false;
    show(place);
  }

  function pinOnClick(u) {
    let pressed = 0;
    u.over.addEventListener("mousedown", (event) => (pressed = event.clientX));
    u.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - pressed) > 3 || u.cursor.idx === null) return;
      const again = pinned && u.cursor.idx === selected;
      select(u.cursor.idx, !again);
    });
  }

  function steer(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: 10, PageUp: -10 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      select(selected + step, true);
    } else if (event.key === "Escape") {
      hold(false);
    }
  }

  if (at.length) {
    slider.addEventListener("input", () => select(Number(slider.value), true));
    pin.addEventListener("click", () => hold(!pinned));
    close.addEventListener("click", () => (panel.hidden = true));
    const first = all("#moments li[data-from]").find((item) => Number(item.dataset.from) > 0);
    show(first ? pointAt(Number(first.dataset.from)) : Math.floor(at.length / 2));
    panel.hidden = innerWidth < NARROW;
    for (const button of all("#moments button[data-at]")) {
      button.addEventListener("click", () => {
        select(pointAt(Number(button.dataset.at)), true);
        document.getElementById("charts").scrollIntoView({ block: "start" });
      });
    }
  }

  // ---- tables that sort

  /** What a cell is sorted by: its figure, or its words. */
  function keyOf(row, place) {
    const cell = row.cells[place];
    return cell.dataset.v ? Number(cell.dataset.v) : cell.textContent.trim().toLowerCase();
  }
  function compare(one, other) {
    if (typeof one === typeof other) return one < other ? -1 : one > other ? 1 : 0;
    return typeof one === "number" ? -1 : 1;
  }
  function sort(table, heading, place) {
    const figures = heading.classList.contains("n");
    const before = heading.getAttribute("aria-sort");
    // Figures begin with the highest, words with the first.
    const down = before === "none" ? figures : before === "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).sort((one, other) => compare(keyOf(one, place), keyOf(other, place)) * (down ? -1 : 1));
    body.append(...rows);
  }
  for (const table of all("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((heading, place) => {
      const button = make("button", { type: "button" }, heading.textContent);
      heading.replaceChildren(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, heading, place));
    });
  }

  // ---- response or service, logarithmic or not, light or dark

  function choice(label, names, chosen, choose) {
    const group = make("div", { class: "choice", role: "group", "aria-label": label });
    for (const name of names) {
      const button = make("button", { type: "button", "aria-pressed": String(name === chosen) }, name);
      button.addEventListener("click", () => {
        for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
        choose(name);
      });
      group.append(button);
    }
    return group;
  }

  for (const article of all("article.latency:has(figure[hidden])")) {
    const figures = all("figure[data-chart]:not(.curve)", article);
    if (figures.length < 2) continue;
    const part = (figure) => figure.dataset.chart.split(".")[1];
    const show = (name) => figures.forEach((figure) => (figure.hidden = part(figure) !== name));
    article.querySelector("h3").append(choice("which latency", figures.map(part), "response", show));
  }

  document.querySelector("#latency h2")?.append(
    choice("scale of latencies", ["linear", "logarithmic"], "linear", (name) => {
      logarithmic = name === "logarithmic";
      drawAll();
    }),
  );

  let scheme = "system";
  function repaint() {
    colours = new Map();
    drawAll();
  }
  function applyScheme(name) {
    scheme = name;
    document.documentElement.style.colorScheme = name === "system" ? "" : name;
    repaint();
  }
  document.getElementById("tools").append(choice("colours", ["system", "light", "dark"], scheme, applyScheme));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

  // On paper all is light, and as wide as the paper.
  addEventListener("beforeprint", () => {
    document.documentElement.style.colorScheme = "light";
    colours = new Map();
    drawAll(PRINTED);
  });
  addEventListener("afterprint", () => {
    applyScheme(scheme);
    for (const { host, plot } of plots.values()) {
      if (plot && host.clientWidth > 50) plot.setSize({ width: host.clientWidth, height: 200 });
    }
  });

  // Last, as drawing needs all that stands above.
  for (const { host } of plots.values()) watch.observe(host);

  // For tests: the charts that are drawn, by their names, and the data they are drawn from.
  window.wtspReport = {
    data,
    at,
    column,
    select,
    plot: (id) => plots.get(id)?.plot ?? null,
    ids: Array.from(plots.keys()),
    selected: () => selected,
  };
})();
