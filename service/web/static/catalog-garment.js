// A garment's page: its neighbours, another label, and a removal that can be taken back.

import { ask } from "./api.js";
import { card, placeholders } from "./card.js";
import { mendPictures } from "./pictures.js";
import { leadBack } from "./catalog-place.js";
import { $, onChoice, percent, similarity } from "./dom.js";
import { calm, say, toast, trouble } from "./say.js";
import { judged, showVerdicts } from "./verdicts.js";

const NEIGHBOURS = 12;
const SECONDS = 10; // as long as a toast with a button stays

const garment = $("garment");
const path = `/garments/${garment.dataset.id}`;
let near = "auto";
let asked = new AbortController(); // for the newest neighbours; older ones are dropped
let leaving = null; // the timer of a removal that can still be taken back
let offer = null; // the toast that says so

// --- what is like it ------------------------------------------------------------------------------

async function showNeighbours() {
  asked.abort();
  const { signal } = (asked = new AbortController());
  $("near-none").hidden = true;
  $("near").replaceChildren(...placeholders(6));
  try {
    const { query, matches } = await ask(`${path}/similar?n=${NEIGHBOURS}&label=${near}`, { signal });
    $("near").replaceChildren(...matches.map((match, place) => {
      const number = similarity(match.similarity);
      const says = `${match.label}, similarity ${number}: garment ${match.id}`;
      return judged(card(match, { href: `/garments/${match.id}`, number, place, says }), query, match);
    }));
    showVerdicts(query);
    $("near-none").textContent = near === "any" ? "There is no other garment." : "There is no other in its category.";
    $("near-none").hidden = matches.length > 0;
  } catch (error) {
    if (signal.aborted) return;
    $("near").replaceChildren();
    trouble(error, showNeighbours);
  }
}

for (const chip of document.querySelectorAll("[data-near]")) {
  chip.addEventListener("click", () => {
    near = chip.dataset.near;
    for (const each of document.querySelectorAll("[data-near]")) each.setAttribute("aria-pressed", each === chip);
    showNeighbours();
  });
}

// --- another label --------------------------------------------------------------------------------

async function relabel(label) {
  const select = $("label");
  const focused = document.activeElement === select;
  select.disabled = true; // one at a time
  calm();
  try {
    const changed = await ask(path, { method: "PATCH", json: { label } });
    garment.dataset.label = changed.label;
    $("label-said").textContent = changed.label;
    $("source-said").textContent = `${changed.label_source} label`;
    $("confidence-said").textContent = changed.confidence === null ? "unknown" : percent(changed.confidence);
    toast(`The label is ${changed.label}.`);
    if (near === "auto") showNeighbours();
  } catch (error) {
    trouble(error, () => relabel(label));
  } finally {
    select.disabled = false;
    select.value = garment.dataset.label;
    if (focused && document.activeElement === document.body) select.focus(); // what is disabled loses it
  }
}

if ($("label")) onChoice($("label"), relabel);

// --- removed, after a while -----------------------------------------------------------------------

// Until it is asked for nothing is lost, not even where the browser dies: see docs/adr/0029.
function remove() {
  if (leaving) return;
  calm();
  mark(true);
  leaving = setTimeout(() => commit().then((done) => done && location.assign("/catalog")), SECONDS * 1000);
  offer = toast("Garment removed.", { text: "Undo", act: takeBack });
  offer.querySelector("button").focus();
}

function takeBack() {
  clearTimeout(leaving);
  leaving = null;
  mark(false);
  $("remove").focus();
  say("Garment kept.");
}

function mark(going) {
  garment.classList.toggle("going", going);
  garment.inert = going;
}

// Whether it is gone now.
async function commit() {
  clearTimeout(leaving);
  leaving = null;
  offer.remove();
  try {
    await ask(path, { method: "DELETE", keepalive: true });
    return true;
  } catch (error) {
    if (error.code === "garment_not_found") return true;
    mark(false);
    trouble(error, () => commit().then((done) => done && location.assign("/catalog")));
    return false;
  }
}

$("remove")?.addEventListener("click", remove);
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[href]");
  if (!leaving || !link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault(); // the next page should not have it any more
  if (await commit()) location.assign(link.href);
});
document.querySelector("[data-sign-out]")?.addEventListener("click", () => leaving && commit()); // with the key still
addEventListener("pagehide", () => leaving && commit());

leadBack(document.querySelector("[data-back]"));
mendPictures(garment);
showNeighbours();
