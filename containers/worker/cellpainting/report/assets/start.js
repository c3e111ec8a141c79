"use strict";
// Draws the page.

function startPlate() {
  drawPlate();
  if (!plate.layers.length) return;
  fillLayers();
  makeFilters();
  drawOverview();
  onChange(["layer", "pin", "filter"], colourPlate);
  onChange(["pin", "filter"], markPlate);
  onChange(["layer", "pin"], () => showWell(null));
  onChange(["layer"], markOverview);
  markPlate();
  chooseLayer(0);
}

function startReplication(replication) {
  drawHistogram(replication);
  drawPrecision(replication);
}

function startMap() {
  makeMap();
  onChange(["filter"], drawMap);
  onChange(["pin"], markMap);
}

function enlarge(tile) {
  const picture = tile.querySelector("img");
  const shown = byId("enlarged").querySelector("img");
  [shown.src, shown.alt] = [picture.src, picture.alt];
  byId("enlarged-about").textContent = picture.alt;
  byId("enlarged").showModal();
}

function start() {
  if (data.plate) startPlate();
  if (data.replication) startReplication(data.replication);
  if (points.length) startMap();
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll("input[data-finds]").forEach(makeSearchable);
  for (const tile of document.querySelectorAll(".tile")) tile.addEventListener("click", () => enlarge(tile));
  requestAnimationFrame(() => setTimeout(tellDrawn));
}

/** Told once it is on the screen: after the frame that draws it. */
function tellDrawn() {
  performance.mark("drawn");
  document.documentElement.dataset.ready = "true";
}

start();
