// What the page says: to screen readers, in passing, and when something went wrong.

import { $, button, make } from "./dom.js";
import { Problem } from "./api.js";

// Heard, not seen.
export function say(text) {
  $("status").textContent = text;
}

// Shown for a while. undo: {text, act} is a button in it, which also keeps it longer.
export function toast(text, undo = null) {
  const element = make("div", { class: "toast" }, make("span", {}, text));
  const gone = setTimeout(() => element.remove(), undo ? 10_000 : 5_000);
  if (undo) {
    element.append(button(undo.text, () => {
      clearTimeout(gone);
      element.remove();
      undo.act();
    }));
  }
  $("toasts").append(element);
  return element;
}

// What went wrong, in sight until `calm`. again: tries the same once more, and is offered
// where that may help: no connection, no key any more, too much to do, a fault of the server.
export function trouble(error, again = null) {
  if (error.name === "AbortError") return;
  const known = error instanceof Problem;
  if (!known) console.error(error);
  const text = known ? error.message : "The page has a fault; the browser's console says more.";
  const parts = [make("div", {}, make("strong", {}, "That did not work"), text)];
  if (again && known && error.passing) {
    parts.push(button("Try again", () => {
      calm();
      again();
    }));
  }
  parts.push(button("Close", calm, { class: "link" }));
  $("trouble").replaceChildren(...parts);
  $("trouble").hidden = false;
  say("");
}

export function calm() {
  $("trouble").hidden = true;
}
