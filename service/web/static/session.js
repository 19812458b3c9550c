// The API key: handed to the server once, which keeps it in a cookie that no script can read.

import { Problem } from "./api.js";
import { forgetAll } from "./kept.js";
import { trouble } from "./say.js";

const form = document.getElementById("sign-in");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const notice = document.getElementById("trouble");
  notice.hidden = true;
  const answer = await fetch("/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key: document.getElementById("key").value.trim() }),
  }).catch(() => null);
  if (answer?.ok) return location.reload();
  const problem = await answer?.json().catch(() => null);
  notice.textContent = problem?.detail ?? "The server does not answer. Is it still running?";
  notice.hidden = false;
});

async function signOut() {
  await forgetAll();
  const answer = await fetch("/session", { method: "DELETE" }).catch(() => null);
  if (!answer?.ok) return trouble(new Problem("You are still signed in: the server did not answer."), signOut);
  location.assign("/");
}

document.querySelector("[data-sign-out]")?.addEventListener("click", signOut);
