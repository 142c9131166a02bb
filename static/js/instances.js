// Keeps a page of instances up to date: the server renders its parts anew, this file puts those into
// place that have changed. It asks only while somebody can see the page.

import { localTimes } from "./local_time.js";

const SLOWEST_MS = 60_000; // between attempts, while the server does not answer

const page = document.querySelector("[data-refresh]");
const pill = document.querySelector("[data-live]");
const told = document.querySelector("[data-told]");
const interval = Number(page.dataset.refreshSeconds) * 1000;

// As the server wrote them: what is shown has the reader's own times in it.
const written = new Map();
let timer = 0;
let failures = 0;
let asking = null;
let isPressed = false;

const keyOf = (part) => part.dataset.part;
const summary = () => page.querySelector('[data-part="summary"]')?.innerText.trim() ?? "";

for (const part of page.querySelectorAll("[data-part]")) written.set(keyOf(part), part.innerHTML);
localTimes(page);

function show(state) {
  pill.hidden = false;
  pill.textContent = state;
  pill.classList.toggle("lost", state !== "live");
}

// Forms carry a token that is different in every answer, and as good in all of them.
const plain = (html) => html.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");

// A click is lost when what it began on is replaced before it ends; so is a selection.
function isBusy(part) {
  if (isPressed) return true;
  const selection = document.getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
}

function put(fresh) {
  const shown = page.querySelector(`[data-part="${keyOf(fresh)}"]`);
  const html = fresh.innerHTML;
  if (!shown || plain(written.get(keyOf(fresh)) ?? "") === plain(html) || isBusy(shown)) return;
  written.set(keyOf(fresh), html);
  const focused = shown.contains(document.activeElement) ? document.activeElement.dataset.key : "";
  localTimes(fresh);
  shown.replaceWith(fresh);
  if (focused) fresh.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

async function refresh() {
  asking = new AbortController();
  const answer = await fetch(page.dataset.refresh, { signal: asking.signal });
  if (answer.redirected || answer.status === 401 || answer.status === 403) return end("logged out");
  if (answer.status === 404) return end("gone");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const before = summary();
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parsed.querySelectorAll("[data-part]")) put(part);
  if (summary() !== before) told.textContent = summary().replace(/\s+/g, " ");
  show("live");
}

// A login that is over comes back with a reload, and not by asking again.
function end(state) {
  show(state);
  document.removeEventListener("visibilitychange", look);
  return "over";
}

async function tick() {
  let outcome = "";
  try {
    outcome = await refresh();
    failures = 0;
  } catch (error) {
    if (error.name === "AbortError") return;
    failures += 1;
    show("reconnecting");
  }
  if (outcome !== "over") plan(Math.min(interval * 2 ** failures, SLOWEST_MS));
}

function plan(ms) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(tick, ms);
}

function look() {
  clearTimeout(timer);
  if (document.hidden) asking?.abort();
  else tick();
}

document.addEventListener("visibilitychange", look);
document.addEventListener("pointerdown", () => (isPressed = true));
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => setTimeout(() => (isPressed = false))); // after the click
}
show("live");
plan(interval);
