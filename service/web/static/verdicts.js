// "Good match" and "not a match" beside the garments of an answer, kept by the API as feedback.
// The service knows no users, so this browser remembers what it said: to show it again and to take it back.

import { ask, Problem } from "./api.js";
import { button, icon, make } from "./dom.js";
import { allBelow, drop, put } from "./kept.js";
import { toast } from "./say.js";

const MOST = 1000;
const SAID = { good: "Good match", bad: "Not a match" };
const pairs = new Map(); // key -> {asked, match, stored: {id, verdict} or null, wanted, busy, draw}
let explained = false;

const mayJudge = !("readsOnly" in document.body.dataset);
const about = (query) => `${query.id ?? query.sha256} `;

// The card with its two buttons. query, match: as a recommendation has them.
export function judged(card, query, match) {
  if (!mayJudge) return card;
  const key = about(query) + match.id;
  const asked = query.id ? { garment_id: query.id } : { sha256: query.sha256 };
  const pair = pairs.get(key) ?? { key, asked, match: match.id, stored: null, wanted: null, busy: false };
  pairs.set(key, pair);
  const whole = make("div", { class: "match" }, card);
  const buttons = Object.entries(SAID).map(([verdict, said]) =>
    button(icon(verdict), () => choose(pair, pair.wanted === verdict ? null : verdict),
      { class: verdict, title: said, "aria-label": `${said}: ${match.label}, garment ${match.id}` }));
  pair.draw = () => {
    whole.classList.toggle("unlike", pair.wanted === "bad");
    for (const each of buttons) each.setAttribute("aria-pressed", each.className === pair.wanted);
  };
  pair.draw();
  whole.append(make("div", { class: "verdict", role: "group", "aria-label": "Is it a match?" }, ...buttons));
  return whole;
}

// What was said before of the matches of this query that are on the page.
export async function showVerdicts(query) {
  if (!mayJudge) return;
  for (const { key, id, verdict } of (await allBelow("verdicts", about(query))) ?? []) {
    const pair = pairs.get(key);
    if (!pair || pair.busy || pair.stored) continue;
    Object.assign(pair, { stored: { id, verdict }, wanted: verdict });
    pair.draw();
  }
}

function choose(pair, verdict) {
  pair.wanted = verdict;
  pair.draw();
  return settle(pair);
}

// Until what is stored is what is wanted: whoever presses faster than the server answers is heard too.
async function settle(pair) {
  if (pair.busy) return;
  pair.busy = true;
  try {
    while (pair.wanted !== (pair.stored?.verdict ?? null)) await (pair.stored ? takeBack(pair) : give(pair));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { wanted } = pair;
    pair.wanted = pair.stored?.verdict ?? null;
    pair.draw();
    toast(`Not noted. ${error.message}`, { text: "Try again", act: () => choose(pair, wanted) });
  } finally {
    pair.busy = false;
  }
}

async function give(pair) {
  const { asked: query, match: match_id, wanted: verdict } = pair;
  const { id } = await ask("/feedback", { method: "POST", json: { query, match_id, verdict }, keepalive: true });
  pair.stored = { id, verdict };
  put("verdicts", { key: pair.key, id, verdict }, MOST);
  if (!explained) toast("Noted for training. Press it again to take it back.");
  explained = true;
}

async function takeBack(pair) {
  try {
    if (await stands(pair)) await ask(`/feedback/${pair.stored.id}`, { method: "DELETE", keepalive: true });
  } catch (error) {
    if (error.code !== "feedback_not_found") throw error;
  }
  pair.stored = null;
  drop("verdicts", pair.key);
}

// Whether what is remembered is still what is stored: in another catalog at this address the id is somebody else's.
async function stands({ asked, match, stored: { id, verdict } }) {
  const { feedback: [found] } = await ask(`/feedback?before=${id + 1}&limit=1`);
  const about = asked.sha256 ? found?.query_sha256 === asked.sha256 : found?.query_id === asked.garment_id;
  return about && found.id === id && found.match_id === match && found.verdict === verdict;
}
