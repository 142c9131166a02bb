// The list of runs: local times, the keys of the search box, narrowing while one types.

import { localTimes } from "./local_time.js";

const page = document.querySelector("[data-run-list]");
const search = page.querySelector("input[type=search]");
const rows = [...page.querySelectorAll("tr[data-run]")];

localTimes(page);

function narrow() {
  const text = search.value.trim().toLowerCase();
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(text);
}

search.addEventListener("input", narrow);
search.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  search.value = "";
  narrow();
  search.blur();
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  search.focus();
});

page.querySelector("form[data-confirm]")?.addEventListener("submit", (event) => {
  const isChosen = page.querySelector("input[name=run_id]:checked");
  if (!isChosen || !confirm(event.target.dataset.confirm)) event.preventDefault();
});
