// A set of photos, drawn: its bar chart, its pictures, what could not be read. Nothing here asks the server.

import { blank, caption } from "./card.js";
import { $, button, icon, make, percent, plural } from "./dom.js";

const addresses = new WeakMap(); // file -> its blob URL

function picture(file, name) {
  if (!addresses.has(file)) addresses.set(file, URL.createObjectURL(file));
  const image = make("img", { src: addresses.get(file), alt: "", width: 240, height: 300, loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(blank(name)));
  return image;
}

export function drawGoing(files) {
  $("going-title").textContent = plural(files.length, "photo");
  $("going-bar").max = files.length;
  $("going-note").textContent = "Sending the first ones";
  $("stop").textContent = "Stop";
  $("going-photos").replaceChildren(...files.map((file) => make("div", { class: "card" }, picture(file, file.name))));
  drawSent(0);
}

// The bar counts a photo half when it has arrived, and whole when it is named.
export function drawSent(photos) {
  const bar = $("going-bar");
  const named = $("going-photos").querySelectorAll(".named").length;
  bar.value = (named + photos) / 2;
}

export function drawNamed({ images }) {
  const tiles = [...$("going-photos").children];
  images.forEach(({ label, confidence, error }, place) => {
    if (tiles[place].classList.contains("named")) return;
    tiles[place].classList.add("named");
    tiles[place].append(error ? make("span", { class: "wrong" }, error) : caption(label ?? "No garment", label && percent(confidence)));
  });
  $("going-note").textContent = `${images.length} of ${tiles.length} named`;
  drawSent(images.length);
}

// Returns what a screen reader hears.
export function drawStopping() {
  const said = "Stopping after the photos that are on their way";
  $("going-note").textContent = said;
  $("stop").textContent = "Stop at once";
  return said;
}

// files: the photos in the set's order, as far as this browser has them. unsent: {filename, error} of those that it
// left out. chosen: the only label shown, or null. choose(label), similar(file). Returns what a screen reader hears.
export function drawSet(set, files, unsent, chosen, { choose, similar }) {
  const labelled = set.images.filter((image) => image.label);
  const read = set.images.filter((image) => !image.error).length;
  const wrong = [...set.images.filter((image) => image.error), ...unsent];
  $("set-title").textContent = plural(set.images.length, "photo");
  $("set-note").textContent = note(set, read - labelled.length);
  $("kept-note").textContent = files.length ? "Only this browser shows the pictures: they are not kept on the server, and others see their names."
    : "Pictures are not kept on the server. The browser that sent them shows them for a while; everyone else sees their names.";
  $("top-title").hidden = !set.top.length;
  $("top").replaceChildren(...set.top.map((count) => bar(count, set.top[0].share, chosen, choose)));
  $("wrongs").hidden = !wrong.length;
  $("wrong-title").textContent = `${plural(wrong.length, "photo")} could not be read`;
  $("wrong").replaceChildren(...wrong.map(({ filename, error }) =>
    make("li", {}, make("span", {}, filename || "without a name"), make("span", { class: "reason" }, error))));
  const placed = set.images.map((image, place) => ({ image, file: files[place] }));
  const seen = placed.filter(({ image }) => !image.error && (!chosen || image.label === chosen));
  $("photo-by-photo").hidden = !read;
  $("images-title").textContent = chosen ?? "Photo by photo";
  $("images-note").textContent = chosen ? `${seen.length} of ${read}` : "";
  $("images").replaceChildren(...seen.map(({ image, file }) => card(image, file, similar)));
  const first = set.top[0];
  return `${plural(labelled.length, "photo")} labelled${first ? `, most of them ${first.label}` : ""}` +
    `${wrong.length ? `; ${wrong.length} could not be read` : ""}.`;
}

function note(set, unrecognised) {
  const when = new Date(set.created_at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  const strange = unrecognised ? ` No garment is recognised on ${unrecognised}, which the chart leaves out.` : "";
  return `${when}, ${set.model}.${strange}`;
}

// recent: [{key, previews, at}], sets that this browser sent.
export function drawRecent(recent) {
  $("recent").hidden = !recent.length;
  $("recent-sets").replaceChildren(...recent.map(({ key, previews, at }) => {
    const shown = previews.filter(Boolean).slice(0, 4);
    const day = new Date(at).toLocaleDateString("en-GB", { dateStyle: "medium" });
    return make("a", { class: "card", href: `/sets/${key}` },
      make("span", { class: "blank mosaic" }, ...shown.map((file) => picture(file, ""))),
      caption(plural(previews.length, "photo"), day));
  }));
}

function bar({ label, count, share }, most, chosen, choose) {
  const fill = make("span", { class: "fill" });
  fill.style.width = `${(100 * share) / most}%`;
  const pressed = label === chosen;
  return make("li", {}, button([
    make("span", {}, label),
    make("span", { class: "track", "aria-hidden": "true" }, fill),
    make("span", { class: "number" }, `${count} · ${percent(share)}`),
  ], () => choose(pressed ? null : label), { "aria-pressed": String(pressed), "data-label": label }));
}

function card({ filename, label, confidence }, file, similar) {
  const said = label ?? "No garment";
  const below = caption(said, label ? percent(confidence) : null);
  const name = filename || "without a name";
  if (!file) return make("div", { class: "card" }, make("span", { class: "blank named" }, icon("sets"), make("span", {}, name)), below);
  return button([picture(file, name), below], () => similar(file), {
    class: "card", title: `${name}: find similar garments`,
    "aria-label": `${name}: ${said}${label ? `, ${percent(confidence)} sure` : ""}. Find similar garments`,
  });
}
