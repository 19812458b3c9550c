// What must not be lost: while it goes on, the browser asks before the page is left.

let holds = 0;

const ask = (event) => event.preventDefault();

// Returns what ends it.
export function hold() {
  if (!holds++) addEventListener("beforeunload", ask);
  return () => {
    if (!--holds) removeEventListener("beforeunload", ask);
  };
}

export const held = () => holds > 0;
