// The photo that is asked about: found again, cut to the part that was chosen, and the address it is shown by.

import { Problem } from "./api.js";
import { cut } from "./crop.js";
import { stillReadable } from "./files.js";
import { recall } from "./photos.js";

const parts = new Map(); // photo and crop -> the file of that part: cut again it would need another address
const addresses = new WeakMap(); // file -> its blob URL, which lasts as long as the page

export async function photoOf({ photo, crop }) {
  const file = await recall(photo);
  if (!file) throw new Problem("A photo stays in the browser that asked about it, and this one is no longer here. Choose it again.", "photo_gone");
  if (!crop) return file;
  const part = `${photo} ${crop}`;
  if (!parts.has(part)) parts.set(part, await partOf(file, crop));
  return parts.get(part);
}

async function partOf(file, crop) {
  try {
    return await cut(file, crop);
  } catch {
    throw (await stillReadable(file)) ? new Problem("Your browser cannot cut this photo.", "photo_not_cut") : moved();
  }
}

export function moved() {
  return new Problem("The photo can no longer be read. Was it moved or changed? Choose it again.", "photo_gone");
}

export function blobUrl(file) {
  if (!addresses.has(file)) addresses.set(file, URL.createObjectURL(file));
  return addresses.get(file);
}
