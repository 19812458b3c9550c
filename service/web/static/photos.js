// Photos that were asked about, so that "back" and a reload show them again. They stay in this browser.

import { get, pack, put, unpack } from "./kept.js";

const MOST = 20;
const here = new Map(); // key -> file, of this page
let writing = Promise.resolve();

// Returns the key under which `recall` finds the file again, at once: nobody waits for a disk.
export function keep(file) {
  const key = [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");
  here.set(key, file);
  const packed = pack(file).catch(() => null); // moved or changed since it was chosen: who needs it will see
  writing = packed.then((file) => file && put("photos", { key, file }, MOST));
  return key;
}

// Once what was kept outlives this page.
export const stored = () => writing;

// The file, or undefined where this browser has it no more.
export async function recall(key) {
  if (!here.has(key)) {
    const found = await get("photos", key);
    if (found) here.set(key, unpack(found.file));
  }
  return here.get(key);
}
