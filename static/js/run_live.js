// New events of a run that has not ended. The stream says that there are some, the server renders
// them: `data-live-url?after=SEQ` answers with rows, totals and, at the end, the chain badge.

const MOST_ROWS = 1000; // in the page; older ones are a link away
const NEAR_END_PX = 40;

export function followRun(page, { onRows }) {
  const list = page.querySelector("[data-rows]");
  const pill = page.querySelector("[data-live]");
  const reconnect = page.querySelector("[data-reconnect]");
  let source = null;
  let isLoading = false;
  let isStale = false;

  const lastSeq = () => Number(list.lastElementChild?.dataset.seq ?? page.dataset.lastSeq);

  function show(state) {
    pill.hidden = state === "";
    pill.textContent = state;
    pill.classList.toggle("lost", state === "disconnected");
    reconnect.hidden = state !== "disconnected";
  }

  function connect() {
    source = new EventSource(`${page.dataset.streamUrl}?since=${lastSeq()}`);
    source.addEventListener("open", () => show("live"));
    source.addEventListener("status", refresh);
    source.addEventListener("event", refresh);
    source.addEventListener("done", () => {
      source.close();
      refresh();
    });
    source.addEventListener("error", (event) => {
      // The server's own `error` frame has data; the browser's does not and it tries again.
      if (event.data !== undefined) source.close();
      show(source.readyState === EventSource.CLOSED ? "disconnected" : "reconnecting");
    });
  }

  // At most one request at a time: a burst of events costs two, however long it is.
  async function refresh() {
    isStale = true;
    if (isLoading) return;
    isLoading = true;
    try {
      while (isStale) {
        isStale = false;
        if (await load()) isStale = true;
      }
    } catch {
      source.close();
      show("disconnected");
    } finally {
      isLoading = false;
    }
  }

  async function load() {
    const answer = await fetch(`${page.dataset.liveUrl}?after=${lastSeq()}`);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = parsed.querySelector('[data-part="rows"]');
    append([...fresh.children]);
    for (const part of parsed.querySelectorAll("[data-part]")) {
      if (part !== fresh) page.querySelector(`[data-part="${part.dataset.part}"]`)?.replaceWith(part);
    }
    if ("finished" in fresh.dataset && !("more" in fresh.dataset)) end();
    return "more" in fresh.dataset;
  }

  function append(rows) {
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - NEAR_END_PX;
    const after = lastSeq();
    const added = rows.filter((row) => Number(row.dataset.seq) > after);
    if (!added.length) return;
    list.append(...added);
    while (list.children.length > MOST_ROWS) {
      list.firstElementChild.remove();
      page.querySelector("[data-trimmed]").hidden = false;
    }
    page.querySelector("[data-no-events]")?.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    onRows(added);
  }

  function end() {
    source.close();
    show("");
    page.querySelector("form.cancel")?.remove();
  }

  reconnect.addEventListener("click", () => {
    show("reconnecting");
    connect();
    refresh();
  });
  connect();
}
