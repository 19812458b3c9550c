// Photos on their way into the catalog: a few at a time, each with its outcome, to be stopped and gone on with.

import { ask, form, Problem } from "./api.js";
import { drawAdded, drawBegun, drawGoing, drawOver, drawStopping, drawWrong } from "./catalog-add-view.js";
import { $, megabytes } from "./dom.js";
import { stillReadable } from "./files.js";
import { hold } from "./hold.js";
import { patiently } from "./patience.js";
import { calm, trouble } from "./say.js";

const AT_ONCE = 3;

let waiting = []; // {file, label, unsure: whether it was sent and no answer came}
let count = null; // {all, added, there, wrong}; null while nothing is under way
let stalled = false; // until somebody says that it goes on
let newest = 0; // id above which a garment is new
let seen = new Set(); // ids that came since
let stop = new AbortController(); // sends no further photo
let cut = new AbortController(); // waits no longer for those on their way
let letGo = null; // of the page

// files: at least one. While photos are on their way more may come.
export async function startAdding(files) {
  const label = $("add-label").value;
  for (const file of files) waiting.push({ file, label }); // a folder may have more than a call takes arguments
  if (count) {
    count.all += files.length;
    return stalled ? goOn() : draw();
  }
  count = { all: files.length, added: 0, there: 0, wrong: 0 };
  stop = new AbortController();
  cut = new AbortController();
  letGo = hold();
  drawBegun();
  await goOn();
}

async function goOn() {
  stalled = false;
  calm();
  draw();
  try {
    newest ||= (await ask("/garments?order=newest&limit=1", { signal: stop.signal })).garments[0]?.id ?? 0;
    const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
    stop.signal.throwIfAborted();
    if (waiting.length) throw ended.find(({ status }) => status === "rejected").reason;
    finish();
  } catch (error) {
    if (error.name === "AbortError") return finish();
    stalled = true;
    draw();
    trouble(error, goOn);
  }
}

async function work() {
  while (waiting.length && !stop.signal.aborted) {
    const photo = waiting.shift();
    try {
      take(await add(photo), photo.file.name);
    } catch (error) {
      if (!(error instanceof Problem) || error.passing || error.status === 403) {
        photo.unsure ||= error.lost || (error.name === "AbortError" && cut.signal.aborted);
        waiting.push(photo); // behind the others, which may fare better
        throw error;
      }
      count.wrong += 1;
      drawWrong(photo.file.name, error.message);
    }
    draw();
  }
}

async function add({ file, label }) {
  const most = Number(document.body.dataset.maxImage);
  if (file.size > most) throw new Problem(`It has ${megabytes(file.size)}; at most ${megabytes(most)} are taken.`, "image_too_large");
  try {
    const body = form("image", [file], { label });
    return await patiently(() => ask("/garments", { method: "POST", body, signal: cut.signal }), stop.signal);
  } catch (error) {
    if (!error.lost || (await stillReadable(file))) throw error;
    throw new Problem("It can no longer be read. Was it moved or changed?", "image_gone");
  }
}

function take(garment, name) {
  const there = garment.id <= newest || seen.has(garment.id);
  seen.add(garment.id);
  count[there ? "there" : "added"] += 1;
  drawAdded(garment, name, there);
}

function draw() {
  if (stop.signal.aborted) drawStopping(count);
  else drawGoing(count, stalled);
}

function finish() {
  letGo();
  const unsure = waiting.filter((photo) => photo.unsure).length;
  drawOver(count, waiting.length - unsure, unsure);
  waiting = [];
  stalled = false;
  newest = 0;
  seen = new Set();
  count = null;
}

$("adding-go-on").addEventListener("click", goOn);
// What is on its way the server takes anyhow, and so it is waited for; who stops again waits no longer.
$("adding-stop").addEventListener("click", () => {
  if (stop.signal.aborted) return cut.abort();
  stop.abort();
  if (!stalled) return draw(); // who is at work notices
  calm();
  finish();
});
