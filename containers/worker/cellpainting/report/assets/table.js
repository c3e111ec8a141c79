"use strict";
// Tables that are sorted by the buttons in their heads, and searched.

const byText = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** What a cell is sorted by: its number, its text, or null if it is not known. */
function valueOf(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value === undefined) return cell.textContent.trim();
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

/** Sort by a column; what is not known comes last, whichever way. */
function sortBy(table, column, isDown) {
  const compare = (one, other) => {
    if (one.value === null || other.value === null) return (one.value === null) - (other.value === null);
    const order = typeof one.value === "number" ? one.value - other.value : byText.compare(one.value, other.value);
    return isDown ? -order : order;
  };
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row, column) }));
  body.append(...rows.sort(compare).map(({ row }) => row));
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const isDown = head.getAttribute("aria-sort") === "ascending";
    for (const one of heads) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    sortBy(table, column, isDown);
  }));
}

function makeSearchable(input) {
  const rows = [...byId(input.dataset.finds).tBodies[0].rows];
  const found = input.closest(".controls").querySelector("output");
  input.addEventListener("input", () => {
    const text = input.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(text);
    found.textContent = text ? `${told(rows.filter((row) => !row.hidden).length)} of ${told(rows.length)}` : "";
  });
}
