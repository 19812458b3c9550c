// Reports that are about single garments, drawn as galleries.

import { card } from "./card.js";
import { button, make, percent, plural, similarity } from "./dom.js";
import { nothing } from "./overview-parts.js";

const SHOWN = 12; // garments, or groups of them
const OF_GROUP = 3;

const garment = (row) => ({ id: row.garment_id, image_path: row.image_path, label: row.label, image_url: `/api/v1/garments/${row.garment_id}/image` });
const page = (row) => `/garments/${row.garment_id}`;

// The first of the items drawn, and a button for the others. more: there are some beyond these.
function shortened(place, items, more, draw) {
  place.append(...items.slice(0, SHOWN).map(draw));
  if (items.length <= SHOWN) return [place];
  const rest = button(`Show ${(items.length - SHOWN).toLocaleString("en")} more`, () => {
    const others = items.slice(SHOWN).map(draw);
    place.append(...others);
    rest.replaceWith(more ? make("span", { class: "soft tiny" }, "There are still more: fashion-studio analytics lists all.") : "");
    (others[0].matches("a") ? others[0] : others[0].querySelector("a")).focus();
  });
  return [place, make("p", { class: "more" }, rest)];
}

const gallery = (rows, more, draw) => shortened(make("div", { class: "grid" }), rows, more, draw);

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
  return shortened(make("ul", { class: "groups" }), [...groups.values()], more, (group) => make("li", {},
    make("p", {}, `${plural(group[0].garments, "garment")}${group.every((row) => row.identical) ? ", the same bytes" : ""}`),
    make("div", { class: "grid" }, ...group.slice(0, OF_GROUP).map((row) => card(garment(row), {
      href: page(row), number: similarity(row.similarity),
      says: `${row.label}, garment ${row.garment_id}, similarity ${similarity(row.similarity)}`,
    })))));
}
