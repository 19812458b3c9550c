// What charts are made of: lists of bars, ranges and columns. Nothing here knows a report or asks the server.

import { make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const COLUMNS = 40; // at most

export const catalog = (conditions) => `/catalog?${new URLSearchParams(conditions)}`;
export const number = (value) => value.toLocaleString("en");
export const day = (date) => new Date(`${date}T00:00Z`).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

// The rows of a report that stand for one value of its first column; report.html names them so.
export const rowsOf = (report, value) => `/overview/${report}#${encodeURIComponent(value.replaceAll(/\s/g, "_"))}`;

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// rows: [{name, href, drawn, said, title}]
export function list(rows) {
  return make("ul", { class: "rows" }, ...rows.map(({ name, href, drawn, said, title }) =>
    make("li", {}, make("a", { href, title, "aria-label": `${name}: ${title ?? said}` },
      make("span", { class: "name" }, name), drawn, make("span", { class: "number" }, said)))));
}

// parts: [share of the track, class]
export function track(...parts) {
  return make("span", { class: "track", "aria-hidden": "true" }, ...parts.map(([share, style]) => {
    const fill = make("span", { class: `fill ${style}` });
    fill.style.width = `${100 * share}%`;
    return fill;
  }));
}

// line, box: [from, to], mark: each from 0 to 1; null is left out.
export function range(line, box, mark) {
  const x = (share) => `${100 * share}%`;
  const drawn = svg("svg", { class: "range", "aria-hidden": "true" },
    svg("rect", { class: "whole", width: "100%", height: "100%", rx: 6 }));
  if (line) drawn.append(svg("line", { x1: x(line[0]), x2: x(line[1]), y1: "50%", y2: "50%" }));
  if (box) drawn.append(svg("rect", { class: "box", x: x(box[0]), width: x(Math.max(box[1] - box[0], 0.005)), y: "15%", height: "70%", rx: 3 }));
  if (mark != null) drawn.append(svg("line", { class: "median", x1: x(mark), x2: x(mark), y1: "5%", y2: "95%" }));
  return drawn;
}

// days: [{day, count, …}], the oldest first, two at least. href(column) and said(column) of a column,
// {from, to, count, days}: of a day, or of a span where there are too many of them. name: of the whole.
export function columns(days, { name, href, said }) {
  const bars = spans(days);
  const [width, height] = [560, 200];
  const most = Math.max(...bars.map((bar) => bar.count));
  const step = width / bars.length;
  const drawn = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": name });
  bars.forEach((bar, place) => {
    if (!bar.count) return;
    const tall = Math.max(2, height * (bar.count / most));
    const text = `${bar.from === bar.to ? day(bar.from) : `${day(bar.from)} to ${day(bar.to)}`}: ${said(bar)}`;
    const at = place * step;
    drawn.append(svg("a", { href: href(bar), "aria-label": text },
      svg("title", {}, text),
      svg("rect", { class: "hit", x: at, y: 0, width: step, height }),
      svg("rect", { class: "bar", x: at + step * 0.12, width: Math.min(step * 0.76, 48), y: height - tall, height: tall, rx: 2 })));
  });
  const each = bars.some((bar) => bar.from !== bar.to) ? "at a time" : "a day";
  return make("div", { class: "columns" },
    make("p", {}, `${number(most)} at most ${each}`), drawn,
    make("p", {}, make("span", {}, day(bars[0].from)), make("span", {}, day(bars.at(-1).to))));
}

// Of equal length, as many as there are columns.
function spans(days) {
  const at = (date) => Date.parse(`${date}T00:00Z`) / 86_400_000;
  const name = (place) => new Date(place * 86_400_000).toISOString().slice(0, 10);
  const [first, last] = [at(days[0].day), at(days.at(-1).day)];
  const length = Math.ceil((last - first + 1) / COLUMNS);
  const found = [];
  for (let from = first; from <= last; from += length) {
    const to = Math.min(from + length - 1, last);
    const inside = days.filter((each) => at(each.day) >= from && at(each.day) <= to);
    found.push({ from: name(from), to: name(to), count: inside.reduce((sum, each) => sum + each.count, 0), days: inside });
  }
  return found;
}

// Below a chart that the limit of a report cut.
export const since = (days, more) => cut(more, `Since ${day(days[0].day)}: the days before are not shown.`);
export const first = (rows, more) => cut(more, `Drawn from the first ${number(rows.length)} rows alone.`);

function cut(more, text) {
  return more ? [make("p", { class: "soft tiny" }, text)] : [];
}

export function nothing(...said) {
  return [make("p", { class: "soft" }, ...said)];
}
