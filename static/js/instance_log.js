// The end of an instance's log, and what comes. Lines are text: whatever they contain, none of it
// becomes markup.

const MOST_LINES = 1000; // in the page; the whole log is a download away
const NEAR_END_PX = 40;
const RETRY_MS = 5000; // after a refusal; then twice as long each time, up to
const SLOWEST_MS = 300_000;
const LEVELS = new Set(["error", "warn", "info", "debug", "trace"]);

const log = document.querySelector("[data-log]");
const lines = log.querySelector("[data-log-lines]");
const pill = log.querySelector("[data-log-state]");
const toggle = log.querySelector("[data-log-toggle]");

let source = null;
let isWanted = true; // the reader has not stopped it
let timer = 0;
let refusals = 0;
let waiting = []; // lines that came since the last frame was painted

function show(state) {
  pill.hidden = false;
  pill.textContent = state;
  pill.classList.toggle("lost", state !== "live");
  toggle.hidden = false;
  toggle.textContent = isWanted ? "Stop" : "Continue";
}

function clock(seconds) {
  const time = document.createElement("time");
  const date = new Date(seconds * 1000);
  if (seconds > 0 && !Number.isNaN(date.getTime())) {
    time.dateTime = date.toISOString();
    time.title = time.dateTime;
    time.textContent = date.toTimeString().slice(0, 8);
  }
  return time;
}

function lineOf(entry) {
  const line = document.createElement("li");
  const name = String(entry.level ?? "");
  if (LEVELS.has(name)) line.className = name;
  const level = document.createElement("span");
  level.className = "level";
  level.textContent = name;
  const message = document.createElement("span");
  message.textContent = String(entry.message ?? "");
  line.append(clock(Number(entry.timestamp)), level, message);
  return line;
}

function noteOf(text) {
  const line = document.createElement("li");
  line.className = "note";
  line.textContent = text;
  return line;
}

function add(line) {
  waiting.push(line);
  if (waiting.length > MOST_LINES) waiting.shift();
  if (waiting.length === 1) setTimeout(paint, 50);
}

function paint() {
  const isAtEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - NEAR_END_PX;
  lines.append(...waiting);
  waiting = [];
  while (lines.children.length > MOST_LINES) lines.firstElementChild.remove();
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

function take(event) {
  try {
    add(lineOf(JSON.parse(event.data)));
  } catch {
    add(noteOf(event.data));
  }
}

function refusalIn(data) {
  try {
    return JSON.parse(data).error ?? data;
  } catch {
    return data;
  }
}

function disconnect(state) {
  clearTimeout(timer);
  source?.close();
  source = null;
  show(state);
}

function end(state, words) {
  isWanted = false;
  add(noteOf(words));
  disconnect(state);
}

function connect() {
  disconnect("connecting");
  source = new EventSource(log.dataset.log);
  source.addEventListener("open", () => {
    // The stream begins with the end of the log, which may be here already.
    refusals = 0;
    waiting = [];
    lines.replaceChildren();
    show("live");
  });
  source.addEventListener("message", take);
  source.addEventListener("log", take);
  source.addEventListener("done", () => end("ended", "The log has ended."));
  source.addEventListener("error", (event) => {
    if (event.data !== undefined) {
      end("failed", refusalIn(event.data));
    } else if (source.readyState === EventSource.CLOSED) {
      // Refused before it began; then the browser does not try again by itself.
      disconnect("not available");
      timer = setTimeout(follow, Math.min(RETRY_MS * 2 ** refusals, SLOWEST_MS));
      refusals += 1;
    } else {
      show("reconnecting");
    }
  });
}

// A stream that nobody sees would cost the server and the backend a connection each.
function follow() {
  if (!isWanted) disconnect("stopped");
  else if (document.hidden) disconnect("paused");
  else connect();
}

document.addEventListener("visibilitychange", () => {
  if (isWanted) follow();
});
toggle.addEventListener("click", () => {
  isWanted = !isWanted;
  follow();
});
follow();
