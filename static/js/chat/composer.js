// Where a message is written: text, files, a model. Enter sends, Shift+Enter is a new line.

export class Composer {
  constructor(form, { maxFileSize }) {
    this.form = form;
    this.maxFileSize = maxFileSize;
    this.text = form.querySelector("[data-text]");
    this.input = form.querySelector("[data-file]");
    this.list = form.querySelector("[data-files]");
    this.model = form.querySelector("[data-model]");
    this.stop = form.querySelector("[data-stop]");
    this.sendButton = form.querySelector("[data-send]");
    this.files = [];
    this.last = "";
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    this.input?.addEventListener("change", () => {
      this.#add(this.input.files);
      this.input.value = "";
    });
    form.addEventListener("dragover", (event) => event.preventDefault());
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      if (this.input) this.#add(event.dataTransfer.files);
    });
  }

  onSend(send) {
    this.form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.text.value;
      if ((text.trim() === "" && this.files.length === 0) || this.sendButton.disabled) return;
      const attachments = await Promise.all(this.files.map(encode));
      this.last = text;
      this.text.value = "";
      this.files = [];
      this.#showFiles();
      send(text, attachments, this.model?.selectedIndex > 0 ? this.model.value : "");
      this.text.focus();
    });
  }

  onStop(stop) {
    this.stop.addEventListener("click", stop);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.stop.hidden) stop();
    });
  }

  put(text) {
    this.text.value = text;
    this.text.focus();
  }

  restore() {
    if (this.text.value === "") this.text.value = this.last;
  }

  showStop(isRunning) {
    this.stop.hidden = !isRunning;
  }

  setConnected(isConnected) {
    this.sendButton.disabled = !isConnected;
  }

  #add(files) {
    for (const file of files) {
      if (file.size > this.maxFileSize) {
        const limit = (this.maxFileSize / 1_048_576).toFixed(1);
        this.#complain(`${file.name} is larger than ${limit} MB.`);
      } else {
        this.files.push(file);
      }
    }
    this.#showFiles();
  }

  #complain(text) {
    this.input.setCustomValidity(text);
    this.input.reportValidity();
    this.input.setCustomValidity("");
  }

  #showFiles() {
    this.list.replaceChildren(
      ...this.files.map((file) => {
        const item = document.createElement("li");
        const remove = document.createElement("button");
        remove.type = "button";
        remove.className = "quiet";
        remove.textContent = "×";
        remove.setAttribute("aria-label", `Remove ${file.name}`);
        remove.addEventListener("click", () => {
          this.files = this.files.filter((other) => other !== file);
          this.#showFiles();
        });
        item.append(file.name, " ", remove);
        return item;
      }),
    );
  }
}

async function encode(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32_768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  }
  return { file_name: file.name, mime_type: file.type || "application/octet-stream", data: btoa(text) };
}
