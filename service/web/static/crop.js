// A part of a photo: chosen by pointer, finger or keys, and cut out before it is sent.
// A box is [left, top, right, bottom], each a share of the photo's width or height.

import { $, percent } from "./dom.js";
import { jpeg } from "./jpeg.js";

const LEAST = 0.05; // of either side
const STEP = 0.01;
const LEAP = 0.1; // with Shift
const LONGEST = 1600; // pixels of what is sent; the network sees far fewer

const between = (value, low, high) => Math.min(Math.max(value, low), high);

// Resolves to a box, "whole", or null where nothing is to change.
export function chooseBox(source, given = null) {
  const dialog = $("cropper");
  const frame = dialog.querySelector(".frame");
  const stage = dialog.querySelector(".stage");
  let box = given ?? [0.1, 0.08, 0.9, 0.92];
  let grip = null; // what the pointer holds: how a point changes the box

  const place = (next) => {
    box = next;
    const [left, top, right, bottom] = box;
    Object.assign(frame.style, {
      left: `${100 * left}%`, top: `${100 * top}%`,
      width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%`,
    });
    $("crop-said").textContent = `${percent(right - left)} of the width, ${percent(bottom - top)} of the height`;
  };

  const point = (event) => {
    const area = stage.getBoundingClientRect();
    return [
      between((event.clientX - area.left) / area.width, 0, 1),
      between((event.clientY - area.top) / area.height, 0, 1),
    ];
  };

  const hold = (event) => {
    if (event.button) return;
    const corner = event.target.closest(".corner");
    const start = point(event);
    if (event.target === frame) {
      const from = box;
      grip = ([x, y]) => moved(from, x - start[0], y - start[1]);
    } else {
      const anchor = corner ? opposite(box, corner.dataset) : start;
      grip = (to) => spanned(anchor, to);
    }
    stage.setPointerCapture(event.pointerId);
    event.preventDefault();
    (corner ?? frame).focus({ focusVisible: false });
  };
  const drag = (event) => grip && place(grip(point(event)));
  const drop = () => {
    if (grip) place(roomy(box));
    grip = null;
  };
  const press = (event) => {
    const step = event.shiftKey ? LEAP : STEP;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (!by) return;
    event.preventDefault();
    const corner = event.target.closest(".corner");
    place(corner ? stretched(box, corner.dataset, by) : moved(box, ...by));
  };

  const heard = { pointerdown: hold, pointermove: drag, pointerup: drop, pointercancel: drop, keydown: press };
  for (const [name, act] of Object.entries(heard)) stage.addEventListener(name, act);
  const image = dialog.querySelector("img");
  image.onload = () => stage.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  image.src = source;
  dialog.returnValue = "cancel";
  place(box);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      for (const [name, act] of Object.entries(heard)) stage.removeEventListener(name, act);
      const said = dialog.returnValue;
      resolve(said === "part" ? box : said === "whole" ? "whole" : null);
    }, { once: true });
  });
}

function moved([left, top, right, bottom], x, y) {
  const [dx, dy] = [between(x, -left, 1 - right), between(y, -top, 1 - bottom)];
  return [left + dx, top + dy, right + dx, bottom + dy];
}

function stretched(box, { x, y }, [dx, dy]) {
  const [left, top, right, bottom] = box;
  return [
    x === "0" ? between(left + dx, 0, right - LEAST) : left,
    y === "0" ? between(top + dy, 0, bottom - LEAST) : top,
    x === "1" ? between(right + dx, left + LEAST, 1) : right,
    y === "1" ? between(bottom + dy, top + LEAST, 1) : bottom,
  ];
}

function opposite([left, top, right, bottom], { x, y }) {
  return [x === "0" ? right : left, y === "0" ? bottom : top];
}

function spanned([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
}

// A tap leaves a box of no size: the least one around it.
function roomy([left, top, right, bottom]) {
  const width = Math.max(right - left, LEAST);
  const height = Math.max(bottom - top, LEAST);
  const [x, y] = [between(left, 0, 1 - width), between(top, 0, 1 - height)];
  return [x, y, x + width, y + height];
}

// That part of the photo as a JPEG, upright as the photo is shown.
export async function cut(file, [left, top, right, bottom]) {
  const picture = await createImageBitmap(file);
  const [width, height] = [(right - left) * picture.width, (bottom - top) * picture.height];
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const part = [left * picture.width, top * picture.height, width, height];
  const data = await jpeg(picture, part, width * scale, height * scale, 0.93);
  return new File([data], "crop.jpg", { type: "image/jpeg" });
}
