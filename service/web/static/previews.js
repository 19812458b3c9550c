// Small pictures of a set's photos, so that its page shows them again in this browser after a reload.

import { jpeg } from "./jpeg.js";
import { all, drop, get, pack, put, unpack } from "./kept.js";

const MOST = 6; // sets
const WIDTH = 360;

let newest = { id: null, previews: [] }; // the set whose previews are made
let making = Promise.resolve();

// Makes those that are missing, one after another, beside whatever goes on; `files`: the first of the set's photos,
// in its order. Resolves once they are kept, behind those that were asked for before.
export function keepPreviews(id, files) {
  making = making.then(() => makePreviews(id, files));
  return making;
}

async function makePreviews(id, files) {
  if (newest.id !== id) newest = { id, previews: (await get("previews", id))?.previews ?? [] };
  const mine = newest;
  const missing = files.slice(mine.previews.length);
  for (const file of missing) mine.previews.push(await pack(await narrow(file)));
  if (missing.length && mine === newest) await put("previews", { key: id, previews: mine.previews }, MOST);
}

// One a photo, null where it could not be shown; none where this browser does not know the set.
export async function previewsOf(id) {
  return (await get("previews", id))?.previews.map(unpack) ?? [];
}

// {key, previews, at} of the sets that this browser sent last, the newest first.
export async function recentSets() {
  const sets = (await all("previews")) ?? [];
  return sets.sort((a, b) => b.at - a.at).map((set) => ({ ...set, previews: set.previews.map(unpack) }));
}

export function dropPreviews(id) {
  if (newest.id === id) newest = { id: null, previews: [] }; // what is being made is kept no more
  return drop("previews", id);
}

async function narrow(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, WIDTH / picture.width);
    const whole = [0, 0, picture.width, picture.height];
    const data = await jpeg(picture, whole, picture.width * scale, picture.height * scale, 0.85);
    return new File([data], file.name, { type: data.type });
  } catch {
    return null; // a format that this browser does not show
  }
}
