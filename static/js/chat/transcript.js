// The conversation on the page. Text is drawn at most once a frame, however fast it streams.

import { renderMarkdown } from "./markdown.js";

const NEAR_END_PX = 80;

export class Transcript {
  constructor(log) {
    this.log = log;
    this.text = ""; // of the message that streams now
    this.target = null;
    this.isDrawing = false;
    for (const element of log.querySelectorAll("[data-markdown]")) {
      element.replaceChildren(renderMarkdown(element.textContent));
    }
    this.scrollToEnd();
  }

  addUser(text, attachments) {
    this.log.querySelector("[data-greeting]")?.remove();
    const element = this.#message("user");
    element.textContent = text;
    if (attachments.length > 0) {
      const names = document.createElement("p");
      names.className = "files";
      names.textContent = attachments.map((file) => file.file_name).join(", ");
      element.append(names);
    }
    this.target = null;
    this.scrollToEnd();
  }

  beginAnswer() {
    this.target = null;
    this.text = "";
    this.log.setAttribute("aria-busy", "true");
  }

  // A turn that the model is asked for again begins anew, and what was recorded in other words than
  // it streamed takes the place of what was shown.
  addText({ text: piece, turn_id: turn, attempt, replaces }) {
    if (this.target === null) {
      this.target = this.#message("assistant");
      this.text = "";
    }
    const isAgain = turn !== undefined && turn === this.turn && attempt !== this.attempt;
    this.turn = turn;
    this.attempt = attempt;
    this.text = isAgain || replaces ? piece : this.text + piece;
    this.#drawSoon();
  }

  addCall({ id, name, input }) {
    this.#finishText();
    const card = document.createElement("details");
    card.className = "tool";
    card.dataset.call = id;
    const summary = document.createElement("summary");
    const tool = document.createElement("code");
    tool.textContent = name;
    const outcome = document.createElement("span");
    outcome.dataset.outcome = "";
    outcome.textContent = "running…";
    summary.append(tool, " ", outcome);
    const asked = document.createElement("pre");
    asked.textContent = JSON.stringify(input, null, 2);
    const result = document.createElement("pre");
    result.dataset.result = "";
    card.append(summary, asked, result);
    this.#append(card);
  }

  addResult({ tool_use_id: id, content, is_error: isError }) {
    const card = [...this.log.querySelectorAll("[data-call]")].findLast((item) => item.dataset.call === id);
    if (!card) return;
    card.classList.toggle("failed", isError);
    card.querySelector("[data-outcome]").textContent = isError ? "failed" : "done";
    card.querySelector("[data-result]").textContent = content;
  }

  addFile({ file_name: name, mime_type: type, data }) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const link = document.createElement("a");
    link.className = "file";
    link.download = name;
    // Whatever it says it is, it is saved and never opened as a page of ours.
    link.href = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    link.textContent = `${name} (${type})`;
    this.#append(link);
  }

  endAnswer(frame) {
    this.#finishText();
    this.log.removeAttribute("aria-busy");
    if (frame.is_error) this.#note((frame.errors ?? ["The answer was cut off."]).join("\n"), "error");
    if (frame.num_turns > 0) {
      const tokens = `${frame.input_tokens} tokens in, ${frame.output_tokens} out`;
      const turns = frame.num_turns === 1 ? "1 tool turn" : `${frame.num_turns} tool turns`;
      this.#note(`${turns}, ${tokens}, $${frame.cost_usd.toFixed(4)}`, "stats");
    }
  }

  // What had streamed of an unfinished message comes again whole when the page reconnects.
  dropUnfinishedText() {
    if (this.target === null) return;
    this.target.closest("[data-message]").remove();
    this.target = null;
    this.text = "";
  }

  scrollToEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  #message(kind) {
    const message = document.createElement("div");
    message.className = `message ${kind}`;
    message.dataset.message = "";
    const text = document.createElement("div");
    text.className = "text";
    message.append(text);
    this.#append(message);
    return text;
  }

  #note(text, kind) {
    const note = document.createElement("p");
    note.className = `note ${kind}`;
    note.textContent = text;
    this.#append(note);
  }

  #append(element) {
    const isAtEnd = this.#isAtEnd();
    this.log.append(element);
    if (isAtEnd) this.scrollToEnd();
  }

  #isAtEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_END_PX;
  }

  #drawSoon() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.#draw();
    });
  }

  #draw() {
    if (this.target === null) return;
    const isAtEnd = this.#isAtEnd();
    this.target.replaceChildren(renderMarkdown(this.text));
    if (isAtEnd) this.scrollToEnd();
  }

  #finishText() {
    this.#draw();
    this.target = null;
    this.text = "";
  }
}
