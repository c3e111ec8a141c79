"use strict";
// The page's data, and how elements are made. Text of users is only ever set as text.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

/** Make an HTML element; children are elements or text. */
function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Make an SVG element; children are elements or text. */
function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const FEW_DIGITS = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A value as people read it. */
function told(value, unit = "") {
  if (value === null || value === undefined) return "not known";
  if (typeof value === "string") return value || "none";
  const format = Number.isInteger(value) || Math.abs(value) >= 1000 ? WHOLE : FEW_DIGITS;
  return format.format(value).replace("-", "\u2212") + (unit ? ` ${unit}` : "");
}

/** A value of a layer as people read it; the names of states are words. */
function toldOf(layer, value) {
  const text = told(value, layer.unit);
  return layer.group === "ledger" ? text.replaceAll("_", " ") : text;
}

/** A long name that may be broken after each underscore. */
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part) => [part, make("wbr")]);
}

/** The values with how often each occurs, the most frequent first; those without value are left out. */
function counted(values) {
  const counts = new Map();
  for (const value of values) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  return new Map([...counts].sort((one, other) => other[1] - one[1]));
}

const tip = byId("tip");

/** Show lines beside the pointer, or beside what has the focus. */
function showTip(lines, x, y) {
  tip.replaceChildren(...lines.map((line) => make("div", {}, line)));
  tip.hidden = false;
  const left = x + 14 + tip.offsetWidth > innerWidth ? x - 14 - tip.offsetWidth : x + 14;
  const top = y + 14 + tip.offsetHeight > innerHeight ? y - 14 - tip.offsetHeight : y + 14;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function hideTip() {
  tip.hidden = true;
}
