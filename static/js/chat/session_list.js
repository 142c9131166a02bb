// The list of conversations, rendered by the server and fetched again when something changed.

export class SessionList {
  constructor(root, { url, onArchive }) {
    this.root = root;
    this.url = url;
    root.addEventListener("click", async (event) => {
      const button = event.target.closest("[data-archive]");
      if (!button) return;
      const answer = await onArchive(button.dataset.archive);
      if (answer.ok) button.closest("li").remove();
    });
  }

  async refresh(openId) {
    const answer = await fetch(`${this.url}?open=${encodeURIComponent(openId ?? "")}`);
    if (!answer.ok) return;
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    this.root.replaceChildren(...parsed.body.childNodes);
  }
}
