"use strict";
// The two charts of replication.

const SIZE = { width: 480, height: 300, left: 46, right: 14, top: 12, bottom: 42 };
const BINS = 30;
const SIGNIFICANT = 0.05;

/** Steps of 1, 2 or 5 that divide a range into about five. */
function ticksOf(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const ticks = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1000; at += step) ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

/** An empty chart: its drawing, and where values are in it. Each axis has a name, a low and a high end. */
function chart(about, across, up) {
  const [right, bottom] = [SIZE.width - SIZE.right, SIZE.height - SIZE.bottom];
  const x = (value) => SIZE.left + ((value - across.low) / (across.high - across.low)) * (right - SIZE.left);
  const y = (value) => bottom - ((value - up.low) / (up.high - up.low)) * (bottom - SIZE.top);
  const svg = draw("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img", "aria-label": about, class: "chart" });
  for (const tick of ticksOf(up.low, up.high)) {
    svg.append(line(SIZE.left, y(tick), right, y(tick), "gridline"), words(told(tick), SIZE.left - 6, y(tick) + 4, "end"));
  }
  for (const tick of ticksOf(across.low, across.high)) svg.append(words(told(tick), x(tick), bottom + 16, "middle"));
  svg.append(line(SIZE.left, bottom, right, bottom, "axis"), words(across.name, (SIZE.left + right) / 2, SIZE.height - 8, "middle"));
  svg.append(draw("text", { transform: `translate(12 ${(SIZE.top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, up.name));
  return { svg, x, y };
}

function line(x1, y1, x2, y2, name) {
  return draw("line", { x1, y1, x2, y2, class: name });
}

function words(text, x, y, anchor, name = "") {
  return draw("text", { x, y, "text-anchor": anchor, class: name }, text);
}

function drawHistogram(replication) {
  const replicates = replication.treatments.map((one) => one.correlation).filter((one) => one !== null);
  const all = [...replication.null, ...replicates];
  if (!all.length) return byId("histogram").append(make("p", { class: "quiet" }, "No correlation is known."));
  const [low, high] = [Math.floor(Math.min(...all, 0) * 10) / 10, Math.ceil(Math.max(...all, 0.1) * 10) / 10];
  const random = sharesOf(replication.null, low, high);
  const same = sharesOf(replicates, low, high);
  const about = `Histogram of ${told(replicates.length)} treatments and ${told(replication.null.length)} random groups of wells`;
  const up = { name: "share of each, %", low: 0, high: Math.max(...random, ...same, 1) * 1.05 };
  const { svg, x, y } = chart(about, { name: "median correlation of replicates", low, high }, up);
  const bin = (high - low) / BINS;
  const bars = (shares, name) => shares.forEach((share, at) => share && svg.append(draw("rect", {
    x: x(low + at * bin), y: y(share), width: x(low + bin) - x(low), height: y(0) - y(share), class: name })));
  bars(random, "random");
  bars(same, "same");
  if (replication.threshold !== null) addThreshold(svg, x(replication.threshold), `threshold ${told(replication.threshold)}`);
  return byId("histogram").append(svg, chartLegend([["swatch random", "random wells"], ["swatch same", "replicates of a treatment"]]));
}

/** Percent of the values in each bin. */
function sharesOf(values, low, high) {
  const shares = new Array(BINS).fill(0);
  for (const value of values) {
    shares[Math.min(BINS - 1, Math.floor(((value - low) / (high - low)) * BINS))] += 100 / values.length;
  }
  return shares;
}

function addThreshold(svg, x, text) {
  const isRight = x > SIZE.width * 0.6;
  svg.append(line(x, SIZE.top, x, SIZE.height - SIZE.bottom, "threshold"),
    words(text, x + (isRight ? -6 : 6), SIZE.top + 10, isRight ? "end" : "start", "strong"));
}

function chartLegend(lines) {
  return make("ul", { class: "legend" }, ...lines.map(([name, text]) => make("li", {}, make("span", { class: name }), text)));
}

function drawPrecision(replication) {
  const known = replication.treatments.filter((one) => one.map !== null && one.corrected_p !== null);
  if (!known.length) return byId("precision").append(make("p", { class: "quiet" }, "No mean average precision is known."));
  const least = Math.min(...known.map((one) => one.corrected_p).filter((p) => p > 0), SIGNIFICANT);
  const height = (one) => -Math.log10(Math.max(one.corrected_p, least)); // a p of 0 is drawn as the least other one
  const isSignificant = (one) => one.corrected_p < SIGNIFICANT;
  const about = `${told(known.filter(isSignificant).length)} of ${told(known.length)} treatments have a corrected p below ${SIGNIFICANT}`;
  const up = { name: "\u2212log10 of corrected p", low: 0, high: -Math.log10(least) * 1.1 };
  const { svg, x, y } = chart(about, { name: "mean average precision", low: 0, high: 1 }, up);
  svg.append(line(SIZE.left, y(-Math.log10(SIGNIFICANT)), SIZE.width - SIZE.right, y(-Math.log10(SIGNIFICANT)), "threshold"));
  for (const one of known) svg.append(precisionMark(one, x(one.map), y(height(one)), isSignificant(one)));
  svg.addEventListener("pointerover", (event) => tellTreatment(event, known));
  svg.addEventListener("pointerleave", hideTip);
  known.forEach((one, at) => svg.querySelectorAll(".mark")[at].setAttribute("data-at", at));
  return byId("precision").append(svg, chartLegend([["dot", `corrected p below ${SIGNIFICANT} (dashed line)`], ["cross", "not"]]));
}

function precisionMark(one, x, y, isSignificant) {
  if (isSignificant) return draw("circle", { cx: x, cy: y, r: 4.5, class: "mark significant" });
  return draw("path", { d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8`, class: "mark" });
}

function tellTreatment(event, known) {
  const one = known[event.target.dataset.at];
  if (!one) return hideTip();
  return showTip([one.treatment, `mAP ${told(one.map)}`, `corrected p ${told(one.corrected_p)}`, `${told(one.wells)} wells`], event.clientX, event.clientY);
}
