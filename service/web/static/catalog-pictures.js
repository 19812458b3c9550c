// Pictures that the server drew into the page and that cannot be shown become tiles with their name.

import { blank } from "./card.js";

export function mendPictures(place) {
  for (const image of place.querySelectorAll("img[data-name]")) {
    const mend = () => image.replaceWith(blank(image.dataset.name));
    if (image.complete && !image.naturalWidth) mend(); // it failed before this script came
    else image.addEventListener("error", mend);
  }
}
