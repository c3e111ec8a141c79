"use strict";
// From values to colours and marks. All palettes can be told apart by people who are colour-blind.

const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const BLUE_TO_ORANGE = ["#1d4e9e", "#5a8fd0", "#aecbea", "#f6f6f4", "#f7c48a", "#e0862f", "#a84300"];
const OKABE_ITO = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c8c8c", "#f0e442"];
const MUTED = { fill: "#d5dce4", ink: "#1b1f24", mark: "" };
// Names that mean the same on every plate: a colour and a mark each.
const KNOWN = {
  done: ["#a8d8c5", ""],
  no_cells: ["#f0e442", "0"],
  input_missing: ["#e69f00", "M"],
  input_damaged: ["#cc79a7", "D"],
  quarantined: ["#0072b2", "Q"],
  failed: ["#d55e00", "!"],
  not_run: ["#b4bcc6", "\u2013"],
  "not planned": ["#ffffff", "\u00b7"],
  good: ["#d5dce4", ""], // no flag
  negcon: ["#0072b2", "\u2212"],
  poscon: ["#d55e00", "+"],
  trt: ["#d5dce4", ""],
  empty: ["#ffffff", "\u25cb"],
};

/** The colour at a share of 0 to 1 of a scale. */
function between(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  const parts = [1, 3, 5].map((at) => {
    const [from, to] = [stops[low], stops[low + 1]].map((stop) => parseInt(stop.slice(at, at + 2), 16));
    return Math.round(from + (place - low) * (to - from)).toString(16).padStart(2, "0");
  });
  return `#${parts.join("")}`;
}

/** Black or white, whichever is read better on the colour. */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.22 ? "#1b1f24" : "#ffffff";
}

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** The scale of a layer: `of` gives a value's fill, ink and mark, `legend` an element. `chosen` are the names of a long
 * list that are to have colours. */
function scaleOf(layer, chosen = []) {
  if (!layer.is_category) return numberScale(layer);
  const counts = inOrder(counted(layer.values));
  return counts.size <= OKABE_ITO.length ? shortScale(layer, counts) : longScale(layer, counts, chosen);
}

function numberScale(layer) {
  const sorted = layer.values.filter((value) => value !== null).sort((one, other) => one - other);
  if (!sorted.length) return { of: () => null, legend: () => make("p", { class: "quiet" }, "No well has a value.") };
  let [low, high] = [quantile(sorted, 0.02), quantile(sorted, 0.98)];
  const isDiverging = layer.group === "features";
  if (isDiverging) {
    high = Math.max(Math.abs(low), Math.abs(high)) || 1;
    low = -high;
  }
  const stops = isDiverging ? BLUE_TO_ORANGE : CIVIDIS;
  const of = (value) => {
    if (value === null) return null;
    const fill = between(stops, high > low ? (value - low) / (high - low) : 0.5);
    return { fill, ink: inkOn(fill), mark: "" };
  };
  return { of, legend: () => colourBar(layer, stops, low, high, sorted) };
}

function colourBar(layer, stops, low, high, sorted) {
  const ends = [low, (low + high) / 2, high].map((value) => make("span", {}, told(value)));
  const about = layer.group === "features"
    ? "Centred on 0, as far as the 2nd or 98th percentile; beyond, the end colours."
    : `2nd to 98th percentile; beyond, the end colours. All: ${told(sorted[0])} to ${told(sorted.at(-1))}.`;
  return make("div", { class: "colour-bar" },
    make("div", { class: "gradient", style: `background: linear-gradient(90deg, ${stops.join(", ")})` }),
    make("div", { class: "ticks" }, ...ends),
    make("p", { class: "quiet" }, layer.unit ? `In ${layer.unit}. ${about}` : about, ...missing(layer)));
}

/** States come in the order of the ledger, all else by frequency. */
function inOrder(counts) {
  const rank = (name) => (data.state_order.includes(name) ? data.state_order.indexOf(name) : data.state_order.length);
  return new Map([...counts].sort((one, other) => rank(one[0]) - rank(other[0])));
}

/** A colour and a mark for each of a few names. */
function stylesOf(names) {
  const free = OKABE_ITO.filter((colour) => !names.some((name) => KNOWN[name]?.[0] === colour));
  const unknown = names.filter((name) => !Object.hasOwn(KNOWN, name));
  return new Map(names.map((name) => {
    const at = unknown.indexOf(name);
    const [fill, mark] = at < 0 ? KNOWN[name] : [free[at % free.length], String.fromCharCode(65 + at)];
    return [name, { fill, ink: inkOn(fill), mark }];
  }));
}

function shortScale(layer, counts) {
  const styles = stylesOf([...counts.keys()]);
  const legend = () => make("ul", { class: "legend" }, ...[...counts].map(([name, count]) =>
    legendLine(styles.get(name), `${toldOf(layer, name)}: ${told(count)}`)), ...missing(layer, "li"));
  return { of: (value) => styles.get(value) ?? null, legend };
}

/** Too many names for colours: only the chosen ones have one. */
function longScale(layer, counts, chosen) {
  const coloured = chosen.length <= OKABE_ITO.length ? chosen.filter((name) => counts.has(name)) : [];
  const styles = stylesOf(coloured);
  const about = `${told(counts.size)} names, too many for colours. The pinned well's is coloured, and those found by the filter if they are ${OKABE_ITO.length} or fewer.`;
  const legend = () => make("ul", { class: "legend" }, make("li", { class: "quiet" }, about),
    ...coloured.map((name) => legendLine(styles.get(name), `${name}: ${told(counts.get(name))}`)), ...missing(layer, "li"));
  return { of: (value) => (value === null ? null : styles.get(value) ?? MUTED), legend };
}

function legendLine(style, text) {
  return make("li", {}, make("span", { class: "swatch", style: `background: ${style.fill}; color: ${style.ink}` }, style.mark), text);
}

/** How wells without value look, if there are any. */
function missing(layer, element = "span") {
  const count = layer.values.filter((value) => value === null).length;
  if (!count) return [];
  return [make(element, { class: "missing" }, make("span", { class: "swatch hatched" }), `no value: ${told(count)}`)];
}
