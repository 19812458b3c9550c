// Pictures that the server drew into the page: those that cannot be shown become tiles with their name.

import { mended } from "./card.js";

export function mendPictures(place) {
  for (const image of place.querySelectorAll("img[data-name]")) {
    mended(image, image.dataset.name, image.complete && !image.naturalWidth); // before this script came
  }
}
