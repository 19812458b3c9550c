// What is in these photos: they are sent, counted in SQL, and shown under an address of their own.

import { ask, form, Problem, send } from "./api.js";
import { csv, save } from "./csv.js";
import { $, megabytes, plural } from "./dom.js";
import { takeFiles } from "./files.js";
import { keep, stored } from "./photos.js";
import { dropPreviews, keepPreviews, previewsOf, recentSets } from "./previews.js";
import { calm, say, toast, trouble } from "./say.js";
import { drawGoing, drawRecent, drawSent, drawSet } from "./set-view.js";

const sets = new Map(); // id -> its answer
const photos = new Map(); // id -> its photos, as far as this browser has them
let current = new AbortController();

async function show() {
  const id = location.pathname.split("/")[2];
  current.abort();
  const mine = (current = new AbortController());
  calm();
  if (!id) return home();
  try {
    if (!sets.has(id)) sets.set(id, await ask(`/sets/${encodeURIComponent(id)}`, { signal: mine.signal }));
    if (!photos.has(id)) photos.set(id, await previewsOf(id));
    if (mine.signal.aborted) return;
    draw(sets.get(id));
    open("set");
  } catch (error) {
    if (mine.signal.aborted) return;
    if (error.code === "set_not_found") await dropPreviews(id);
    await home();
    trouble(error, show);
  }
}

function draw(set) {
  const chosen = new URLSearchParams(location.search).get("label");
  const act = {
    similar,
    choose(label) {
      history.replaceState(null, "", label ? `?${new URLSearchParams({ label })}` : location.pathname);
      draw(set);
      $("top").querySelector(`[data-label="${label ?? chosen}"]`)?.focus();
    },
  };
  say(drawSet(set, photos.get(set.id), chosen, act));
}

async function home() {
  open("home");
  drawRecent(await recentSets());
}

function open(id) {
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== id;
}

async function askAbout(files) {
  current.abort();
  const mine = (current = new AbortController());
  calm();
  try {
    requireFitting(files);
    drawGoing(files);
    open("going");
    $("going-title").focus();
    say(`Sending ${plural(files.length, "photo")}`);
    const set = await send("/sets", form("images", files), { sent: (bytes, total) => drawSent(bytes, total), signal: mine.signal });
    if (mine.signal.aborted) return;
    sets.set(set.id, set);
    photos.set(set.id, files);
    keepPreviews(set.id, files);
    history.pushState(null, "", `/sets/${set.id}`);
    await show();
    scrollTo(0, 0);
    $("set-title").focus();
  } catch (error) {
    if (mine.signal.aborted) return;
    await show();
    trouble(error, () => askAbout(files));
  }
}

function requireFitting(files) {
  const { maxImages, maxSet } = document.body.dataset;
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length > maxImages) {
    throw new Problem(`${files.length} photos are too many; at most ${maxImages} make a set.`, "too_many");
  }
  if (bytes > maxSet) {
    throw new Problem(`The photos have ${megabytes(bytes)}; at most ${megabytes(maxSet)} make a set.`, "too_large");
  }
}

async function similar(file) {
  const key = keep(file);
  await stored();
  location.assign(`/?photo=${key}`);
}

async function share() {
  const address = location.origin + location.pathname;
  const touch = matchMedia("(pointer: coarse)").matches;
  try {
    if (touch && navigator.share) await navigator.share({ title: document.title, url: address });
    else {
      await navigator.clipboard.writeText(address);
      toast("The address is copied.");
    }
  } catch (error) {
    if (error.name !== "AbortError") toast(`Copy this address: ${address}`); // the clipboard needs https
  }
}

function download() {
  const set = sets.get(location.pathname.split("/")[2]);
  const rows = set.images.map(({ filename, label, confidence, error }) => [filename, label, confidence, error]);
  save(`set-${set.id.slice(0, 8)}.csv`, csv([["filename", "label", "confidence", "error"], ...rows]));
}

async function forget() {
  const id = location.pathname.split("/")[2];
  try {
    await ask(`/sets/${id}`, { method: "DELETE" });
    sets.delete(id);
    photos.delete(id);
    await dropPreviews(id);
    history.pushState(null, "", "/sets");
    await show();
    toast("The set is forgotten.");
  } catch (error) {
    trouble(error, forget);
  }
}

$("share").addEventListener("click", share);
$("csv").addEventListener("click", download);
$("forget").addEventListener("click", forget);
$("stop").addEventListener("click", show);
takeFiles(askAbout);
addEventListener("popstate", show);
show();
