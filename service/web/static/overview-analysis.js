// The neighbours of all garments: their search in the background is asked for, and followed while it is under way.

import { ask } from "./api.js";
import { $, plural } from "./dom.js";
import { calm, say, trouble } from "./say.js";

const LOOK = 1500; // milliseconds between looks at an analysis under way
const QUIET = 10; // looks at nothing: a worker that has begun counts the garments before it says so

const analyse = $("analyse"); // only who may ask for an analysis has the button
let looking = false;
let compared = null;

// done() is called each time that the garments were compared.
export function followAnalysis(done) {
  compared = done;
  analyse?.addEventListener("click", request);
}

// report: any of the stored ones.
export function drawAnalysis({ made_at: made, note, progress, queued }) {
  if ((progress || queued) && !looking) look(made);
  $("analysis").hidden = !note && !looking;
  $("analysis-bar").hidden = !progress;
  offer(!looking);
  if (progress) {
    said("Garments are compared with all others.", `${progress.done.toLocaleString("en")} of ${plural(progress.total, "garment")}`);
    $("analysis-bar").max = Math.max(progress.total, 1);
    $("analysis-bar").value = progress.done;
  } else if (looking) {
    said("The comparison waits for its turn.", queued ? "It begins as soon as a worker is free." : "");
  } else if (made) {
    said("What follows is out of date.", `It was made ${new Date(made).toLocaleString("en-GB")}.`);
  } else {
    said("What follows needs every garment compared with all others.", "That takes from seconds to minutes, and nobody waits for it.");
  }
  if (analyse) analyse.textContent = made ? "Make it anew" : "Compare them now";
}

function said(title, note = "") {
  $("analysis-title").textContent = title;
  $("analysis-note").textContent = note;
}

function offer(shown) {
  if (analyse) analyse.hidden = !shown;
}

async function request() {
  calm();
  analyse.disabled = true;
  try {
    const report = await ask("/analytics/mislabels?limit=1");
    const stands = await ask("/analytics/mislabels/refresh", { method: "POST" });
    look(report.made_at);
    drawAnalysis({ ...report, ...stands });
  } catch (error) {
    trouble(error);
  } finally {
    analyse.disabled = false;
  }
}

async function look(before) {
  looking = true;
  offer(false);
  let report;
  try {
    for (let quiet = 0; quiet < QUIET;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK));
      if (document.hidden) continue;
      report = await ask("/analytics/mislabels?limit=1");
      if (report.made_at !== before) return over();
      drawAnalysis(report);
      quiet = report.progress || report.queued ? 0 : quiet + 1;
    }
    looking = false;
    drawAnalysis(report);
    say($("analysis-note").textContent = "Nothing is at work on it: it was cancelled, or failed.");
  } catch (error) {
    looking = false;
    offer(true);
    trouble(error, () => look(before));
  }
}

function over() {
  looking = false;
  $("analysis").hidden = true;
  say("The garments are compared.");
  compared();
}
