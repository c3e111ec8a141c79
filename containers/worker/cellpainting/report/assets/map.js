"use strict";
// The profile map: a canvas, for up to tens of thousands of wells. Rings above it mark wells without drawing it anew.

const REACH = 14; // pixels from a point within which it is pointed at
const MARGIN = 16;
const KIND_COLOURS = { negcon: "#0072b2", poscon: "#d55e00", trt: "#8a94a0" };
const BY = { plate: (point) => point.plate, control: (point) => point.kind || "not known", treatment: (point) => point.treatment || "not known" };
const points = data.profile_map?.points ?? [];
const map = { by: "plate", chosen: new Set(), at: -1, width: 0, height: 0, colours: new Map() };

function makeMap() {
  const plates = counted(points.map(BY.plate)).size;
  map.by = plates > 1 ? "plate" : "control";
  const options = Object.keys(BY).filter((name) => name !== "plate" || plates > 1);
  byId("map-by").append(...options.map((name) => make("option", { value: name }, name)));
  byId("map-by").addEventListener("change", () => colourBy(byId("map-by").value));
  byId("map-find").addEventListener("input", drawMap);
  const canvas = mapCanvas();
  canvas.parentElement.append(ring("pointed"), ring("pinned"));
  canvas.addEventListener("pointermove", (event) => pointAt(nearest(event.offsetX, event.offsetY)));
  canvas.addEventListener("pointerleave", () => pointAt(-1));
  canvas.addEventListener("blur", () => pointAt(-1));
  canvas.addEventListener("click", (event) => pinPoint(nearest(event.offsetX, event.offsetY)));
  canvas.addEventListener("keydown", onMapKey);
  new ResizeObserver(fitMap).observe(canvas.parentElement);
  colourBy(map.by);
  fitMap();
}

function mapCanvas() {
  return byId("map").querySelector("canvas");
}

function ring(name) {
  return make("span", { class: `ring ${name}`, hidden: "" });
}

function colourBy(name) {
  map.by = name;
  map.chosen = new Set();
  const counts = counted(points.map(BY[name]));
  mapCanvas().setAttribute("aria-label", `${told(points.length)} wells by profile, coloured by ${name}`);
  setColours([...counts.keys()]);
  byId("map-legend").replaceChildren(...[...counts].map(legendButton));
  drawMap();
}

/** Few names have a colour each, many plates a scale in their order; of many treatments, only the chosen ones. */
function setColours(names) {
  const isMany = names.length > OKABE_ITO.length;
  const colour = (one, at) => {
    if (map.by === "control") return KIND_COLOURS[one] ?? "#cc79a7";
    if (!isMany) return OKABE_ITO[at];
    if (map.by === "plate") return between(CIVIDIS, at / (names.length - 1));
    return map.chosen.has(one) ? OKABE_ITO[[...map.chosen].indexOf(one) % OKABE_ITO.length] : "#8a94a0";
  };
  map.colours = new Map(names.map((one, at) => [one, colour(one, at)]));
}

function legendButton([name, count]) {
  const button = make("button", { type: "button", "aria-pressed": "false" },
    make("span", { class: "swatch", style: `background: ${map.colours.get(name)}` }), `${name}: ${told(count)}`);
  button.addEventListener("click", () => {
    if (!map.chosen.delete(name)) map.chosen.add(name);
    button.setAttribute("aria-pressed", String(map.chosen.has(name)));
    setColours([...map.colours.keys()]);
    for (const one of byId("map-legend").children) recolour(one, [...map.colours.values()]);
    drawMap();
  });
  return make("li", {}, button);
}

function recolour(item, colours) {
  const at = [...item.parentElement.children].indexOf(item);
  item.querySelector(".swatch").style.background = colours[at];
}

/** Give the canvas the size that the page has for it. */
function fitMap() {
  const canvas = mapCanvas();
  const width = canvas.parentElement.clientWidth;
  if (!width || width === map.width) return;
  map.width = width;
  map.height = Math.round(Math.min(Math.max(width * 0.62, 280), 540));
  const sharpness = Math.max(2, devicePixelRatio); // sharp in print too
  [canvas.width, canvas.height] = [width * sharpness, map.height * sharpness];
  canvas.style.height = `${map.height}px`;
  canvas.getContext("2d").scale(sharpness, sharpness);
  placePoints();
  drawMap();
}

function placePoints() {
  const ends = (axis) => points.reduce(([low, high], one) => [Math.min(low, one[axis]), Math.max(high, one[axis])], [Infinity, -Infinity]);
  const [[left, right], [bottom, top]] = [ends("x"), ends("y")];
  for (const one of points) {
    one.left = MARGIN + ((one.x - left) / (right - left || 1)) * (map.width - 2 * MARGIN);
    one.top = map.height - MARGIN - ((one.y - bottom) / (top - bottom || 1)) * (map.height - 2 * MARGIN);
  }
}

function drawMap() {
  const context = mapCanvas().getContext("2d");
  context.clearRect(0, 0, map.width, map.height);
  const shown = points.filter(isLit);
  const isDimmed = shown.length < points.length;
  byId("map-found").textContent = isDimmed ? `${told(shown.length)} of ${told(points.length)} wells` : "";
  if (isDimmed) for (const one of points) drawPoint(context, one, 0.1);
  // Controls are drawn last: they are what the others are compared with.
  for (const isControl of [false, true]) {
    for (const one of shown) if ((one.kind === "negcon" || one.kind === "poscon") === isControl) drawPoint(context, one, 0.85);
  }
  markMap();
}

/** Whether the filters of the plate and of the map, and the legend, leave it. */
function isLit(one) {
  if (choice.isFiltered && !choice.matching.has(one.well)) return false;
  if (map.chosen.size && !map.chosen.has(BY[map.by](one))) return false;
  const text = byId("map-find").value.trim().toLowerCase();
  return !text || [one.plate, one.well, one.treatment].some((name) => name.toLowerCase().includes(text));
}

/** Treatments are circles, negative controls squares, positive ones triangles, all else a cross. */
function drawPoint(context, { kind, left, top, ...one }, opacity) {
  const size = points.length < 600 ? 5 : points.length < 5000 ? 3.5 : 2.5;
  context.globalAlpha = opacity;
  context.fillStyle = context.strokeStyle = map.colours.get(BY[map.by]({ kind, ...one }));
  context.beginPath();
  if (kind === "trt") context.arc(left, top, size, 0, 7);
  else if (kind === "negcon") context.rect(left - size, top - size, 2 * size, 2 * size);
  else if (kind === "poscon") triangle(context, left, top, 1.25 * size);
  else cross(context, left, top, size);
  context.fill();
  context.stroke();
}

function triangle(context, left, top, size) {
  context.moveTo(left, top - size);
  context.lineTo(left + size, top + size);
  context.lineTo(left - size, top + size);
  context.closePath();
}

function cross(context, left, top, size) {
  context.moveTo(left - size, top - size);
  context.lineTo(left + size, top + size);
  context.moveTo(left + size, top - size);
  context.lineTo(left - size, top + size);
}

/** The number of the point that is next to a place; -1 if none is near. */
function nearest(left, top) {
  let [found, least] = [-1, REACH ** 2];
  points.forEach((one, at) => {
    const distance = (one.left - left) ** 2 + (one.top - top) ** 2;
    if (distance < least) [found, least] = [at, distance];
  });
  return found;
}

function pointAt(at) {
  map.at = at;
  const one = points[at];
  putRing("pointed", one);
  if (!one) return hideTip();
  const facts = [`${one.well}, plate ${one.plate}`, one.treatment || "treatment not known", one.kind || "kind not known"];
  byId("map-said").textContent = facts.join(", ");
  const box = mapCanvas().getBoundingClientRect();
  return showTip(facts, box.left + one.left, box.top + one.top);
}

function pinPoint(at) {
  if (points[at]) pin({ plate: points[at].plate, well: points[at].well });
}

function markMap() {
  putRing("pinned", choice.pinned && points.find(isPinned));
}

function putRing(name, one) {
  const mark = byId("map").querySelector(`.ring.${name}`);
  mark.hidden = !one;
  if (!one) return;
  mark.style.left = `${one.left}px`;
  mark.style.top = `${one.top}px`;
  mark.dataset.well = one.well;
}

function onMapKey(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step) pointAt((map.at + step + points.length) % points.length);
  else if (event.key === "Enter") pinPoint(map.at);
  else if (event.key === "Escape") pin(null);
  else return;
  event.preventDefault();
}
