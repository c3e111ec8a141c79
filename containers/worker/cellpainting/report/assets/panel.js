"use strict";
// The panel beside the plate: all that is known about one well.

/** Show a well by its number; null shows the pinned one, if any. */
function showWell(well) {
  const shown = well ?? wellNamed.get(choice.pinned?.well);
  if (shown === undefined) return;
  const layer = plate.layers[choice.layer];
  const pinned = choice.pinned?.well === plate.wells[shown] ? ", pinned" : "";
  byId("well-name").textContent = `Well ${plate.wells[shown]}${pinned}`;
  byId("well-intro").hidden = true;
  byId("well-said").textContent = factsOf(shown, layer).join(", ");
  byId("well-values").replaceChildren(...shownGroups(layer).flatMap((group) => groupLines(group, shown)));
}

/** A well in a few words: its name, what was in it, and its value in the layer. */
function factsOf(well, layer) {
  const layout = layoutLayers.filter((one) => one !== layer).map((one) => one.values[well]).filter((value) => value !== null);
  return [plate.wells[well], ...layout, `${layer.name}: ${toldOf(layer, layer.values[well])}`];
}

/** All layers but the features, of which only the chosen one is shown. */
function shownGroups(chosen) {
  return data.groups.map((name) => ({
    name,
    layers: plate.layers.filter((layer) => layer.group === name && (name !== "features" || layer === chosen)),
  })).filter((group) => group.layers.length);
}

function groupLines(group, well) {
  const lines = group.layers.map((layer) => make("div", {}, make("dt", {}, ...breakable(layer.name)),
    make("dd", layer.values[well] === null ? { class: "quiet" } : {}, toldOf(layer, layer.values[well]))));
  return [make("div", { class: "group" }, group.name), ...lines];
}
