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

// A file over the limit is refused before its bytes are sent.
document.addEventListener("change", ({ target }) => {
  if (!target.dataset.most) return;
  target.setCustomValidity([...target.files].some((file) => file.size > target.dataset.most) ? target.dataset.over : "");
  target.reportValidity();
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
  const { ok, redirected, status, url, headers } = ctx.response.raw;
  const posted = ctx.request.method === "POST";
  // A form that wrote something is redirected to what it shows next; some refusals come with the list as it is now.
  if ((ok && (!redirected || (posted && !url.includes("/login?")))) || status === 304 || headers.has("X-Swap")) return;
  // A problem or the login form is a page of its own; a poll keeps what it shows.
  event.preventDefault();
  if (!ctx.steers) return;
  if (!posted) location.assign(ctx.request.action);
  else if (status === 401 || redirected) location.reload();
  else say(`not done: the console answered ${status}; try again`);
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

// Elements name their keys in aria-keyshortcuts. A key acts only if nothing else handles it: not in fields and dialogs,
// not while a request is out, and not again while it is held down.
const busy = (target) =>
  target.closest("input:not([type=radio]), textarea, select, dialog, [contenteditable]") ||
  document.querySelector("dialog[open], :popover-open, [aria-busy=true]");

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.altKey || event.ctrlKey || event.metaKey || event.repeat || busy(target)) return;
  // An open menu takes all keys.
  const menu = document.querySelector("details.menu[open]");
  if (menu && key === "Escape") menu.open = false;
  if (key !== "Enter" ? key.length > 1 : target.closest("a, button, summary")) return;
  const named = `[aria-keyshortcuts~="${CSS.escape(key)}"]`;
  // What a closed menu hides has the same keys as what the page shows.
  const shown = (within) => [...document.querySelectorAll(within + named)].find((each) => each.checkVisibility());
  const found = menu ? shown("details.menu[open] ") : (shown("#list ") ?? shown(""));
  if (!found) return;
  event.preventDefault();
  if (found.matches("[type=search]")) found.focus();
  else found.click();
});
