// A set sent part by part: each part is answered in good time, however many photos there are.

import { ask, form, Problem, send } from "./api.js";
import { stillReadable } from "./files.js";

const PHOTOS = 8; // most in a part
const BYTES = 16e6; // beyond which a part takes no further photo

// id: a set that has the first of the files already, from an earlier try; null for none.
// sent(photos): how many are on their way or there, in parts of one. named(set): the set so far.
// enough(): whether no further part is to be sent. Resolves to the set. Rejects as `send`, and what is stored until then stays.
export async function sendSet(files, { id, sent, named, enough, signal }) {
  let set = id ? await ask(`/sets/${id}`, { signal }) : null;
  if (set) named(set);
  while (!set || (!enough() && set.images.length < files.length)) {
    const there = set?.images.length ?? 0;
    const part = partFrom(files, there);
    const arriving = (bytes, total) => sent(there + (part.length * bytes) / total);
    try {
      const path = set ? `/sets/${set.id}/images?after=${there}` : "/sets";
      set = await send(path, form("images", part), { sent: arriving, signal });
    } catch (error) {
      if (error.code !== "set_changed") throw error.lost ? ((await goneFrom(part)) ?? error) : error;
      set = await ask(`/sets/${set.id}`, { signal }); // an earlier try's part was still being labelled, and is there by now
    }
    named(set);
  }
  return set;
}

function partFrom(files, first) {
  let [last, bytes] = [first, 0];
  while (last < files.length && last - first < PHOTOS && bytes < BYTES) bytes += files[last++].size;
  return files.slice(first, last);
}

async function goneFrom(part) {
  for (const file of part) {
    if (await stillReadable(file)) continue;
    return new Problem(`${file.name} can no longer be read. Was it moved or changed? Choose the photos again.`, "image_gone");
  }
  return null;
}
