"use strict";
// The wells of the page's plate, by place and by name. A page of several plates has none.

const plate = data.plate ?? { rows: 0, columns: 0, wells: [], layers: [] };
const WELL = /^([A-Z]|A[A-F])0*([1-9]\d?)$/;

function rowName(row) {
  return row < 26 ? String.fromCharCode(65 + row) : `A${String.fromCharCode(65 + row - 26)}`;
}

/** Row and column, from 0; null if this plate has no such well. */
function placeOf(name) {
  const [, letters, number] = WELL.exec(name.trim().toUpperCase()) ?? [];
  if (!letters) return null;
  const row = letters.charCodeAt(letters.length - 1) - 65 + (letters.length === 2 ? 26 : 0);
  const column = Number(number) - 1;
  return row < plate.rows && column < plate.columns ? { row, column } : null;
}

const places = plate.wells.map(placeOf);
const wellAt = new Map();
places.forEach((place, well) => {
  if (place) wellAt.set(`${place.row},${place.column}`, well);
});
const wellNamed = new Map(plate.wells.map((name, well) => [name, well]));

/** What is searched for a well: its name, and what was in it. */
const layoutLayers = plate.layers.filter((layer) => layer.group === "layout" && layer.is_category);
const wellTexts = plate.wells.map((name, well) =>
  [name, ...layoutLayers.map((layer) => layer.values[well] ?? "")].join("\n").toLowerCase());
