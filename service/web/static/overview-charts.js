// Reports drawn: each function takes a report's rows and gives the elements that show them, every one a link
// to the garments behind it. Nothing here asks the server.

import { make, percent, plural } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const BUCKETS = 40; // bars of the growth chart at most
const CONFUSIONS = 8;

const catalog = (conditions) => `/catalog?${new URLSearchParams(conditions)}`;
const number = (value) => value.toLocaleString("en");
const day = (date) => new Date(`${date}T00:00Z`).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// rows: [{name, href, drawn, said, title}]
function list(rows) {
  return make("ul", { class: "rows" }, ...rows.map(({ name, href, drawn, said, title }) =>
    make("li", {}, make("a", { href, title, "aria-label": `${name}: ${title ?? said}` },
      make("span", { class: "name" }, name), drawn, make("span", { class: "number" }, said)))));
}

// parts: [share of the track, class]
function track(...parts) {
  return make("span", { class: "track", "aria-hidden": "true" }, ...parts.map(([share, style]) => {
    const fill = make("span", { class: `fill ${style}` });
    fill.style.width = `${100 * share}%`;
    return fill;
  }));
}

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
  return [list(rows.map(({ label, garments, p10, p25, median, p75, p90 }) => {
    const x = (share) => `${100 * share}%`;
    return {
      name: label,
      href: catalog({ label, max_confidence: p10.toFixed(3), order: "oldest" }),
      drawn: svg("svg", { class: "range", "aria-hidden": "true" },
        svg("rect", { class: "whole", width: "100%", height: "100%", rx: 6 }),
        svg("line", { x1: x(p10), x2: x(p90), y1: "50%", y2: "50%" }),
        svg("rect", { class: "box", x: x(p25), width: x(Math.max(p75 - p25, 0.005)), y: "15%", height: "70%", rx: 3 }),
        svg("line", { class: "median", x1: x(median), x2: x(median), y1: "5%", y2: "95%" })),
      said: percent(median),
      title: `half of ${plural(garments, "garment")} above ${percent(median)}, a tenth below ${percent(p10)}: see those`,
    };
  }))];
}

export function growth(rows) {
  const days = rows.toReversed();
  if (days.length < 2) {
    return nothing(make("a", { href: catalog({ added_from: days[0].day, added_to: days[0].day }) },
      `All ${plural(days[0].garments, "garment")} came on ${day(days[0].day)}.`));
  }
  const bars = buckets(days);
  const [width, height, left, below] = [560, 220, 8, 24];
  const most = Math.max(...bars.map((bar) => bar.added));
  const step = (width - left) / bars.length;
  const drawn = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height + below}`, role: "group", "aria-label": "Garments added" });
  bars.forEach(({ from, to, added, garments }, place) => {
    if (!added) return;
    const tall = Math.max(2, (height - 20) * (added / most));
    const said = `${from === to ? day(from) : `${day(from)} to ${day(to)}`}: ${plural(added, "garment")} added, ${number(garments)} in all`;
    const at = left + place * step;
    drawn.append(svg("a", { href: catalog({ added_from: from, added_to: to }), "aria-label": said },
      svg("title", {}, said),
      svg("rect", { class: "hit", x: at, y: 0, width: step, height }),
      svg("rect", { class: "bar", x: at + step * 0.12, width: Math.min(step * 0.76, 48), y: height - tall, height: tall, rx: 2 })));
  });
  drawn.append(
    svg("line", { class: "axis", x1: left, x2: width, y1: height, y2: height }),
    svg("text", { x: left, y: height + 18 }, day(bars[0].from)),
    svg("text", { x: width, y: height + 18, "text-anchor": "end" }, day(bars.at(-1).to)),
    svg("text", { x: left, y: 12 }, `${number(most)} at most ${bars.some((bar) => bar.from !== bar.to) ? "at a time" : "a day"}`),
  );
  return [drawn];
}

// Spans of equal length where there are more days than bars.
function buckets(days) {
  const at = (date) => Date.parse(`${date}T00:00Z`) / 86_400_000;
  const name = (place) => new Date(place * 86_400_000).toISOString().slice(0, 10);
  const [first, last] = [at(days[0].day), at(days.at(-1).day)];
  const span = Math.ceil((last - first + 1) / BUCKETS);
  const bars = [];
  for (let from = first; from <= last; from += span) {
    const to = Math.min(from + span - 1, last);
    const inside = days.filter((each) => at(each.day) >= from && at(each.day) <= to);
    bars.push({
      from: name(from),
      to: name(to),
      added: inside.reduce((sum, each) => sum + each.added, 0),
      garments: inside.at(-1)?.garments ?? bars.at(-1).garments,
    });
  }
  return bars;
}

export function agreement(rows) {
  if (!rows.length) return nothing("No garment has a given label.");
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
  return parts;
}

export function nothing(...said) {
  return [make("p", { class: "soft" }, ...said)];
}
