// The HTTP API asked from the page: answers, or a Problem that says what went wrong.

import { plural } from "./dom.js";
import { held } from "./hold.js";

const API = "/api/v1";
const AWAY = "The server does not answer. Is it still running, and are you still connected?";
const REVOKED = "Your key is no longer taken. Sign in again in another tab, then try again here.";

// As the API's problem+json has it; code is "" where nothing answered, or something before the server.
// wait: seconds after which to ask again, where the answer says so.
export class Problem extends Error {
  constructor(detail, code = "", status = 0, wait = 0) {
    super(detail);
    this.name = "Problem";
    this.code = code;
    this.status = status;
    this.wait = wait;
  }

  get lost() {
    return !this.code && !this.status;
  }

  // Whether the same may do another time: what was asked is not at fault.
  get passing() {
    const elsewhere = !this.code && this.status < 400; // a proxy's page to sign in, say
    return elsewhere || [401, 408, 429].includes(this.status) || this.status >= 500;
  }
}

// path: under /api/v1. json: an object to send as the body. Resolves to the JSON, null for 204.
// Rejects with a Problem, or an AbortError where `signal` says so.
export async function ask(path, { json, ...options } = {}) {
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers = { "Content-Type": "application/json" };
  }
  let response, text;
  try {
    response = await fetch(API + path, options);
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(AWAY);
  }
  return understand(response.status, text, response.headers.get("Retry-After"));
}

// A form sent with progress: sent(bytes, total) while it goes. Rejects as `ask`.
export function send(path, form, { sent, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", API + path);
    request.upload.addEventListener("progress", ({ loaded, total }) => sent?.(loaded, total));
    request.addEventListener("load", () => {
      try {
        resolve(understand(request.status, request.responseText, request.getResponseHeader("Retry-After")));
      } catch (problem) {
        reject(problem);
      }
    });
    request.addEventListener("error", () => reject(new Problem(AWAY)));
    request.addEventListener("abort", () => reject(new DOMException("Stopped.", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

// A multipart form of files; further: its text fields.
export function form(field, files, further = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries(further)) if (value) body.append(name, value);
  for (const file of files) body.append(field, file, file.name || "pasted.png");
  return body;
}

function understand(status, text, wait) {
  if (status === 401 && held()) throw new Problem(REVOKED, "unauthorized", status);
  if (status === 401) location.reload(); // the key was revoked: the page asks for another
  if (status === 204) return null;
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // a proxy's page
  }
  if (status < 200 || status > 299 || answer === null) {
    const seconds = Number(wait) || 0;
    const said = status === 429 ? tooMuch(seconds) : answer?.detail;
    throw new Problem(said ?? `The server answered ${status}.`, answer?.code, status, seconds);
  }
  return answer;
}

// The server's own words are for programs.
function tooMuch(seconds) {
  return `Too much was asked in a short time. Try again in ${seconds ? plural(seconds, "second") : "a while"}.`;
}
