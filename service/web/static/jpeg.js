// A picture as a JPEG, which holds nothing transparent: white is behind it, as the server has it.

// picture: an ImageBitmap, which is closed. [left, top, across, down]: the part of it, in its pixels.
export async function jpeg(picture, [left, top, across, down], width, height, quality) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, left, top, across, down, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}
