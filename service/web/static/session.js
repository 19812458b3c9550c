// The API key: handed to the server once, which keeps it in a cookie that no script can read.

import { forgetAll } from "./kept.js";

const form = document.getElementById("sign-in");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const trouble = document.getElementById("trouble");
  trouble.hidden = true;
  const answer = await fetch("/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key: document.getElementById("key").value.trim() }),
  }).catch(() => null);
  if (answer?.ok) return location.reload();
  const problem = await answer?.json().catch(() => null);
  trouble.textContent = problem?.detail ?? "The server does not answer. Is it still running?";
  trouble.hidden = false;
});

document.querySelector("[data-sign-out]")?.addEventListener("click", async () => {
  await forgetAll();
  await fetch("/session", { method: "DELETE" }).catch(() => null);
  location.assign("/");
});
