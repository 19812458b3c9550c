// A set sent part by part: each part is answered in good time, however many photos there are.

import { ask, form, send } from "./api.js";

const PHOTOS = 8; // most in a part
const BYTES = 16e6; // beyond which a part takes no further photo

// id: a set that has the first of the files already, from an earlier try; null for none.
// sent(photos): how many are on their way or there, in parts of one. named(set): the set so far.
// Resolves to the whole set. Rejects as `send`, and what is stored until then stays.
export async function sendSet(files, { id, sent, named, signal }) {
  let set = id ? await ask(`/sets/${id}`, { signal }) : null;
  if (set) named(set);
  while (!set || set.images.length < files.length) {
    const there = set?.images.length ?? 0;
    const part = partFrom(files, there);
    const arriving = (bytes, total) => sent(there + (part.length * bytes) / total);
    set = await send(set ? `/sets/${set.id}/images` : "/sets", form("images", part), { sent: arriving, signal });
    named(set);
  }
  return set;
}

function partFrom(files, first) {
  let [last, bytes] = [first, 0];
  while (last < files.length && last - first < PHOTOS && bytes < BYTES) bytes += files[last++].size;
  return files.slice(first, last);
}
