// What HTML and htmx cannot do alone: Enter sends, keys vote, copy, spoken milestones. All of it is optional.
"use strict";

const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];
const words = (place) => find(place).dataset;  // what is said, in the language of the page

document.documentElement.classList.add("has-js");

// Keys: A, B, T, N vote while the vote bar is open and nobody is typing. The choice to have them off is kept.

let keys;
try { keys = localStorage.getItem("keys"); } catch { /* a browser that keeps nothing */ }
const keysAreOn = () => keys !== "off";

function showKeys() {
  document.documentElement.classList.toggle("has-keys", keysAreOn());
  findAll("[data-keys]").forEach((box) => { box.checked = keysAreOn(); });
}

document.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-keys]")) return;
  keys = target.checked ? "on" : "off";
  try { localStorage.setItem("keys", keys); } catch { /* then until this page is left */ }
  showKeys();
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("[data-limit]") && event.key === "Enter") return sendByEnter(event);
  if (!keysAreOn() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  if (find("dialog[open]")) return;
  const key = CSS.escape(event.key.toLowerCase());
  const button = find(event.key === "?" ? "[data-dialog]" : `#bar button[data-key="${key}"]:not([hidden])`);
  if (!button) return;
  event.preventDefault();
  button.click();
});

function sendByEnter(event) {
  if (event.shiftKey || event.isComposing || !event.target.value.trim()) return;
  event.preventDefault();
  event.target.form.querySelector(".main").click();
}

// The list of keys is a page, shown over the present one.

document.addEventListener("click", async (event) => {
  const box = find("#dialog");
  const link = event.target.closest("[data-dialog]");
  if (event.target.closest("[data-close]")) box.close();
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (box.childElementCount < 2) {
    const page = await fetch(link.href).then((reply) => reply.text()).catch(() => "");
    const list = new DOMParser().parseFromString(page, "text/html").querySelector("#shortcuts");
    if (!list) return warn("away");
    box.prepend(list);
  }
  showKeys();
  box.showModal();
});

// The count appears when the limit comes near; the server refuses, it never cuts.

function showCount(box) {
  const limit = Number(box.dataset.limit);
  const length = [...box.value].length;
  const count = box.form.querySelector("[data-count]");
  count.hidden = length < limit * 0.8;
  count.classList.toggle("over", length > limit);
  const [n, most] = [length, limit].map((number) => number.toLocaleString(document.documentElement.lang));
  count.textContent = count.dataset.count.replace("{n}", n).replace("{limit}", most);
}

document.addEventListener("input", ({ target }) => { if (target.matches("[data-limit]")) showCount(target); });

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const { innerText } = find(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(innerText);
    answer(button, words("#status").copied);
  } catch {
    answer(button, words("#status").denied);
  }
});

function answer(button, said) {
  say(said);
  button.dataset.label ??= button.textContent;
  button.textContent = said;
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

function say(said) { find("#status").textContent = said; }

let spoken = "";
let before;

// The focus goes on to the vote, but from nobody who types, selects or is somewhere else on purpose.

function offerVote() {
  const at = document.activeElement;
  if (getSelection().isCollapsed && (at === document.body || at.matches("main, .turn, #bar *"))) find("form.vote").focus({ preventScroll: true });
}

function tellMilestones() {
  const phase = find("#bar")?.dataset.phase;
  const ended = [...(findAll(".turn").at(-1)?.querySelectorAll("footer[data-ended]") ?? [])]
    .map((foot) => foot.dataset.ended).filter(Boolean);
  if (phase === "vote" && before === "writing") offerVote();
  before = phase;
  const told = words("#status");
  let said = told[phase] ?? "";
  if (phase === "writing" && ended.length === 1) said = told[ended[0]];
  if (said === spoken) return;
  spoken = said;
  say(said);
}

// While an answer goes on below the window, a button leads to its end. The page itself stays where it is read.

const isRead = ({ left, right }) => Math.abs(left + right - innerWidth) < innerWidth;  // on phones, one of the two
const ends = () => (findAll(".turn").at(-1)?.querySelectorAll(".text:has(~ [data-ended=''])") ?? []);
const lowest = () => Math.max(...[...ends()].map((end) => end.getBoundingClientRect()).filter(isRead).map(({ bottom }) => bottom));

function offerEnd() {
  const jump = find("[data-jump]");
  if (jump) jump.hidden = lowest() <= innerHeight;
}

const offerEndSoon = () => requestAnimationFrame(offerEnd);
for (const name of ["scroll", "resize", "htmx:sse:after:message", "htmx:after:swap"]) addEventListener(name, offerEndSoon, true);

document.addEventListener("click", ({ target }) => {
  if (!target.closest("[data-jump]")) return;
  scrollBy({ top: lowest() - innerHeight + 96 });
  findAll(".turn").at(-1).focus({ preventScroll: true });
});

// Files that are dropped anywhere or pasted go the way of those that are picked, with the prompt box they are nearest to.

for (const kind of ["dragover", "drop", "paste"]) {
  document.addEventListener(kind, (event) => {
    const { files, types } = event.clipboardData ?? event.dataTransfer;
    const input = (event.target.closest?.(".composer") ?? document).querySelector("[type=file]");
    if (!input || !types.includes("Files") || (kind === "paste" && types.includes("text/plain"))) return;
    event.preventDefault();
    if (kind === "dragover" || input.disabled) return;
    input.files = files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

document.addEventListener("htmx:after:request", ({ target }) => { if (target.type === "file") target.value = ""; });

function tellFiles() {
  const list = find("[data-said]");
  if (!list) return;
  say(list.dataset.said);
  list.removeAttribute("data-said");
  list.closest("form").elements.prompt.focus();
}

// A battle goes on where it is read, a new turn comes into view, another page begins at its top. The focus of a
// control that is gone goes to what it acted on.

let shown = {};
let hadFocus = false;

document.addEventListener("htmx:before:swap", () => { hadFocus = document.activeElement !== document.body; });

function settle() {
  if (hadFocus && document.activeElement === document.body) {
    const vote = shown.path === location.pathname && find("form.vote");
    (vote || (findAll(".turn").at(-1) ?? find("#main"))).focus({ preventScroll: true });
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

document.addEventListener("htmx:after:swap", () => { showKeys(); tellMilestones(); tellFiles(); settle(); });
document.addEventListener("htmx:sse:after:message", tellMilestones);
showKeys();
settle();

// A battle is one step in the history, whatever is done in it, and a page that is gone back to shows what is true now.

document.addEventListener("htmx:before:history:update", ({ detail }) => {
  if (detail.history.path === location.pathname) detail.history.type = "replace";
});
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// Without a connection nothing is lost, but it is said. A stream that could not begin tries again.

const warn = (said) => { find("#notice").textContent = words("#notice")[said] ?? ""; };

document.addEventListener("htmx:error", ({ target }) => {
  if (target.id === "events") return tryAgain(target);
  warn("away");
});
document.addEventListener("htmx:response:error", ({ target }) => { if (target.id === "events") tryAgain(target); });
document.addEventListener("htmx:sse:error", () => warn("lost"));
document.addEventListener("htmx:sse:after:connection", () => warn());
document.addEventListener("htmx:after:request", () => warn());
document.addEventListener("htmx:before:swap", (event) => {
  const { target, detail: { ctx } } = event;
  if (target.id === "events" || !(ctx.response?.status >= 400) || ctx.text.includes("id=\"main\"")) return;
  event.preventDefault();
  if (ctx.text.startsWith("<div class=\"problem\"")) tell(target, ctx.text); else warn("away");
});

// A refused action says why where it was made; what was typed and the rest of the page stay.

function tell(source, html) {
  const form = source.closest("form");
  if (form) form.insertAdjacentHTML("afterend", html);
  else (source.closest("article, section") ?? find("#main")).insertAdjacentHTML("beforeend", html);
  find(".problem").scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:before:request", ({ target }) => {
  if (target.id !== "events") findAll(".problem").forEach((problem) => problem.remove());
});

function tryAgain(stream) {
  warn("lost");
  setTimeout(() => htmx.trigger(stream, "again"), 1000);
}
