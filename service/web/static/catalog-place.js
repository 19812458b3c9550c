// Where somebody was in the catalog's list, for when they come back: by the browser's button, or by a link.

const KEY = "catalog";
const BACK = "catalog-back";

// place: {count, y}, of garments shown and of pixels scrolled.
export function leave(place) {
  history.replaceState({ catalog: place }, "");
  store((session) => session.setItem(KEY, JSON.stringify({ ...place, href: location.href })));
}

// The place where this address was left; null for who comes anew.
export function placeLeft() {
  const back = store((session) => {
    const asked = session.getItem(BACK);
    session.removeItem(BACK);
    return asked && JSON.parse(session.getItem(KEY));
  });
  return history.state?.catalog ?? (back?.href === location.href ? back : null);
}

// A link becomes one to the list as it was left.
export function leadBack(link) {
  const left = store((session) => JSON.parse(session.getItem(KEY)));
  if (!left) return;
  link.href = left.href;
  link.addEventListener("click", () => store((session) => session.setItem(BACK, "yes")));
}

function store(act) {
  try {
    return act(sessionStorage);
  } catch {
    return null; // a browser that keeps nothing
  }
}
