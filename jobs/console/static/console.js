// The console's own script: keys, copy buttons and status messages for htmx requests. Every page works without it.

const SHOWN_MS = 5000;
let timer;

const say = (text) => {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => (place.textContent = ""), SHOWN_MS);
};

// Browsers provide no clipboard without TLS; the buttons then stay hidden.
if (navigator.clipboard) document.documentElement.classList.add("can-copy");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say("copied");
  } catch {
    say("the browser denied access to the clipboard");
  }
});

// Keep unset parameters out of the URL.
document.addEventListener("formdata", ({ target, formData }) => {
  if (target.method !== "get") return;
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

// A link, a form, or the browser's back button replaces what the user looks at; everything else polls. It is noted now,
// because htmx sets another source once it has replaced this one.
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  ctx.steers = ctx.sourceElement.matches("a, form, body");
  ctx.toTop = "top" in ctx.sourceElement.dataset;
  if (ctx.steers) ctx.target.setAttribute("aria-busy", "true");
});

document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  const { ok, redirected, status } = ctx.response.raw;
  if ((ok && !redirected) || status === 304) return;
  // A problem or the login form is a page of its own; a poll keeps what it shows.
  event.preventDefault();
  if (ctx.steers) location.assign(ctx.request.action);
});

document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx?.steers) say("the console did not respond; try again");
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (!ctx.steers) return;
  ctx.target.removeAttribute("aria-busy");
  if (ctx.status !== "swapped") return;
  const list = document.getElementById("list");
  if (!list) return;
  say(list.dataset.said);
  // htmx focuses the element with the same id; if that is gone, the next Tab starts at the list.
  if (ctx.toTop || document.activeElement === document.body) list.focus({ preventScroll: true });
  if (ctx.toTop) scrollTo(0, 0);
});

// A key acts only if nothing else handles it.
const busy = (target) =>
  target.closest("input, textarea, select, dialog, [contenteditable]") || document.querySelector("dialog[open], [aria-busy=true]");

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || busy(event.target)) return;
  if (event.key === "/") {
    const search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
