// The page's script: the address says what is shown, the API is asked, the answer is drawn.
// A photo has no address; it is kept in memory, and history remembers its number.

import { drawMatches, drawSet, make, picture } from "./drawing.js";

const API = "/api/v1";
const MATCHES = 24;
const $ = (id) => document.getElementById(id);
const limits = document.body.dataset;
const photos = new Map(); // number of a photo or a set's first one -> what was chosen
const answers = new Map(); // what was asked -> its answer, so that "back" is instant
let asked = 0; // an answer that comes after a newer question is dropped

class Trouble extends Error {
  constructor(detail, code = "") {
    super(detail);
    this.code = code;
  }
}

// --- asking -------------------------------------------------------------------------------------

async function call(path, options) {
  let response;
  try {
    response = await fetch(API + path, options);
  } catch {
    throw new Trouble("The server does not answer. Is it still running?");
  }
  if (response.status === 401) location.reload(); // the key was revoked: the page asks for another
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (!response.ok || answer === null) {
    throw new Trouble(answer?.detail ?? `The server answered ${response.status}.`, answer?.code);
  }
  return answer;
}

function form(field, files) {
  const body = new FormData();
  for (const file of files) body.append(field, file, file.name || "pasted.png");
  return { method: "POST", body };
}

function similar(label) {
  return `similar?${new URLSearchParams({ n: MATCHES, label })}`;
}

async function once(key, ask) {
  if (!answers.has(key)) answers.set(key, await ask());
  return answers.get(key);
}

// --- the address --------------------------------------------------------------------------------

function go(url, state = null) {
  history.pushState(state, "", url);
  show().then(() => scrollTo(0, 0));
}

async function show() {
  const mine = ++asked;
  const query = new URLSearchParams(location.search);
  const state = history.state ?? {};
  const view = query.has("set") || query.get("view") === "photos" ? "photos" : "find";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const element of document.querySelectorAll(".busy")) element.classList.remove("busy");
  $("trouble").hidden = true;
  try {
    if (query.has("set")) {
      const id = query.get("set");
      await wait("set-images", once(id, () => call(`/sets/${encodeURIComponent(id)}`)), mine, showSet);
    } else if (view === "photos") {
      open("photos");
    } else if (query.has("garment")) {
      const [id, label] = [query.get("garment"), query.get("label") ?? "auto"];
      const path = `/garments/${encodeURIComponent(id)}/${similar(label)}`;
      await wait("matches", once(path, () => call(path)), mine, (answer) =>
        showMatches(answer, `${answer.query.image_url}?width=640`, (other) =>
          go(`/?${new URLSearchParams({ garment: id, label: other })}`)));
    } else if (photos.has(state.photo)) {
      const [file, label] = [photos.get(state.photo), state.label ?? "auto"];
      const ask = () => call(`/${similar(label)}`, form("image", [file]));
      await wait("matches", once(`${state.photo} ${label}`, ask), mine, (answer) =>
        showMatches(answer, picture(file), (other) =>
          go("/", { photo: state.photo, label: other })));
    } else {
      open("home");
    }
  } catch (error) {
    if (mine === asked) complain(error, view);
  }
}

async function wait(id, promise, mine, draw) {
  $(id).classList.add("busy");
  $("status").textContent = "Looking…";
  try {
    const answer = await promise;
    if (mine === asked) draw(answer);
  } finally {
    if (mine === asked) $(id).classList.remove("busy");
  }
}

function showMatches(answer, source, search) {
  $("status").textContent = drawMatches(answer, source, search);
  open("find");
}

function showSet(answer) {
  $("status").textContent = drawSet(answer, photos.get(answer.id) ?? [], askPhoto);
  $("forget").onclick = () => forget(answer.id);
  open("set");
}

function open(id) {
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== id;
}

function complain(error, view) {
  const views = [...document.querySelectorAll(".view")];
  if (views.every((each) => each.hidden || each.id === "home")) {
    open(view === "photos" ? "photos" : "home");
  }
  const known = error instanceof Trouble;
  if (!known) console.error(error);
  $("trouble").replaceChildren(
    make("strong", {}, "That did not work"),
    known ? error.message : "The page has a fault; the browser's console says more.",
  );
  $("trouble").hidden = false;
  $("status").textContent = "";
  scrollTo(0, 0);
}

// --- what people do -----------------------------------------------------------------------------

function size(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

function ask(files) {
  if (!files.length) return;
  if (files.length > 1 || !$("photos").hidden || !$("set").hidden) askSet(files);
  else askPhoto(files[0]);
}

function askPhoto(file) {
  if (file.size > limits.maxImage) {
    complain(new Trouble(`The photo has ${size(file.size)}; at most ${size(limits.maxImage)} are read.`));
    return;
  }
  const photo = `photo ${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
  photos.set(photo, file);
  go("/", { photo });
}

async function askSet(files) {
  const mine = ++asked;
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  $("trouble").hidden = true;
  try {
    if (files.length > limits.maxImages) {
      throw new Trouble(`${files.length} photos are too many; at most ${limits.maxImages} make a set.`);
    }
    if (bytes > limits.maxSet) {
      throw new Trouble(`The photos have ${size(bytes)}; at most ${size(limits.maxSet)} make a set.`);
    }
    await wait("main", call("/sets", form("images", files)), mine, (answer) => {
      photos.set(answer.id, files);
      answers.set(answer.id, answer);
      go(`/?set=${answer.id}`);
    });
  } catch (error) {
    complain(error, "photos");
  }
}

async function random() {
  const mine = ++asked;
  try {
    await wait("main", call(`/garments/random/${similar("auto")}`), mine, (answer) => {
      answers.set(`/garments/${answer.query.id}/${similar("auto")}`, answer);
      go(`/?garment=${answer.query.id}`);
    });
  } catch (error) {
    complain(error, "find");
  }
}

async function forget(id) {
  try {
    await call(`/sets/${id}`, { method: "DELETE" });
    answers.delete(id);
    photos.delete(id);
    go("/?view=photos");
  } catch (error) {
    complain(error, "photos");
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-go]");
  if (event.target.closest("[data-random]")) random();
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
document.addEventListener("change", (event) => {
  if (event.target.type !== "file") return;
  ask([...event.target.files]);
  event.target.value = "";
});
document.addEventListener("paste", (event) => ask([...event.clipboardData.files]));
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", name === "dragover");
    if (name === "drop") ask([...event.dataTransfer.files]);
  });
}
addEventListener("popstate", show);
show();
