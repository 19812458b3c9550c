// Elements, and numbers as people read them.

export const $ = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function button(text, act, attributes = {}) {
  const element = make("button", { type: "button", ...attributes }, ...[text].flat());
  element.addEventListener("click", act);
  return element;
}

const PASSING = /^(Arrow|Page|Home|End|\S$)/; // keys that change a closed list; a letter leads to what begins with it
const AT_ONCE = 100; // milliseconds: from a list that a key opened one chooses later

// act(value) of what somebody chooses in a select. What keys pass in a closed list is chosen by Enter, or when the
// focus goes on.
export function onChoice(select, act) {
  let key = null; // the newest of those keys: {time, value: before it}
  let before = null; // the value before keys passed others; null where they did not
  const settle = () => {
    const chosen = before !== null && before !== select.value;
    before = null;
    if (chosen) act(select.value);
  };
  select.addEventListener("keydown", (event) => {
    if (PASSING.test(event.key)) key = { time: performance.now(), value: select.value };
    if (event.key !== "Enter" || before === null) return;
    event.preventDefault(); // it would open the list, or send the form
    settle();
  });
  select.addEventListener("change", () => {
    if (key && performance.now() - key.time < AT_ONCE) {
      before ??= key.value;
      return;
    }
    before = null;
    act(select.value);
  });
  select.addEventListener("blur", settle);
}

// One of the symbols in icons.svg.
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

export const percent = (share) => `${share > 0 && share < 0.01 ? "under 1" : Math.round(share * 100)}\u00a0%`;
export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

// Three digits where two would call different pictures the same.
export const similarity = (value) => value.toFixed(value > 0.994 ? 3 : 2);
