// A question of "find similar" and the address that stands for it.
// {garment | photo, crop, label, n, min, among}: a garment's id or a kept photo's key, and how to search;
// among: names of the shop's relations, by commas.

export const COUNT = 24;

export function parse(search) {
  const given = new URLSearchParams(search);
  const box = given.get("crop")?.split(",").map(Number);
  return {
    garment: given.get("garment"),
    photo: given.get("photo"),
    crop: box?.length === 4 && box.every((edge) => edge >= 0 && edge <= 1) ? box : null,
    label: given.get("label") ?? "auto",
    n: between(given.get("n"), 1, 100, COUNT),
    min: between(given.get("min"), 0, 1, 0),
    among: given.get("among") ?? "",
  };
}

export function address({ garment, photo, crop, label, n, min, among }) {
  const search = new URLSearchParams();
  if (garment) search.set("garment", garment);
  if (photo) search.set("photo", photo);
  if (photo && crop) search.set("crop", crop.map((edge) => Number(edge.toFixed(3))).join());
  if (label !== "auto") search.set("label", label);
  if (n !== COUNT) search.set("n", n);
  if (min) search.set("min", min);
  if (among) search.set("among", among);
  return search.size ? `/?${search}` : "/";
}

// How to search, as the API takes it.
export function parameters({ label, n, min, among }) {
  return new URLSearchParams({ n, label, ...(min ? { min_similarity: min } : {}), ...(among ? { among } : {}) });
}

// Whether both are about the same picture: then an answer stays in sight while the next one comes.
export function samePicture(one, other) {
  return one?.garment === other.garment && one?.photo === other.photo && `${one?.crop}` === `${other.crop}`;
}

function between(text, low, high, otherwise) {
  const value = Number(text ?? NaN);
  return value >= low && value <= high ? value : otherwise;
}
