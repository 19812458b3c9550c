// An answer of "find similar", drawn. Nothing here asks the server or knows the address.

import { blank, card, placeholders } from "./card.js";
import { $, button, make, percent, plural, similarity } from "./dom.js";
import { judged, showVerdicts } from "./verdicts.js";

const GUESSES = 3;
const WAYS = { exact: "every one compared", hnsw: "by index (HNSW)" };

// The picture that is asked about. whole: all of it is shown, as a person chose it.
export function drawAsked(source, whole) {
  const image = make("img", { id: "query-image", alt: "The garment that is asked about", width: 320, height: 400, src: source });
  image.addEventListener("error", () => {
    if (!image.isConnected) return; // another one is asked about by now
    const why = whole ? "Your browser cannot show this photo" : "The picture cannot be shown";
    image.replaceWith(make("span", { id: "query-image", class: "blank" }, why));
    $("crop").hidden = true;
  });
  $("query-image").replaceWith(image);
  image.parentElement.classList.toggle("whole", whole);
}

export function drawWaiting(count) {
  $("find").classList.add("unanswered");
  $("query-label").textContent = "Looking…";
  $("query-note").textContent = "";
  $("labels").replaceChildren();
  $("matches-title").textContent = "Most like it";
  $("method").textContent = "";
  $("none").hidden = true;
  $("matches").replaceChildren(...placeholders(count));
}

// question: as it was asked. search(change) asks it again, changed. Returns what a screen reader hears.
export function drawMatches(answer, question, search) {
  const { query, matches, searched_labels: searched } = answer;
  const known = query.recognised !== false;
  $("find").classList.remove("unanswered");
  $("query-label").textContent = known ? query.label : "No garment recognised";
  $("query-note").textContent = note(query, known);
  drawChips(answer, question, known, search);
  const everywhere = searched.length > GUESSES;
  const place = everywhere ? "all categories" : searched.join(", ");
  const title = matches.length ? `Most like it in ${place}` : known ? `Nothing in ${place}` : "What is it?";
  $("matches-title").textContent = title;
  $("method").textContent = matches.length
    ? `${plural(matches.length, "garment")}${question.among && ` · only ${words(question.among)}`} · cosine, ${WAYS[answer.method] ?? answer.method} · ${answer.model}` : "";
  $("matches").replaceChildren(...matches.map((match, place) => {
    const number = similarity(match.similarity);
    const drawn = card(match, { number, place, title: "More like this",
      says: `${match.label}, similarity ${number}: more like this` });
    return judged(drawn, query, match);
  }));
  showVerdicts(query);
  $("none").hidden = matches.length > 0;
  if (!matches.length) drawNone(known, question, search);
  return `${$("query-label").textContent}. ${title}: ${plural(matches.length, "garment")}.`;
}

// What the garments are that are searched among, by the names of the shop's relations.
function words(among) {
  return among.replaceAll("_", " ").split(",").join(", ");
}

function note(query, known) {
  if (!known) return "The photo is unlike all that the network knows. If there is a garment in it, crop to it.";
  const sure = query.confidence === null ? "" : `network ${percent(query.confidence)} sure`;
  if (query.id) return [`Garment ${query.id}`, sure].filter(Boolean).join(", ");
  return `${percent(query.confidence)} sure`;
}

function drawChips({ query, searched_labels: searched }, question, known, search) {
  const single = searched.length === 1 ? searched[0] : null;
  const guesses = query.labels.slice(0, GUESSES);
  const chips = guesses.map(({ label, confidence }, place) => {
    const sure = confidence === null || (place === 0 && known) ? null : make("span", { class: "number" }, percent(confidence));
    return chip([label, sure], known && single === label, () => search({ label }));
  });
  if (single && !guesses.some(({ label }) => label === single)) chips.push(chip([single], true, () => {}));
  const everywhere = question.label === "any";
  chips.push(chip([known ? "All categories" : "Nearest of all"], everywhere, () => search({ label: "any" })));
  $("labels").replaceChildren(...chips);
}

function chip(parts, pressed, choose) {
  return button(parts.filter(Boolean), choose, { "aria-pressed": String(pressed) });
}

function drawNone(known, question, search) {
  const parts = [];
  if (!known && question.label === "auto") {
    parts.push(make("p", {}, "Choose the category that comes closest, or look among all. A photo with one garment in good light, seen whole, works best."),
      button("Show the nearest anyway", () => search({ label: "any" }), { class: "primary" }));
  } else if (question.min > 0) {
    parts.push(make("h3", {}, `Nothing is ${question.min.toFixed(2)} similar`), button("Show less similar ones", () => search({ min: 0 })));
  } else if (question.among) {
    parts.push(make("h3", {}, `Nothing here is ${words(question.among)}`), button("Show the others too", () => search({ among: "" })));
  } else {
    parts.push(make("p", {}, "Try another category, or take more photos in."),
      button("Search all categories", () => search({ label: "any" })));
  }
  $("none").replaceChildren(...parts);
}

// What a photo shows, where there is nothing to compare it with.
export function drawLabelOnly({ label, confidence }) {
  $("query-label").textContent = label ?? "No garment recognised";
  $("query-note").textContent = label ? `${percent(confidence)} sure` : "";
  $("labels").replaceChildren();
  $("matches-title").textContent = "The catalog is still empty";
  $("matches").replaceChildren();
  $("none").replaceChildren(make("p", {}, "Once there are garments in it, the most similar ones are here."));
  $("none").hidden = false;
  return `${$("query-label").textContent}. The catalog is still empty.`;
}

export function drawFailed() {
  $("query-label").textContent = "No answer";
  $("query-note").textContent = "";
  $("labels").replaceChildren();
  $("matches-title").textContent = "Nothing to show";
  $("method").textContent = "";
  $("none").hidden = true;
  $("matches").replaceChildren();
}
