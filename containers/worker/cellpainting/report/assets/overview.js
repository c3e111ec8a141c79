"use strict";
// The most telling layers as small plates. Choosing one shows it large.

const SHOWN_OF_GROUP = { ledger: 1, layout: 1, "cell counts": 1, "image quality": 3, features: 4 };

function fillLayers() {
  for (const name of data.groups) {
    const options = plate.layers.map((layer, at) => [layer, at]).filter(([layer]) => layer.group === name)
      .map(([layer, at]) => make("option", { value: at }, layer.name));
    if (options.length) byId("layer").append(make("optgroup", { label: name }, ...options));
  }
  byId("layer").addEventListener("change", () => chooseLayer(Number(byId("layer").value)));
}

function drawOverview() {
  for (const [group, most] of Object.entries(SHOWN_OF_GROUP)) {
    const layers = plate.layers.filter((layer) => layer.group === group).slice(0, most);
    byId("overview").append(...layers.map(smallPlate));
  }
}

function smallPlate(layer) {
  const at = plate.layers.indexOf(layer);
  const button = make("button", { type: "button", "data-layer": at, "aria-pressed": "false" }, picture(layer), make("span", {}, ...breakable(layer.name)));
  button.addEventListener("click", () => chooseLayer(at));
  return make("li", {}, button);
}

/** A pixel per well. */
function picture(layer) {
  const canvas = make("canvas", { width: plate.columns, height: plate.rows, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const scale = scaleOf(layer);
  places.forEach((place, well) => {
    if (!place) return;
    context.fillStyle = scale.of(layer.values[well])?.fill ?? "#ffffff";
    context.fillRect(place.column, place.row, 1, 1);
  });
  return canvas;
}

function markOverview() {
  for (const button of byId("overview").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.layer) === choice.layer));
  }
}
