// Answers to elements of the page. Nothing here asks the server or knows the address.

const $ = (id) => document.getElementById(id);
const pictures = new WeakMap(); // file -> its blob URL

export function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const percent = (share) => (share < 0.01 ? "under 1 %" : `${Math.round(share * 100)} %`);

export function picture(file) {
  if (!pictures.has(file)) pictures.set(file, URL.createObjectURL(file));
  return pictures.get(file);
}

// search(label) asks the same again in another category. Returns what a screen reader hears.
export function drawMatches(answer, source, search) {
  const { query, matches, searched_labels: searched } = answer;
  const everywhere = searched.length > 1;
  $("query-image").src = source;
  $("query-label").textContent = query.label;
  $("query-confidence").textContent = query.id
    ? `Garment ${query.id}` +
      (query.confidence === null ? "" : `, network ${percent(query.confidence)} sure`)
    : `${percent(query.confidence)} sure`;
  const chips = query.labels.slice(0, 3).map(({ label, confidence }, place) =>
    chip(place ? `${label} ${percent(confidence)}` : label, !everywhere && searched[0] === label,
      () => search(label)));
  const shown = query.labels.slice(0, 3).map(({ label }) => label);
  if (!everywhere && !shown.includes(searched[0])) {
    chips.push(chip(searched[0], true, () => search(searched[0])));
  }
  $("labels").replaceChildren(...chips, chip("All categories", everywhere, () => search("any")));
  $("other").value = "";
  $("other").onchange = () => $("other").value && search($("other").value);
  const place = everywhere ? "all categories" : searched[0];
  const title = matches.length ? `Most like it in ${place}` : `Nothing in ${place} yet`;
  $("matches-title").textContent = title;
  $("matches-note").textContent = matches.length
    ? `${matches.length} garments by cosine similarity`
    : "Try another category, or take more photos in.";
  $("matches").replaceChildren(...matches.map(card));
  return `${query.label}. ${title}: ${matches.length} garments.`;
}

function chip(text, pressed, choose) {
  const button = make("button", { type: "button", "aria-pressed": pressed }, text);
  button.addEventListener("click", choose);
  return button;
}

function card(match) {
  const similarity = match.similarity.toFixed(match.similarity > 0.994 ? 3 : 2);
  return make("a", { class: "card", href: `/?garment=${match.id}`, "data-go": "",
    "aria-label": `${match.label}, similarity ${similarity}: more like this`, title: "More like this" },
    make("img", { src: `${match.image_url}?width=480`, alt: "", width: 240, height: 300, loading: "lazy" }),
    make("span", { class: "caption" }, match.label, make("span", { class: "number" }, similarity)));
}

// files: the photos in the set's order, as far as this page still has them. Returns as drawMatches.
export function drawSet(answer, files, search) {
  const labelled = answer.images.filter((image) => image.label).length;
  const most = answer.top[0]?.share ?? 1;
  $("top").replaceChildren(...answer.top.map(({ label, count, share }) => {
    const fill = make("span", { class: "fill" });
    fill.style.width = `${(100 * share) / most}%`;
    return make("li", {}, label, make("span", { class: "soft" }, `${count} · ${percent(share)}`),
      make("span", { class: "track", "aria-hidden": "true" }, fill));
  }));
  const failed = answer.images.length - labelled;
  $("set-note").textContent = (labelled ? "" : "None of the photos could be labelled. ") +
    (failed && labelled ? `${failed} of ${answer.images.length} photos could not be read. ` : "") +
    "This page's address shows the set again, without the pictures: those are not kept.";
  $("set-title").textContent = answer.images.length === 1 ? "1 photo" : `${answer.images.length} photos`;
  $("set-images").replaceChildren(...answer.images.map((image, place) => {
    const file = files[place];
    const blank = make("span", { class: "blank" }, image.filename || "without a name");
    if (!image.label) return make("div", { class: "card" }, blank, make("span", { class: "wrong" }, image.error));
    const caption = make("span", { class: "caption" }, image.label,
      make("span", { class: "number" }, percent(image.confidence)));
    if (!file) return make("div", { class: "card" }, blank, caption);
    const shown = make("img", { src: picture(file), alt: image.filename, width: 240, height: 300, loading: "lazy" });
    shown.addEventListener("error", () => shown.replaceWith(blank));
    const button = make("button", { type: "button", class: "card", title: "More like this" }, shown, caption);
    button.addEventListener("click", () => search(file));
    return button;
  }));
  return `${labelled} photos labelled.`;
}
