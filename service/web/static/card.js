// A picture with a line below it: garments in every gallery. parts.html draws the same on the server.

import { make } from "./dom.js";

const SIZES = "(max-width: 50rem) 45vw, 14rem";
const FIRST = 6; // pictures of a gallery that are on screen at once: they do not wait to be scrolled to
const PATIENCE = 2000; // milliseconds until a picture that did not come is asked for again

// A garment's picture, sized for the grid. One that cannot be shown becomes a tile with its name.
export function picture(imageUrl, { place = FIRST, name = "" } = {}) {
  const image = make("img", {
    alt: "",
    width: 240,
    height: 300,
    loading: place < FIRST ? "eager" : "lazy",
    fetchpriority: place < FIRST ? "high" : "auto",
    decoding: "async",
    sizes: SIZES,
    srcset: [240, 480].map((width) => `${imageUrl}?width=${width} ${width}w`).join(", "),
    src: `${imageUrl}?width=240`,
  });
  return mended(image, name || "The picture cannot be shown");
}

// The image, which is asked for once more where it does not come, and then becomes a tile with its name: what
// a server with too much to do refuses is not missing. failed: it did not come the first time already.
export function mended(image, name, failed = false) {
  const again = () => setTimeout(() => {
    image.addEventListener("error", () => image.replaceWith(blank(name)), { once: true });
    image.src += ""; // said anew, the same addresses are asked again
  }, PATIENCE);
  if (failed) again();
  else image.addEventListener("error", again, { once: true });
  return image;
}

export function blank(text = "") {
  return make("span", { class: "blank" }, text);
}

// garment: {id, image_url, image_path}. A link to `href`, by default to what is like it.
// number: short text at the caption's right. says: what a screen reader reads of it.
export function card(garment, { href = `/?garment=${garment.id}`, label = garment.label, number, says, place, title } = {}) {
  return make("a", { class: "card", href, title, "aria-label": says, "data-garment": garment.id },
    picture(garment.image_url, { place, name: garment.image_path }),
    caption(label, number));
}

export function caption(label, number) {
  return make("span", { class: "caption" }, make("span", {}, label),
    number == null ? null : make("span", { class: "number" }, number));
}

// Tiles that say "something comes here", while an answer is on its way.
export function placeholders(count) {
  return Array.from({ length: count }, () =>
    make("div", { class: "card waiting", "aria-hidden": "true" }, blank(), make("span", { class: "caption" })));
}
