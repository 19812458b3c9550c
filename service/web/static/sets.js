// What is in these photos: they are sent, counted in SQL, and shown under an address of their own.

import { ask, Problem } from "./api.js";
import { placeholders } from "./card.js";
import { csv, save } from "./csv.js";
import { $, megabytes, plural } from "./dom.js";
import { takeFiles } from "./files.js";
import { hold } from "./hold.js";
import { keep, stored } from "./photos.js";
import { dropPreviews, keepPreviews, previewsOf, recentSets } from "./previews.js";
import { sendSet } from "./send-set.js";
import { calm, say, toast, trouble } from "./say.js";
import { drawGoing, drawNamed, drawRecent, drawSent, drawSet, drawStopping } from "./set-view.js";
import { share } from "./share.js";

const sets = new Map(); // id -> its answer
const photos = new Map(); // id -> its photos, as far as this browser has them
const leftOut = new Map(); // id -> {filename, error} of each that was chosen for it and not sent
let current = new AbortController(); // of the view that is asked for
let sending = null; // the newest: {id: once the set has one, stopping: once the part on its way is named, left, cut}

async function show() {
  const id = location.pathname.split("/")[2];
  current.abort();
  const mine = (current = new AbortController());
  calm();
  if (!id) return home();
  try {
    if (!sets.has(id)) wait();
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
  say(drawSet(set, photos.get(set.id), leftOut.get(set.id) ?? [], chosen, act));
}

function wait() {
  $("waiting-photos").replaceChildren(...placeholders(12));
  open("waiting");
  say("Looking…");
}

async function home() {
  open("home");
  drawRecent(await recentSets());
}

function open(id) {
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== id;
}

// A choice that is refused stops nothing that is under way.
function take(chosen) {
  const [most, mostPhotos] = [Number(document.body.dataset.maxImage), Number(document.body.dataset.maxImages)];
  const files = chosen.filter(({ size }) => size <= most);
  const large = chosen.filter(({ size }) => size > most);
  const reason = ({ size }) => `has ${megabytes(size)}; at most ${megabytes(most)} are read.`;
  if (!files.length) {
    const said = large.length === 1 ? `The photo ${reason(large[0])}`
      : `All ${large.length} photos are too large; at most ${megabytes(most)} are read of each.`;
    return trouble(new Problem(said, "image_too_large"));
  }
  if (files.length > mostPhotos) {
    return trouble(new Problem(`${files.length} photos are too many; at most ${mostPhotos} make a set.`, "too_many"));
  }
  askAbout(files, large.map((file) => ({ filename: file.name, error: `It ${reason(file)}` })));
}

// unsent: {filename, error} of what was chosen with them. id: of the set that an earlier try began.
async function askAbout(files, unsent, id = null) {
  current.abort();
  leave();
  const mine = (sending = { id, stopping: false, left: false, cut: new AbortController() });
  const letGo = hold();
  calm();
  try {
    drawGoing(files);
    open("going");
    $("going-title").focus();
    say(`Sending ${plural(files.length, "photo")}`);
    const set = await sendSet(files, { id, signal: mine.cut.signal, enough: () => mine.stopping,
      sent(photos) {
        if (!mine.left) drawSent(photos);
      },
      named(soFar) {
        mine.id = soFar.id;
        sets.set(mine.id, soFar);
        photos.set(mine.id, files);
        leftOut.set(mine.id, unsent);
        keepNamed(mine.id);
        if (!mine.left) drawNamed(soFar);
      },
    });
    if (mine.left) return sayLeft(set.id);
    await showNamed(set.id);
    scrollTo(0, 0);
    $("set-title").focus();
  } catch (error) {
    if (mine.cut.signal.aborted) return;
    if (mine.left) return mine.id && sayLeft(mine.id);
    await (mine.id ? showNamed(mine.id) : show());
    trouble(error, () => askAbout(files, unsent, mine.id));
  } finally {
    letGo();
  }
}

// The page goes on to something else. What is on its way is named by the server anyhow, and so waited for.
function leave() {
  if (sending) sending.left = sending.stopping = true;
}

async function sayLeft(id) {
  const [there, all] = [sets.get(id).images.length, photos.get(id).length];
  toast(`${there} of ${plural(all, "photo")} were sent, and are a set.`, { text: "Show it", act: () => {
    leave();
    showNamed(id);
  } });
  await keepNamed(id);
  if (!$("home").hidden) await home();
}

// As they are named, not at the end: making them takes longer, and one may leave the page meanwhile.
function keepNamed(id) {
  return keepPreviews(id, photos.get(id).slice(0, sets.get(id).images.length));
}

// What is named by now is a set too.
function showNamed(id) {
  if (location.pathname !== `/sets/${id}`) history.pushState(null, "", `/sets/${id}`);
  return show();
}

// What is on its way is named by the server anyhow, and so waited for; who stops again waits no longer.
function stop() {
  if (sending.stopping) {
    sending.cut.abort();
    return sending.id ? showNamed(sending.id) : show();
  }
  sending.stopping = true;
  say(drawStopping());
}

async function similar(file) {
  const key = keep(file);
  await stored();
  location.assign(`/?photo=${key}`);
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
$("forget")?.addEventListener("click", forget);
$("stop").addEventListener("click", stop);
if (!("readsOnly" in document.body.dataset)) takeFiles(take);
addEventListener("popstate", () => {
  leave();
  show();
});
show();
