// The console's only script of its own: keys, copy buttons and messages. Every page works without it.

const say = (text) => {
  const place = document.getElementById("said");
  if (place) place.textContent = text;
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  say("copied");
});

// A key acts only where nothing else takes it.
const busy = (target) =>
  target.closest("input, textarea, select, dialog, [contenteditable]") || document.querySelector("dialog[open], [aria-busy=true]");

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || busy(event.target)) return;
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
