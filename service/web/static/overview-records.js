// Reports on what stands beside the garments: stored sets, models, thresholds of similarity.
// Each function takes a report's rows and gives the elements that show them.

import { make, percent, plural, similarity } from "./dom.js";
import { catalog, columns, day, first, list, nothing, number, range, rowsOf, since, track } from "./overview-parts.js";

const WANTED = 0.9; // the precision that is said

// rows: a category of a day each, the newest first. more: the last day may be cut, and is left out.
export function sets(found, more) {
  const rows = more ? found.filter((row) => row.day !== found.at(-1).day) : found;
  if (!rows.length) {
    return nothing("No photos were sent yet. Those sent under ", make("a", { href: "/sets" }, "Photos"), " are counted here, day by day.");
  }
  const days = [...sum(rows.toReversed(), "day")].map(([date, count]) => ({ day: date, count }));
  const labels = [...sum(rows, "label")].sort((one, other) => other[1] - one[1]);
  const all = days.reduce((total, { count }) => total + count, 0);
  const over = days.length > 1
    ? columns(days, {
      name: "Photos in stored sets",
      href: ({ days: inside }) => rowsOf("sets", inside.at(-1).day), // the others of a span follow below
      said: ({ count }) => plural(count, "photo"),
    })
    : make("p", { class: "soft" }, make("a", { href: rowsOf("sets", days[0].day) }, `All ${plural(all, "photo")} came on ${day(days[0].day)}.`));
  return [over, make("h3", { class: "small" }, "What they show"), list(labels.map(([label, count]) => ({
    name: label,
    href: catalog({ label }),
    drawn: track([count / labels[0][1], ""]),
    said: `${number(count)} · ${percent(count / all)}`,
    title: `${plural(count, "photo")}, ${percent(count / all)}: see the garments of the catalog`,
  }))), ...since(days, more)];
}

function sum(rows, column) {
  const found = new Map();
  for (const row of rows) found.set(row[column], (found.get(row[column]) ?? 0) + row.images);
  return found;
}

export function models(rows) {
  if (!rows.length) return nothing("No model has embedded a garment yet.");
  return [list(rows.map(({ model, serving, garments, share, indexed }) => ({
    name: model,
    href: garments ? catalog({ model }) : rowsOf("models", model),
    drawn: track([share, serving ? "" : "light"]),
    said: `${number(garments)} · ${percent(share)}`,
    title: `${serving ? "answers questions" : "does not serve"}, embedded ${plural(garments, "garment")}, ${number(indexed)} of them ready for an index`,
  })))];
}

// rows: a category and a wanted precision each.
export function thresholds(rows, more) {
  if (!rows.length) return nothing("Too few garments have given labels, or neighbours, to measure it.");
  if (!rows.some((row) => row.wanted_precision === WANTED && row.similarity !== null)) {
    return nothing("In no category is any similarity enough for 90 %: neighbours mostly have other labels. ",
      make("a", { href: "/overview/thresholds" }, "What was measured"));
  }
  return [list([...new Set(rows.map((row) => row.label))].map((label) => {
    const levels = rows.filter((row) => row.label === label);
    const least = (wanted) => levels.find((row) => row.wanted_precision === wanted && row.similarity !== null);
    const reached = levels.filter((row) => row.similarity !== null).map((row) => row.similarity);
    const [low, mark, high] = [0.8, WANTED, 0.95].map(least);
    return {
      name: label,
      href: rowsOf("thresholds", label),
      drawn: range(reached.length > 0 && [reached[0], reached.at(-1)], low && high && [low.similarity, high.similarity], mark?.similarity),
      said: mark ? `from ${similarity(mark.similarity)}` : "never",
      title: mark
        ? `from a similarity of ${similarity(mark.similarity)} on, ${percent(mark.precision)} of ${plural(mark.pairs, "neighbour")} have its label`
        : "no similarity is enough for 90 %",
    };
  })), ...first(rows, more)];
}
