// Past the bar to what the page shows. As a step in the history, which a link makes, it would be an address that was
// left: what is being sent would stop, and a removal be final.

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.querySelector(event.target.hash).focus();
});
