// What HTML and htmx cannot do alone: Enter sends, keys vote, copy, spoken milestones. All of it is optional.
"use strict";

const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];

document.documentElement.classList.add("has-js");

// Keys: A, B, T, N vote while the vote bar is open and nobody is typing. The choice to have them off is kept.

const keysAreOn = () => localStorage.getItem("keys") !== "off";

function showKeys() {
  document.documentElement.classList.toggle("has-keys", keysAreOn());
  findAll("[data-keys]").forEach((box) => { box.checked = keysAreOn(); });
}

document.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-keys]")) return;
  localStorage.setItem("keys", target.checked ? "on" : "off");
  showKeys();
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("textarea") && event.key === "Enter") return sendByEnter(event);
  if (!keysAreOn() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  const button = find(`#bar button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
});

function sendByEnter(event) {
  if (event.shiftKey || event.isComposing || !event.target.value.trim()) return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

// The count appears when the limit comes near; the server refuses, it never cuts.

function showCount(box) {
  const limit = Number(box.dataset.limit);
  const length = [...box.value].length;
  const count = box.form.querySelector("[data-count]");
  count.hidden = length < limit * 0.8;
  count.classList.toggle("over", length > limit);
  count.textContent = `${length.toLocaleString("en")} of ${limit.toLocaleString("en")} characters`;
}

document.addEventListener("input", ({ target }) => { if (target.matches("[data-limit]")) showCount(target); });

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const { innerText } = find(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(innerText);
    answer(button, "Copied");
  } catch {
    answer(button, "The browser did not allow it");
  }
});

function answer(button, words) {
  say(words);
  button.dataset.label ??= button.textContent;
  button.textContent = words;
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
}

// A prompt to start from: the first of its [bracket] parts is selected as soon as it fills the box, and any of them as a
// whole when it is clicked or tabbed into, so that typing replaces it. A second click puts the caret inside. Brackets of
// the visitor's own are left alone.

const BRACKETS = /\[[^[\]\n]+\]/g;
let byPointer = false;
let held = "";

const isFilled = (box) => box instanceof Element && box.matches("[data-filled] textarea");
const range = (box) => [box.selectionStart, box.selectionEnd].join();

function parts(box) {
  const offered = box.defaultValue.match(BRACKETS) ?? [];
  return [...box.value.matchAll(BRACKETS)].filter(([part]) => offered.includes(part))
    .map((found) => ({ start: found.index, end: found.index + found[0].length }));
}

function pick(box, part) { if (part) box.setSelectionRange(part.start, part.end); }

function beginAtPart() {
  const box = find("[data-filled] textarea");
  if (!box) return;
  const [first] = parts(box);
  box.focus();
  pick(box, first ?? { start: box.value.length, end: box.value.length });
}

document.addEventListener("pointerdown", ({ target }) => {
  byPointer = true;
  held = isFilled(target) ? range(target) : "";
});

document.addEventListener("click", ({ target: box }) => {
  if (!isFilled(box) || box.selectionStart !== box.selectionEnd) return;
  const part = parts(box).find(({ start, end }) => start < box.selectionStart && box.selectionStart < end);
  if (part && held !== [part.start, part.end].join()) pick(box, part);
});

document.addEventListener("focusin", ({ target: box, relatedTarget }) => {
  if (relatedTarget && !byPointer && isFilled(box)) pick(box, parts(box)[0]);
});

document.addEventListener("keydown", (event) => {
  byPointer = false;
  const { target: box } = event;
  if (event.key !== "Tab" || event.ctrlKey || event.metaKey || event.altKey || !isFilled(box)) return;
  const next = event.shiftKey
    ? parts(box).findLast(({ end }) => end <= box.selectionStart)
    : parts(box).find(({ start }) => start >= box.selectionEnd);
  if (!next) return;
  event.preventDefault();
  pick(box, next);
});

// Phones: the links above the answers lead from one side to the other and tell which one is read.

document.addEventListener("click", (event) => {
  const link = event.target.closest(".sides a");
  if (!link) return;
  event.preventDefault();
  find(link.hash).scrollIntoView({ block: "nearest", inline: "center" });
});

document.addEventListener("scroll", ({ target }) => {
  if (!(target instanceof Element) || !target.matches(".answers")) return;
  const read = Math.round(target.scrollLeft / target.clientWidth);
  target.previousElementSibling.querySelectorAll("a").forEach((link, side) => {
    if (side === read) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  });
}, true);

// Screen readers hear milestones, not tokens.

function say(words) { find("#status").textContent = words; }

let spoken = "";

function tellMilestones() {
  const phase = find("#bar")?.dataset.phase;
  const ended = [...(findAll(".turn").at(-1)?.querySelectorAll("footer[data-ended]") ?? [])]
    .map((foot) => foot.dataset.ended).filter(Boolean);
  let words = "";
  if (phase === "writing" && ended.length === 1) words = `Answer ${ended[0].toUpperCase()} is complete.`;
  if (phase === "vote") words = "Both answers are complete. You can vote now.";
  if (phase === "broken") words = "One answer is missing. You can try that side again.";
  if (words === spoken) return;
  spoken = words;
  say(words);
}

// A battle goes on where it is read, a new turn comes into view, another page begins at its top. The focus of a
// control that is gone goes to what it acted on.

let shown = {};
let hadFocus = false;

document.addEventListener("htmx:before:swap", () => { hadFocus = document.activeElement !== document.body; });

function settle() {
  if (hadFocus && document.activeElement === document.body) {
    (findAll(".turn").at(-1) ?? find("#main")).focus({ preventScroll: true });
  }
  const was = shown;
  shown = { main: find("#main"), path: location.pathname, turns: findAll(".turn").length };
  if (shown.main === was.main) return;
  findAll("[data-limit]").forEach(showCount);
  beginAtPart();
  if (!was.main) return;
  if (shown.path !== was.path || !shown.turns) scrollTo(0, 0);
  else if (shown.turns > was.turns) findAll(".turn").at(-1).scrollIntoView();
  else find("#main [autofocus]")?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:after:swap", () => { showKeys(); tellMilestones(); settle(); });
document.addEventListener("htmx:sse:after:message", tellMilestones);
showKeys();
settle();

// A battle is one step in the history, whatever is done in it, and a page that is gone back to shows what is true now.

document.addEventListener("htmx:before:history:update", ({ detail }) => {
  if (detail.history.path === location.pathname) detail.history.type = "replace";
});
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// Without a connection nothing is lost, but it is said. A stream that could not begin tries again.

const warn = (words) => { find("#notice").textContent = words; };

document.addEventListener("htmx:error", ({ target }) => {
  if (target.id === "events") return tryAgain(target);
  warn("The arena could not be reached. Nothing is lost: please try again.");
});
document.addEventListener("htmx:response:error", ({ target }) => { if (target.id === "events") tryAgain(target); });
document.addEventListener("htmx:sse:error", () => warn("The connection is lost. It comes back by itself."));
document.addEventListener("htmx:sse:after:connection", () => warn(""));
document.addEventListener("htmx:after:request", () => warn(""));
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  if (!ctx.select || !(ctx.response?.status >= 400) || ctx.text.includes("id=\"main\"")) return;
  event.preventDefault();
  warn("The arena could not be reached. Nothing is lost: please try again.");
});

function tryAgain(stream) {
  warn("The connection is lost. It comes back by itself.");
  setTimeout(() => htmx.trigger(stream, "again"), 1000);
}
