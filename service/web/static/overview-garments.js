// Reports that are about single garments, drawn as galleries.

import { card } from "./card.js";
import { make, percent, plural, similarity } from "./dom.js";
import { nothing } from "./overview-charts.js";

const SHOWN = 12; // garments, or groups of them
const OF_GROUP = 3;

const garment = (row) => ({ id: row.garment_id, image_path: row.image_path, label: row.label, image_url: `/api/v1/garments/${row.garment_id}/image` });
const page = (row) => `/garments/${row.garment_id}`;

// more: how many garments are not shown, as far as is known; null for "more".
function gallery(rows, more, draw) {
  const shown = rows.slice(0, SHOWN);
  const left = rows.length - shown.length;
  return [make("div", { class: "grid" }, ...shown.map(draw)),
    left || more ? make("p", { class: "soft tiny more" }, `and ${left}${more ? " or more" : ""} further; all of them with fashion-studio analytics`) : ""];
}

export function mislabels(rows, more) {
  if (!rows.length) return nothing("None: every garment lies among others of its label.");
  return gallery(rows, more, (row, place) => card(garment(row), {
    href: page(row), place: place + 6, number: percent(row.suspicion),
    label: `${row.label}, or ${row.suggested_label}?`,
    says: `${row.label}, or ${row.suggested_label}? ${percent(row.suspicion)} suspicion: garment ${row.garment_id}`,
  }));
}

export function outliers(rows, more) {
  if (!rows.length) return nothing("None: every garment has others like it.");
  return gallery(rows, more, (row, place) => card(garment(row), {
    href: page(row), place: place + 6, number: similarity(row.similarity),
    says: `${row.label}, nearest other garment ${similarity(row.similarity)}: garment ${row.garment_id}`,
  }));
}

export function duplicates(rows, more) {
  if (!rows.length) return nothing("None: every picture is another one.");
  const groups = new Map();
  for (const row of rows) groups.set(row.group_id, [...(groups.get(row.group_id) ?? []), row]);
  const shown = [...groups.values()].slice(0, SHOWN);
  const left = groups.size - shown.length;
  return [make("ul", { class: "groups" }, ...shown.map((group) => make("li", {},
      make("p", {}, `${plural(group[0].garments, "garment")}${group.every((row) => row.identical) ? ", the same bytes" : ""}`),
      make("div", { class: "grid" }, ...group.slice(0, OF_GROUP).map((row) => card(garment(row), {
        href: page(row), number: similarity(row.similarity),
        says: `${row.label}, garment ${row.garment_id}, similarity ${similarity(row.similarity)}`,
      })))))),
    left || more ? make("p", { class: "soft tiny more" }, `and ${left}${more ? " or more" : ""} further groups; all of them with fashion-studio analytics duplicates`) : ""];
}
