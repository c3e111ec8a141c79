"use strict";
// The plate as a grid: one tab stop, arrow keys within.

const CELL = 20; // units of the drawing
const LEFT = 26;
const TOP = 20;
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const drawnWells = []; // by well: its group, rectangle and mark
let tabStop;

function drawPlate() {
  const [width, height] = [LEFT + plate.columns * CELL, TOP + plate.rows * CELL];
  const grid = draw("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "grid", "aria-labelledby": "plate-title layer-name",
    class: plate.columns > 24 ? "grid large" : "grid",
  }, draw("path", { d: unplanned(), class: "unplanned" }));
  for (let column = 0; column < plate.columns; column++) {
    grid.append(label(String(column + 1), LEFT + (column + 0.5) * CELL, TOP - 6, "middle"));
  }
  for (let row = 0; row < plate.rows; row++) grid.append(drawRow(row));
  byId("wells").append(grid);
  tabStop = drawnWells.find(Boolean)?.group;
  tabStop?.setAttribute("tabindex", "0");
  listen(grid);
  tellElsewhere();
}

function label(text, x, y, anchor) {
  return draw("text", { x, y, "text-anchor": anchor, class: "plate-label", "aria-hidden": "true" }, text);
}

/** A small outline where no well was planned. */
function unplanned() {
  let path = "";
  for (let row = 0; row < plate.rows; row++) {
    for (let column = 0; column < plate.columns; column++) {
      if (!wellAt.has(`${row},${column}`)) path += `M${LEFT + column * CELL + 4} ${TOP + row * CELL + 4}h12v12h-12z`;
    }
  }
  return path;
}

function drawRow(row) {
  const line = draw("g", { role: "row" }, label(rowName(row), LEFT - 6, TOP + (row + 0.5) * CELL + 4, "end"));
  for (let column = 0; column < plate.columns; column++) {
    const well = wellAt.get(`${row},${column}`);
    if (well !== undefined) line.append(drawWell(well, row, column));
  }
  return line;
}

function drawWell(well, row, column) {
  const rectangle = draw("rect", { x: 1, y: 1, width: CELL - 2, height: CELL - 2, rx: 3 });
  const mark = draw("text", { x: CELL / 2, y: CELL / 2 + 4.5, "text-anchor": "middle" });
  const group = draw("g", {
    class: "well", role: "gridcell", tabindex: "-1", "data-well": well,
    transform: `translate(${LEFT + column * CELL} ${TOP + row * CELL})`,
  }, rectangle, mark);
  drawnWells[well] = { group, rectangle, mark };
  return group;
}

/** Colour all wells by the chosen layer. */
function colourPlate() {
  const layer = plate.layers[choice.layer];
  const scale = scaleOf(layer, chosenNames(layer));
  drawnWells.forEach(({ group, rectangle, mark }, well) => {
    const style = scale.of(layer.values[well]) ?? { fill: "url(#hatch)", ink: "#1b1f24", mark: "" };
    rectangle.setAttribute("fill", style.fill);
    mark.setAttribute("fill", style.ink);
    mark.textContent = style.mark;
    group.setAttribute("aria-label", factsOf(well, layer).join(", "));
  });
  byId("layer-name").textContent = layer.name;
  byId("layer-about").textContent = layer.about;
  byId("scale").replaceChildren(scale.legend());
}

/** Of a layer with many names: those that the filter finds, and the pinned well's. */
function chosenNames(layer) {
  const found = choice.isFiltered ? layer.values.filter((_, well) => choice.matching.has(plate.wells[well])) : [];
  const pinned = layer.values[wellNamed.get(choice.pinned?.well)] ?? null;
  return [...counted([...found, pinned]).keys()];
}

function markPlate() {
  drawnWells.forEach(({ group }, well) => {
    const name = plate.wells[well];
    group.classList.toggle("dim", !choice.matching.has(name));
    group.classList.toggle("pinned", choice.pinned?.well === name);
    group.setAttribute("aria-selected", String(choice.pinned?.well === name));
  });
}

function wellOf(event) {
  const group = event.target.closest(".well");
  return group ? Number(group.dataset.well) : null;
}

function listen(grid) {
  grid.addEventListener("pointerover", (event) => point(wellOf(event), event.clientX, event.clientY));
  grid.addEventListener("pointerleave", () => point(null));
  grid.addEventListener("focusin", (event) => goTo(wellOf(event)));
  grid.addEventListener("focusout", hideTip);
  grid.addEventListener("click", (event) => pinWell(wellOf(event)));
  grid.addEventListener("keydown", onKey);
}

function point(well, x, y) {
  showWell(well);
  if (well === null) hideTip();
  else showTip(factsOf(well, plate.layers[choice.layer]), x, y);
}

/** The well that has the focus is the plate's tab stop. */
function goTo(well) {
  tabStop.setAttribute("tabindex", "-1");
  tabStop = drawnWells[well].group;
  tabStop.setAttribute("tabindex", "0");
  const box = tabStop.getBoundingClientRect();
  point(well, box.right, box.bottom);
}

function pinWell(well) {
  if (well !== null) pin({ well: plate.wells[well] });
}

function onKey(event) {
  const well = wellOf(event);
  if (event.key === "Enter" || event.key === " ") pinWell(well);
  else if (event.key === "Escape") pin(null);
  else if (STEPS[event.key]) drawnWells[neighbour(well, STEPS[event.key])].group.focus();
  else return;
  event.preventDefault();
}

/** The next well in a direction, over gaps; the same one at the end. */
function neighbour(well, [down, right]) {
  let { row, column } = places[well];
  while (row >= 0 && row < plate.rows && column >= 0 && column < plate.columns) {
    [row, column] = [row + down, column + right];
    const next = wellAt.get(`${row},${column}`);
    if (next !== undefined) return next;
  }
  return well;
}

function tellElsewhere() {
  const names = plate.wells.filter((_, well) => !places[well]);
  if (names.length) byId("elsewhere").textContent = `Not wells of such a plate: ${names.slice(0, 20).join(", ")}${names.length > 20 ? " and more" : ""}.`;
}
