"use strict";
// What the reader has chosen, which the plate, the panel and the map share: a layer, a pinned well, filters.

const FILTERED = ["ledger", "layout", "image quality"];
const MOST_OPTIONS = 12;

const choice = { layer: 0, pinned: null, matching: new Set(plate.wells), isFiltered: false };
const filters = []; // selects, each with its names and the wells' values
const changes = new EventTarget();

/** Call when what is named (layer, pin or filter) has changed. */
function onChange(names, listener) {
  for (const name of names) changes.addEventListener(name, listener);
}

function chooseLayer(layer) {
  choice.layer = layer;
  byId("layer").value = String(layer);
  changes.dispatchEvent(new Event("layer"));
}

/** Pin a well, named as on the map: `{plate, well}`. The same well again, or null, takes the pin off. */
function pin(one) {
  choice.pinned = one && !isPinned(one) ? one : null;
  changes.dispatchEvent(new Event("pin"));
}

/** Whether it is the pinned well. A page of one plate goes by the well alone. */
function isPinned(one) {
  return choice.pinned?.well === one.well && (data.plate !== null || choice.pinned.plate === one.plate);
}

function filterLayers() {
  return plate.layers.filter((layer) => {
    if (!layer.is_category || !FILTERED.includes(layer.group)) return false;
    const options = counted(layer.values).size;
    return options > 1 && options <= MOST_OPTIONS;
  });
}

function makeFilters() {
  for (const layer of filterLayers()) {
    const names = [...inOrder(counted(layer.values)).keys()];
    const select = make("select", {}, ...["all", ...names.map((name) => toldOf(layer, name))].map((text) => make("option", {}, text)));
    byId("filters").append(make("label", {}, `${layer.name} `, select));
    filters.push({ select, names, values: layer.values });
  }
  byId("filters").addEventListener("change", applyFilters);
  byId("find").addEventListener("input", applyFilters);
  byId("clear").addEventListener("click", clearFilters);
}

function applyFilters() {
  const text = byId("find").value.trim().toLowerCase();
  const used = filters.filter(({ select }) => select.selectedIndex > 0);
  const matching = plate.wells.filter((name, well) =>
    wellTexts[well].includes(text) && used.every(({ select, names, values }) => values[well] === names[select.selectedIndex - 1]));
  choice.matching = new Set(matching);
  choice.isFiltered = Boolean(text) || used.length > 0;
  byId("matching").textContent = choice.isFiltered ? `${told(matching.length)} of ${told(plate.wells.length)} wells match` : "";
  changes.dispatchEvent(new Event("filter"));
}

function clearFilters() {
  byId("find").value = "";
  for (const { select } of filters) select.selectedIndex = 0;
  applyFilters();
}
