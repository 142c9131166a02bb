// Markdown of a model to HTML that can do no harm. Nothing is loaded from elsewhere: an image or a
// link that a model was talked into must not carry anything out of the page by itself.

import DOMPurify from "../../vendor/dompurify/purify.es.js";
import { marked } from "../../vendor/marked/marked.esm.js";

const SAFE = {
  FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "iframe", "img", "svg", "math", "video", "audio", "source", "object"],
  FORBID_ATTR: ["style", "id", "name", "class"],
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

// HTML that a model writes is shown as what it is: text.
marked.use({ renderer: { html: ({ text }) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;") } });

const LINKS = /^(https?:|mailto:)/i;

export function renderMarkdown(text) {
  const fragment = DOMPurify.sanitize(marked.parse(text, { async: false, gfm: true, breaks: true }), SAFE);
  for (const link of fragment.querySelectorAll("a")) {
    if (!LINKS.test(link.getAttribute("href") ?? "")) link.removeAttribute("href");
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const block of fragment.querySelectorAll("pre")) block.tabIndex = 0;
  return fragment;
}
