// The overview: every report is asked for by itself and drawn when it comes; stored ones can be made anew.

import { ask, Problem } from "./api.js";
import { make } from "./dom.js";
import { drawAnalysis, followAnalysis } from "./overview-analysis.js";
import * as charts from "./overview-charts.js";
import * as galleries from "./overview-garments.js";
import { nothing } from "./overview-parts.js";
import * as records from "./overview-records.js";
import { trouble } from "./say.js";

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
    if (error instanceof Problem && !error.passing) {
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

function showAll() {
  for (const place of places) show(place);
}

followAnalysis(showAll);
showAll();
