// Reports on the garments drawn: each function takes a report's rows and gives the elements that show them, every
// one a link to the garments behind it. Nothing here asks the server.

import { make, percent, plural } from "./dom.js";
import { catalog, columns, day, first, list, nothing, number, range, since, track } from "./overview-parts.js";

const CONFUSIONS = 8;

export function categories(rows) {
  const most = Math.max(...rows.map((row) => row.garments), 1);
  return [list(rows.map(({ label, garments, share, given, predicted }) => ({
    name: label,
    href: catalog({ label }),
    drawn: track([given / most, ""], [predicted / most, "light"]),
    said: `${number(garments)} · ${percent(share)}`,
    title: `${plural(garments, "garment")}, ${number(given)} given, ${number(predicted)} predicted`,
  })))];
}

export function confidence(rows) {
  if (!rows.length) return nothing("The network has not seen the photo of any garment.");
  return [list(rows.map(({ label, garments, p10, p25, median, p75, p90 }) => ({
    name: label,
    href: catalog({ label, max_confidence: atMost(p10), order: "oldest" }),
    drawn: range([p10, p90], [p25, p75], median),
    said: percent(median),
    title: `half of ${plural(garments, "garment")} above ${percent(median)}, a tenth below ${percent(p10)}: see those`,
  })))];
}

// The report rounds to six digits: a millionth more, or the tenth's last garment may be left out
const atMost = (confidence) => Math.min(confidence + 0.000001, 1).toFixed(6);

export function growth(rows, more) {
  const days = rows.toReversed().map((row) => ({ ...row, count: row.added }));
  if (days.length < 2) {
    return nothing(make("a", { href: catalog({ added_from: days[0].day, added_to: days[0].day }) },
      `All ${plural(days[0].garments, "garment")} came on ${day(days[0].day)}.`));
  }
  return [columns(days, {
    name: "Garments added",
    href: ({ from, to }) => catalog({ added_from: from, added_to: to }),
    said: ({ count, days: inside }) => `${plural(count, "garment")} added, ${number(inside.at(-1).garments)} in all`,
  }), ...since(days, more)];
}

export function agreement(rows, more) {
  if (!rows.length) return nothing("There is no garment of which both a given label and the network's are known.");
  const labels = [...new Map(rows.map((row) => [row.label, row.agreement]))];
  const parts = [list(labels.map(([label, agreed]) => ({
    name: label,
    href: catalog({ label, label_source: "given" }),
    drawn: track([agreed, ""]),
    said: percent(agreed),
    title: `the network says the same of ${percent(agreed)}`,
  })))];
  const confused = rows.filter((row) => row.label !== row.predicted_label)
    .sort((a, b) => b.garments - a.garments).slice(0, CONFUSIONS);
  if (confused.length) {
    parts.push(make("h3", { class: "small" }, "Most often taken for another"),
      make("p", { class: "chips" }, ...confused.map(({ label, predicted_label, garments }) =>
        make("a", { class: "button", href: catalog({ label, predicted_label, label_source: "given" }) },
          `${label} for ${predicted_label}`, make("span", { class: "number" }, number(garments))))));
  }
  return [...parts, ...first(rows, more)];
}
