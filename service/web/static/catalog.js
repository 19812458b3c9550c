// The catalog: more garments come as one scrolls; coming back from one, all that was there is there.

import { ask } from "./api.js";
import { startAdding } from "./catalog-add.js";
import { mendPictures } from "./pictures.js";
import { leave, placeLeft } from "./catalog-place.js";
import { card } from "./card.js";
import { $, onChoice, percent, plural } from "./dom.js";
import { takeFiles } from "./files.js";
import { say, trouble } from "./say.js";

const PAGE = 48;
const MOST = 1000; // garments in one answer

const list = $("garments");
const more = $("more");
let asking = false;

const garmentCard = (garment, place) => {
  const sure = garment.label_source === "given" ? "given" : garment.confidence === null ? "" : percent(garment.confidence);
  return card(garment, { href: `/garments/${garment.id}`, number: sure, place,
    says: `${[garment.label, sure].filter(Boolean).join(", ")}: garment ${garment.id}` });
};

async function load(limit = PAGE) {
  if (asking || !list?.dataset.cursor) return;
  asking = true;
  list.setAttribute("aria-busy", "true");
  try {
    const query = new URLSearchParams(list.dataset.query);
    query.set("cursor", list.dataset.cursor);
    query.set("limit", limit);
    const answer = await ask(`/garments?${query}`);
    list.append(...answer.garments.map((garment) => garmentCard(garment)));
    list.dataset.cursor = answer.next_cursor ?? "";
    more.hidden = !answer.next_cursor;
    $("all").hidden = !more.hidden;
    say(`${plural(list.children.length, "garment")} shown`);
  } catch (error) {
    watcher.disconnect(); // not again and again by itself
    trouble(error, () => load().then(watch));
  } finally {
    asking = false;
    list.removeAttribute("aria-busy");
  }
}

// Asked for before the end is seen; once more where the end is still near after an answer.
const watcher = new IntersectionObserver(async ([end]) => {
  if (!end.isIntersecting || asking) return;
  await load();
  watch();
}, { rootMargin: "900px" });

function watch() {
  watcher.disconnect();
  if (list?.dataset.cursor && $("trouble").hidden) watcher.observe(more);
}

// The browser alone forgets what came after the first page.
async function restore() {
  const was = placeLeft();
  if (!was) return;
  while (list.children.length < was.count && list.dataset.cursor && $("trouble").hidden) {
    await load(Math.min(MOST, was.count - list.children.length));
  }
  scrollTo(0, was.y);
}

if (list) {
  history.scrollRestoration = "manual";
  mendPictures(list);
  addEventListener("pagehide", () => leave({ count: list.children.length, y: scrollY }));
  more.addEventListener("click", (event) => {
    event.preventDefault();
    load().then(watch);
  });
  restore().then(watch);
}

for (const select of document.querySelectorAll("#filters select")) onChoice(select, () => select.form.requestSubmit());
$("filters")?.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name); // a short address
});
// A page that is shown again as it was left would name the choice that led away from it.
addEventListener("pageshow", ({ persisted }) => persisted && $("filters")?.reset());
if (!("readsOnly" in document.body.dataset)) takeFiles(startAdding);
