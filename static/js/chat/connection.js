// The socket: opened again after it is lost, a little later each time.

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

export class Connection {
  constructor(url, { onOpen, onLost, onFrame }) {
    this.url = url;
    this.handlers = { onOpen, onLost, onFrame };
    this.failures = 0;
    this.socket = null;
    window.addEventListener("online", () => this.retryNow());
  }

  open() {
    this.socket = new WebSocket(this.url);
    this.socket.addEventListener("open", () => {
      this.failures = 0;
      this.handlers.onOpen();
    });
    this.socket.addEventListener("message", (event) => this.handlers.onFrame(JSON.parse(event.data)));
    this.socket.addEventListener("close", () => {
      this.handlers.onLost();
      const delay = Math.min(FIRST_DELAY_MS * 2 ** this.failures, LONGEST_DELAY_MS);
      this.failures += 1;
      this.timer = setTimeout(() => this.open(), delay);
    });
  }

  retryNow() {
    if (this.socket.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.timer);
    this.open();
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }
}
