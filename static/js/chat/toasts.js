// Short messages at the edge of the page, gone after a while.

const SHOWN_MS = 6000;
const LONGEST_TEXT = 120;

export class Toasts {
  constructor(root) {
    this.root = root;
  }

  show({ title, text, href = "", isError = false }) {
    const toast = document.createElement(href ? "a" : "div");
    toast.className = isError ? "toast error" : "toast";
    if (href) toast.href = href;
    const heading = document.createElement("strong");
    heading.textContent = title;
    const body = document.createElement("p");
    body.textContent = text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
    toast.append(heading, body);
    this.root.append(toast);
    setTimeout(() => toast.remove(), SHOWN_MS);
  }
}
