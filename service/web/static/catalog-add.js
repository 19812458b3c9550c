// Photos on their way into the catalog: a few at a time, each with its outcome, to be stopped and gone on with.

import { ask, form } from "./api.js";
import { caption, picture } from "./card.js";
import { $, make, megabytes, percent, plural } from "./dom.js";
import { calm, say, trouble } from "./say.js";

const AT_ONCE = 3;
const TRIES = 6; // of a photo that a busy server refuses
const SHOWN = 24; // of the newest
const BUSY = ["overloaded", "rate_limited", "database_unavailable", "timeout"];

let waiting = [];
let count = null; // {all, added, there, wrong}; null while nothing is under way
let newest = 0; // id above which a garment is new
let seen = new Set(); // ids that came since
let stop = new AbortController();

// files: at least one. While photos are on their way more may come.
export async function startAdding(files) {
  waiting.push(...files);
  if (count) {
    count.all += files.length;
    return draw();
  }
  count = { all: files.length, added: 0, there: 0, wrong: 0 };
  stop = new AbortController();
  $("adding-wrong").replaceChildren();
  $("adding-done").replaceChildren();
  $("adding").hidden = false;
  $("adding-title").focus();
  addEventListener("beforeunload", hold);
  await goOn();
}

async function goOn() {
  calm();
  draw();
  try {
    newest ||= (await ask("/garments?order=newest&limit=1", { signal: stop.signal })).garments[0]?.id ?? 0;
    const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
    const failed = ended.find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
    finish();
  } catch (error) {
    if (error.name === "AbortError") finish();
    else trouble(error, goOn); // the connection: what waits is kept
  }
}

async function work() {
  while (waiting.length) {
    stop.signal.throwIfAborted();
    const file = waiting.shift();
    try {
      drawAdded(await add(file), file);
    } catch (error) {
      if (error.name === "AbortError" || !error.code || error.status === 403) {
        waiting.unshift(file); // not this photo's fault
        throw error;
      }
      count.wrong += 1;
      $("adding-wrong").append(make("li", {}, make("span", {}, file.name), make("span", { class: "reason" }, error.message)));
    }
    draw();
  }
}

async function add(file) {
  const most = Number(document.body.dataset.maxImage);
  if (file.size > most) {
    throw Object.assign(new Error(`It has ${megabytes(file.size)}; at most ${megabytes(most)} are taken.`), { code: "image_too_large" });
  }
  for (let tries = 1; ; tries++) {
    try {
      const body = form("image", [file], { label: $("add-label").value });
      return await ask("/garments", { method: "POST", body, signal: stop.signal });
    } catch (error) {
      if (!BUSY.includes(error.code) || tries === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
    }
  }
}

function drawAdded(garment, file) {
  const there = garment.id <= newest || seen.has(garment.id);
  seen.add(garment.id);
  count[there ? "there" : "added"] += 1;
  const number = there ? "was there" : garment.label_source === "given" ? "given" : percent(garment.confidence);
  $("adding-done").prepend(make("a", { class: "card", href: `/garments/${garment.id}`, "aria-label": `${file.name}: ${garment.label}, ${number}` },
    picture(garment.image_url, { name: file.name }), caption(garment.label, number)));
  while ($("adding-done").children.length > SHOWN) $("adding-done").lastChild.remove();
}

function draw() {
  const done = count.added + count.there + count.wrong;
  $("adding-title").textContent = `Adding ${plural(count.all, "photo")}`;
  $("adding-bar").max = count.all;
  $("adding-bar").value = done;
  $("adding-bar").hidden = $("adding-stop").hidden = false;
  $("adding-over").hidden = true;
  $("adding-note").textContent = outcome(`${done.toLocaleString("en")} of ${count.all.toLocaleString("en")} sent`);
}

function outcome(first) {
  return [first, count.there && `${count.there} there already`, count.wrong && `${count.wrong} not taken`]
    .filter(Boolean).join(" · ");
}

function finish() {
  removeEventListener("beforeunload", hold);
  const left = waiting.length;
  waiting = [];
  $("adding-title").textContent = `${plural(count.added, "photo")} added`;
  $("adding-bar").hidden = $("adding-stop").hidden = true;
  $("adding-over").hidden = !count.added && !count.there;
  $("adding-note").textContent = outcome(left ? `Stopped, ${left} not sent` : "Done");
  say(`${$("adding-title").textContent}. ${$("adding-note").textContent}`);
  newest = 0;
  seen = new Set();
  count = null;
}

const hold = (event) => event.preventDefault(); // the browser asks before the page is left

$("adding-stop").addEventListener("click", () => {
  stop.abort();
  if (!$("trouble").hidden) finish(); // nothing is on its way that could notice
  calm();
});
