// The overview: every report is asked for by itself and drawn when it comes; stored ones can be made anew.

import { ask } from "./api.js";
import { $, make, plural } from "./dom.js";
import * as charts from "./overview-charts.js";
import * as galleries from "./overview-garments.js";
import { nothing } from "./overview-parts.js";
import * as records from "./overview-records.js";
import { calm, say, trouble } from "./say.js";

const LOOK = 1500; // milliseconds between looks at an analysis under way

const draw = { ...charts, ...galleries, ...records };
const places = [...document.querySelectorAll("[data-report]")];

const missed = new Set(); // places whose report did not come

async function show(place) {
  const name = place.dataset.report;
  place.setAttribute("aria-busy", "true");
  try {
    const report = await ask(`/analytics/${name}?limit=${place.dataset.rows}`);
    const never = report.stored && !report.made_at && !report.rows.length;
    place.replaceChildren(...(never ? nothing("Not known yet.") : draw[name](report.rows, report.more)));
    if (report.stored) drawAnalysis(report);
  } catch (error) {
    if (error.code && error.status < 500) {
      place.replaceChildren(make("p", { class: "soft" }, error.message));
    } else { // it concerns more than this one, and is said once for all
      place.replaceChildren(make("p", { class: "soft" }, "This did not come."));
      missed.add(place);
      trouble(error, showMissed);
    }
  } finally {
    place.setAttribute("aria-busy", "false");
  }
}

function showMissed() {
  const again = [...missed];
  missed.clear();
  return Promise.all(again.map(show));
}

// --- the neighbours of all garments: searched in the background --------------------------------------

let looking = false;

function drawAnalysis({ made_at: made, note, progress }) {
  $("analysis").hidden = !note && !progress;
  $("analysis-bar").hidden = !progress;
  $("analyse").hidden = Boolean(progress) || looking;
  if (progress) {
    $("analysis-title").textContent = "Garments are compared with all others.";
    $("analysis-note").textContent = `${progress.done.toLocaleString("en")} of ${plural(progress.total, "garment")}`;
    $("analysis-bar").max = Math.max(progress.total, 1);
    $("analysis-bar").value = progress.done;
    if (!looking) look(made);
  } else if (!looking) {
    $("analysis-title").textContent = made ? "What follows is out of date." : "What follows needs every garment compared with all others.";
    $("analysis-note").textContent = made ? `It was made ${new Date(made).toLocaleString("en-GB")}.` : "That takes from seconds to minutes, and nobody waits for it.";
    $("analyse").textContent = made ? "Make it anew" : "Compare them now";
  }
}

async function look(before) {
  looking = true;
  $("analyse").hidden = true;
  try {
    for (let report; ; ) {
      await new Promise((resolve) => setTimeout(resolve, LOOK));
      report = await ask("/analytics/mislabels?limit=1");
      if (report.made_at !== before) break;
      drawAnalysis(report);
    }
    looking = false;
    $("analysis").hidden = true;
    say("The garments are compared.");
    for (const place of places) show(place);
  } catch (error) {
    looking = false;
    $("analyse").hidden = false;
    trouble(error, () => look(before));
  }
}

$("analyse")?.addEventListener("click", async () => {
  calm();
  $("analyse").disabled = true;
  try {
    const { made_at: before } = await ask("/analytics/mislabels?limit=1");
    await ask("/analytics/mislabels/refresh", { method: "POST" });
    $("analysis-title").textContent = "The comparison waits for its turn.";
    $("analysis-note").textContent = "";
    look(before);
  } catch (error) {
    trouble(error);
  } finally {
    $("analyse").disabled = false;
  }
});

for (const place of places) show(place);
