// Find similar: the address says what is shown, the API is asked, the answer is drawn.

import { ask, form, Problem, send } from "./api.js";
import { blobUrl, moved, photoOf } from "./asked.js";
import { mendPictures } from "./pictures.js";
import { chooseBox } from "./crop.js";
import { $, megabytes, onChoice } from "./dom.js";
import { stillReadable, takeFiles } from "./files.js";
import { drawAsked, drawFailed, drawLabelOnly, drawMatches, drawWaiting } from "./matches.js";
import { keep, recall } from "./photos.js";
import { address, COUNT, parameters, parse, samePicture } from "./question.js";
import { calm, say, trouble } from "./say.js";

const FEW = 12; // placeholders
const REMEMBERED = 40;
const GONE = ["photo_gone", "garment_gone"]; // then there is nothing to show beside
const answers = new Map(); // what was asked -> its answer, so that "back" is instant
let shown = null; // the question whose answer is on the page
let current = new AbortController(); // the newest question's; an older answer is dropped

history.scrollRestoration = "manual";

// --- the address ----------------------------------------------------------------------------------

function go(question) {
  history.replaceState({ ...history.state, y: scrollY }, "");
  history.pushState({}, "", address(question));
  show();
}

// The same picture searched in another way: the sliders leave no step in the history.
function search(change, { step = true } = {}) {
  const question = { ...parse(location.search), ...change };
  if (step) return go(question);
  history.replaceState({}, "", address(question));
  return show();
}

async function show() {
  const question = parse(location.search);
  current.abort();
  const mine = (current = new AbortController());
  calm();
  for (const box of boxes()) box.checked = question.among.split(",").includes(box.value);
  if (!question.garment && !question.photo) return home();
  $("n").value = question.n;
  $("min").value = question.min;
  drawSliders();
  $("find").setAttribute("aria-busy", "true");
  const again = samePicture(shown, question);
  try {
    const photo = question.photo ? await photoOf(question) : null;
    if (mine.signal.aborted) return;
    if (!again) {
      drawAsked(photo ? blobUrl(photo) : `/api/v1/garments/${encodeURIComponent(question.garment)}/image?width=640`, Boolean(photo));
      $("crop").hidden = !photo;
      drawWaiting(Math.min(FEW, question.n));
      shown = null;
    }
    open("find");
    scrollTo(0, history.state?.y ?? (again ? scrollY : 0));
    $("matches").classList.toggle("busy", again);
    say("Looking…");
    const heard = await answer(question, photo, mine.signal);
    if (mine.signal.aborted) return;
    shown = question;
    const focus = focusOf(again);
    say(heard.classified ? drawLabelOnly(heard.classified) : drawMatches(heard, question, search));
    focus();
    scrollTo(0, history.state?.y ?? scrollY);
  } catch (error) {
    if (mine.signal.aborted) return;
    if (!again) drawFailed();
    open(!again && GONE.includes(error.code) ? "home" : "find");
    trouble(error, show);
  } finally {
    if (!mine.signal.aborted) {
      $("matches").classList.remove("busy");
      $("find").setAttribute("aria-busy", "false");
    }
  }
}

function home() {
  shown = null;
  open("home");
  scrollTo(0, history.state?.y ?? 0);
}

function open(id) {
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== id;
}

// Drawing replaces what had the focus; it goes to the same choice, or to the new answer's name.
function focusOf(again) {
  const had = document.activeElement;
  if (again && $("labels").contains(had)) return () => $("labels").querySelector("[aria-pressed=true]")?.focus();
  if (again && !$("none").contains(had)) return () => {};
  return () => $("query-label").focus({ preventScroll: true });
}

// --- asking ---------------------------------------------------------------------------------------

async function answer(question, photo, signal) {
  const key = address(question);
  if (!answers.has(key)) {
    const found = await fresh(question, photo, signal);
    answers.set(key, found);
    if (answers.size > REMEMBERED) answers.delete(answers.keys().next().value);
  }
  return answers.get(key);
}

async function fresh(question, photo, signal) {
  const how = parameters(question);
  if (!photo) return likeGarment(question.garment, how, signal);
  try {
    return await send(`/similar?${how}`, form("image", [photo]), { signal });
  } catch (error) {
    if (error.lost && !(await stillReadable(photo))) throw moved();
    if (error.code !== "catalog_empty") throw error;
    return { classified: await send("/classify", form("image", [photo]), { signal }) };
  }
}

async function likeGarment(id, how, signal) {
  try {
    return await ask(`/garments/${encodeURIComponent(id)}/similar?${how}`, { signal });
  } catch (error) {
    if (error.code !== "garment_not_found") throw error;
    throw new Problem(`Garment ${id} is no longer in the catalog. Start from another one, or from a photo.`, "garment_gone");
  }
}

// --- what people do -------------------------------------------------------------------------------

function tuned() {
  const { n, min } = parse(location.search);
  return { n, min, among: only() };
}

// What the shop's own relations are searched among: the boxes, and those that are ticked.
function boxes() {
  return [...document.querySelectorAll("#among input")];
}

function only() {
  return boxes().filter((box) => box.checked).map((box) => box.value).join();
}

function askAbout([file]) {
  const most = Number(document.body.dataset.maxImage);
  if (file.size > most) {
    trouble(new Problem(`The photo has ${megabytes(file.size)}; at most ${megabytes(most)} are read.`));
    return;
  }
  go({ photo: keep(file), label: "auto", ...tuned() });
}

async function surprise() {
  const how = { label: "auto", ...tuned() };
  calm();
  try {
    const found = await ask(`/garments/random/similar?${parameters(how)}`, { signal: current.signal });
    const question = { garment: String(found.query.id), ...how };
    answers.set(address(question), found);
    go(question);
  } catch (error) {
    trouble(error, surprise);
  }
}

async function crop() {
  const question = parse(location.search);
  const file = await recall(question.photo);
  const box = await chooseBox(blobUrl(file), question.crop);
  if (box) go({ ...question, crop: box === "whole" ? null : box, label: "auto" });
}

function drawSliders() {
  $("n-said").textContent = $("n").value;
  $("min-said").textContent = Number($("min").value) ? Number($("min").value).toFixed(2) : "any";
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-random]")) surprise();
  const link = event.target.closest('a[href="/"], a[href^="/?"]');
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  const question = parse(new URL(link.href).search);
  go(question.garment ? { ...question, ...tuned() } : { ...question, n: COUNT, min: 0, among: "" });
});
for (const id of ["n", "min"]) {
  $(id).addEventListener("input", drawSliders);
  $(id).addEventListener("change", () => search({ [id]: Number($(id).value) }, { step: false }));
}
for (const box of boxes()) box.addEventListener("change", () => search({ among: only() }));
onChoice($("other"), (label) => {
  if (label) search({ label });
  $("other").value = "";
});
$("crop").addEventListener("click", crop);
$("tune").open = matchMedia("(min-width: 50.01rem)").matches;
mendPictures($("home"));
takeFiles(askAbout);
addEventListener("popstate", show);
show();
