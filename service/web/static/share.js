// The address of what is shown, handed on.

import { toast } from "./say.js";

export async function share() {
  const address = location.origin + location.pathname;
  const touch = matchMedia("(pointer: coarse)").matches;
  try {
    if (touch && navigator.share) await navigator.share({ title: document.title, url: address });
    else {
      await navigator.clipboard.writeText(address);
      toast("The address is copied. Who opens it sees names, not pictures.");
    }
  } catch (error) {
    if (error.name !== "AbortError") toast(`Copy this address: ${address}`); // the clipboard needs https
  }
}
