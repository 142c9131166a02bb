// The page of one run: choosing an event, filtering, the keyboard, and new events as they happen.
// Rows and events are rendered and escaped by the server; this file only puts them into place.

import { localTimes } from "./local_time.js";
import { followRun } from "./run_live.js";

const WRAP_KEY = "starport.inspector.wrap";
const TOAST_MS = 1400;

const page = document.querySelector("[data-run-page]");
const list = page.querySelector("[data-rows]");
const panel = page.querySelector("[data-panel]");
const filter = page.querySelector("[data-filter]");
const toast = page.querySelector("[data-toast]");

const rows = () => [...list.children];
const shownRows = () => rows().filter((row) => !row.hidden);
const chosenRow = () => list.querySelector("a[aria-current]")?.parentElement ?? null;

localTimes(page);

// Choosing an event

let loading = null;

async function choose(row) {
  if (!row) return;
  list.querySelector("a[aria-current]")?.removeAttribute("aria-current");
  row.firstElementChild.setAttribute("aria-current", "true");
  row.scrollIntoView({ block: "nearest" });
  const place = new URL(location.href);
  place.searchParams.set("seq", row.dataset.seq);
  history.replaceState(null, "", place);
  loading?.abort();
  loading = new AbortController();
  try {
    const answer = await fetch(page.dataset.eventUrl + row.dataset.seq, { signal: loading.signal });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    panel.replaceChildren(...parsed.body.children);
    dressPanel();
  } catch (error) {
    if (error.name !== "AbortError") say("the event could not be loaded");
  }
}

function dressPanel() {
  localTimes(panel);
  showWrap();
}

list.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const row = event.target.closest("li");
  if (!row) return;
  event.preventDefault();
  choose(row);
});

function step(distance) {
  const shown = shownRows();
  const at = shown.indexOf(chosenRow());
  choose(shown[Math.min(Math.max(at + distance, 0), shown.length - 1)]);
}

function jumpToCall(callId) {
  const mine = rows().filter((row) => row.dataset.call === callId);
  const at = mine.indexOf(chosenRow());
  const next = mine[(at + 1) % mine.length];
  if (next?.hidden) clearFilter();
  choose(next);
}

// Filter

function applyFilter() {
  const text = filter.value.trim().toLowerCase();
  for (const row of rows()) {
    const inside = `${row.textContent} ${row.dataset.call ?? ""}`.toLowerCase();
    row.hidden = !inside.includes(text);
  }
  const counter = page.querySelector("[data-shown]");
  counter.textContent = text ? `${shownRows().length} of ${rows().length} shown` : "";
}

function clearFilter() {
  filter.value = "";
  applyFilter();
}

filter.addEventListener("input", applyFilter);
filter.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    clearFilter();
    filter.blur();
  } else if (event.key === "Enter") {
    filter.blur();
    choose(shownRows()[0]);
  }
});

// Copying, wrapping, confirming

let toastTimer = 0;

function say(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (toast.hidden = true), TOAST_MS);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("copied");
  } catch {
    say("the browser allows copying over HTTPS only"); // or nobody gave permission
  }
}

function wraps() {
  return localStorage.getItem(WRAP_KEY) !== "off";
}

function showWrap() {
  panel.classList.toggle("nowrap", !wraps());
  panel.querySelector("[data-wrap]")?.setAttribute("aria-pressed", String(wraps()));
}

function toggleWrap() {
  localStorage.setItem(WRAP_KEY, wraps() ? "off" : "on");
  showWrap();
}

page.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("copy" in button.dataset) copy(button.dataset.copy);
  else if ("copyJson" in button.dataset) copy(panel.querySelector(".payload").textContent);
  else if ("wrap" in button.dataset) toggleWrap();
  else if ("jumpCall" in button.dataset) jumpToCall(button.dataset.jumpCall);
});

page.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// Keyboard

const KEYS = {
  j: () => step(1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  ArrowUp: () => step(-1),
  g: () => choose(shownRows()[0]),
  G: () => choose(shownRows().at(-1)),
  "/": () => filter.focus(),
  Escape: clearFilter,
  c: () => copy(page.dataset.runId),
  y: () => copy(panel.querySelector("[data-hash]")?.dataset.copy ?? ""),
  w: toggleWrap,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const act = KEYS[event.key];
  if (!act) return;
  // The payload scrolls by the arrow keys while it has the focus.
  if (event.key.startsWith("Arrow") && event.target.closest(".payload")) return;
  event.preventDefault();
  act();
});

showWrap();
if (page.dataset.streamUrl) {
  followRun(page, {
    onRows(added) {
      for (const row of added) localTimes(row);
      applyFilter();
      if (!chosenRow()) choose(rows()[0]);
    },
  });
}
