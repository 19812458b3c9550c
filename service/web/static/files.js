// Photos from people: chosen, taken, dropped (folders too), pasted.

import { toast } from "./say.js";

const PICTURE = /\.(jpe?g|jpe|jfif|png|webp|avif|gif|bmp|tiff?|hei[cf])$/i;

// take(files) is called with at least one. Inputs are those with data-take on the page, now or later. Those for
// folders are offered where the browser knows folders; some phones only say so, and then let choose many files.
export function takeFiles(take) {
  const knowsFolders = "webkitdirectory" in HTMLInputElement.prototype;
  for (const offer of document.querySelectorAll("[data-folder]")) offer.hidden = !knowsFolders;
  document.addEventListener("change", (event) => {
    if (!event.target.matches("input[type=file][data-take]")) return;
    const files = [...event.target.files];
    event.target.value = ""; // the same photo chosen again is a question too
    const pictures = files.some((file) => file.webkitRelativePath) ? files.filter(isPicture) : files;
    if (pictures.length) take(pictures);
    else if (files.length) toast("There is no picture in that folder.");
  });
  document.addEventListener("paste", (event) => {
    if (event.target.closest?.("input[type=search]")) return; // copied text often has a picture of itself along
    const files = [...event.clipboardData.files];
    if (files.length) take(files);
  });
  let inside = 0; // dragenter and dragleave come for every element on the way
  let own = false; // the page's own picture or text is dragged, which browsers offer as a file too
  document.addEventListener("dragstart", () => (own = true));
  // Where what is dragged is taken off the page meanwhile its end is not told; the pointer moves again only then
  for (const over of ["dragend", "mousemove"]) document.addEventListener(over, () => (own = false));
  document.addEventListener("dragenter", () => document.body.classList.toggle("dragging", !own && ++inside > 0));
  document.addEventListener("dragleave", () => document.body.classList.toggle("dragging", !own && --inside > 0));
  document.addEventListener("dragover", (event) => own || event.preventDefault());
  document.addEventListener("drop", async (event) => {
    if (own) return;
    event.preventDefault();
    inside = 0;
    document.body.classList.remove("dragging");
    const dropped = event.dataTransfer.types.includes("Files"); // the browser says so until the event is over
    const files = await filesOf(event.dataTransfer);
    if (files.length) take(files);
    else if (dropped) toast("There is no picture in that folder.");
  });
}

// Not where it was moved or changed since: what sends it then fails like a lost connection. Of a file that is gone
// the browser says that it is empty, and only its stream that it is gone.
export async function stillReadable(file) {
  const reader = file.stream().getReader();
  try {
    await reader.read();
    await reader.cancel();
    return true;
  } catch {
    return false;
  }
}

const isPicture = (file) => file.type.startsWith("image/") || PICTURE.test(file.name);

// Of folders only the pictures, by name; single files as they are, so that a wrong one is said to be so.
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = await Promise.all(entries.map(walk));
  return found.flat();
}

// What cannot be read is no picture either.
const walk = (entry) => (entry.isFile ? pictureOf(entry) : picturesIn(entry)).catch(() => []);

async function pictureOf(entry) {
  const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
  return isPicture(file) ? [file] : [];
}

async function picturesIn(entry) {
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break; // a browser gives 100 at a time
    entries.push(...some);
  }
  entries.sort((a, b) => a.name.localeCompare(b.name));
  const found = [];
  for (const each of entries) found.push(await walk(each));
  return found.flat();
}
