// Photos on their way into the catalog, drawn. Nothing here asks the server.
// count: {all, added, there, wrong}.

import { caption, picture } from "./card.js";
import { $, make, percent, plural } from "./dom.js";
import { say } from "./say.js";

const SHOWN = 24; // of the newest

export function drawBegun() {
  $("adding-wrong").replaceChildren();
  $("adding-done").replaceChildren();
  $("adding").hidden = false;
  $("adding-title").focus();
}

// stalled: nothing goes on until somebody says so.
export function drawGoing(count, stalled) {
  const done = drawDone(count);
  $("adding-title").textContent = `Adding ${plural(count.all, "photo")}`;
  $("adding-stop").textContent = "Stop";
  $("adding-bar").hidden = $("adding-stop").hidden = false;
  $("adding-go-on").hidden = !stalled;
  $("adding-over").hidden = true;
  $("adding-note").textContent = outcome(count, `${done.toLocaleString("en")} of ${count.all.toLocaleString("en")} sent`);
}

export function drawStopping(count) {
  drawDone(count);
  $("adding-stop").textContent = "Stop at once";
  say($("adding-note").textContent = "Stopping after the photos that are on their way");
}

function drawDone(count) {
  const done = count.added + count.there + count.wrong;
  $("adding-bar").max = count.all;
  $("adding-bar").value = done;
  return done;
}

// there: whether the catalog had it.
export function drawAdded(garment, name, there) {
  const number = there ? "was there" : garment.label_source === "given" ? "given" : percent(garment.confidence);
  $("adding-done").prepend(make("a", { class: "card", href: `/garments/${garment.id}`, "aria-label": `${name}: ${garment.label}, ${number}` },
    picture(garment.image_url, { name }), caption(garment.label, number)));
  while ($("adding-done").children.length > SHOWN) $("adding-done").lastChild.remove();
}

export function drawWrong(name, reason) {
  $("adding-wrong").append(make("li", {}, make("span", {}, name), make("span", { class: "reason" }, reason)));
}

// left: how many were not sent. unsure: how many were sent and got no answer.
export function drawOver(count, left, unsure) {
  $("adding-title").textContent = `${plural(count.added, "photo")} added`;
  $("adding-bar").hidden = $("adding-stop").hidden = $("adding-go-on").hidden = true;
  $("adding-over").hidden = !count.added && !count.there;
  $("adding-note").textContent = outcome(count, stopped(left, unsure));
  say(`${$("adding-title").textContent}. ${$("adding-note").textContent}`);
}

function stopped(left, unsure) {
  if (!left && !unsure) return "Done";
  return ["Stopped", left && `${left} not sent`, unsure && `${unsure} without an answer, which may be there`]
    .filter(Boolean).join(", ");
}

function outcome(count, first) {
  return [first, count.there && `${count.there} there already`, count.wrong && `${count.wrong} not taken`]
    .filter(Boolean).join(" · ");
}
