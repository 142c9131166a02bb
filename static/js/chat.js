// The chat page: what the server rendered, enlivened. One socket for the page; the conversation goes
// on from the last frame that was seen, so that a connection that drops loses nothing.

import { Composer } from "./chat/composer.js";
import { Connection } from "./chat/connection.js";
import { SessionList } from "./chat/session_list.js";
import { Toasts } from "./chat/toasts.js";
import { Transcript } from "./chat/transcript.js";

const page = document.querySelector("[data-chat]");
if (page) start(page);

function start(page) {
  const api = (path, body) =>
    fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": page.dataset.csrf },
      body: JSON.stringify(body),
    });

  const conversation = {
    sessionId: page.dataset.sessionId,
    key: page.dataset.sessionKey || crypto.randomUUID(),
    channel: page.dataset.channel,
    runId: page.dataset.runId,
    seq: Number(page.dataset.seq),
    isRunning: page.dataset.runId !== "" && page.dataset.awaiting === "",
  };

  const transcript = new Transcript(page.querySelector("[data-log]"));
  const list = new SessionList(page.querySelector("[data-sessions]"), {
    url: page.dataset.listUrl,
    onArchive: (id) => api(`/api/sessions/${id}/archive`, { archived: true }),
  });
  const toasts = new Toasts(page.querySelector("[data-toasts]"));
  const state = page.querySelector("[data-state]");
  const form = page.querySelector("[data-composer]");
  const composer = form && new Composer(form, { maxFileSize: Number(page.dataset.maxFileSize) });

  const say = (text) => {
    state.hidden = text === "";
    state.textContent = text;
  };

  const markRead = () => {
    if (conversation.sessionId) api(`/api/sessions/${conversation.sessionId}/read`, { is_read: true });
  };

  const setRunning = (isRunning) => {
    conversation.isRunning = isRunning;
    composer?.showStop(isRunning);
  };

  const frames = {
    stream_start(frame) {
      const isNew = conversation.sessionId !== frame.session_id;
      conversation.sessionId = frame.session_id;
      conversation.runId = frame.run_id ?? conversation.runId;
      if (isNew) {
        history.replaceState(null, "", `/chat/${frame.session_id}`);
        list.refresh(frame.session_id);
      }
      setRunning(true);
      transcript.beginAnswer();
      markRead();
    },
    text_delta: (frame) => transcript.addText(frame),
    tool_use: (frame) => transcript.addCall(frame),
    tool_result: (frame) => transcript.addResult(frame),
    attachment: (frame) => transcript.addFile(frame),
    stream_end(frame) {
      setRunning(false);
      transcript.endAnswer(frame);
      say(frame.awaiting_input ? "It waits for your answer." : "");
      list.refresh(conversation.sessionId);
      markRead();
    },
    error(frame) {
      toasts.show({ title: "Not sent", text: frame.message, isError: true });
      composer?.restore();
    },
    notification(frame) {
      list.refresh(conversation.sessionId);
      toasts.show({
        title: frame.success ? `${frame.job_name} is done` : `${frame.job_name} failed`,
        text: frame.result_preview,
        href: frame.session_id ? `/chat/${frame.session_id}` : "",
        isError: !frame.success,
      });
    },
  };

  const connection = new Connection(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
    onOpen() {
      say("");
      composer?.setConnected(true);
      if (conversation.isRunning && conversation.runId) {
        connection.send({
          type: "resume",
          session_id: conversation.sessionId,
          run_id: conversation.runId,
          after: conversation.seq,
        });
      }
    },
    onLost() {
      composer?.setConnected(false);
      transcript.dropUnfinishedText();
      say("The connection is lost. Trying again…");
    },
    onFrame(frame) {
      if (typeof frame.seq === "number" && frame.type !== "text_delta") {
        conversation.seq = Math.max(conversation.seq, frame.seq);
      }
      frames[frame.type]?.(frame);
    },
  });

  composer?.onSend((text, attachments, model) => {
    transcript.addUser(text, attachments);
    connection.send({
      type: "message",
      text,
      channel_id: conversation.channel,
      channel_session_key: conversation.key,
      attachments,
      ...(model ? { model } : {}),
    });
  });
  composer?.onStop(() => connection.send({ type: "stop", session_id: conversation.sessionId }));

  for (const prompt of page.querySelectorAll("[data-prompt]")) {
    prompt.addEventListener("click", () => composer?.put(prompt.textContent));
  }
  setRunning(conversation.isRunning);
  if (page.dataset.awaiting) say("It waits for your answer.");
  if (conversation.isRunning) transcript.beginAnswer();
  markRead();
  connection.open();
}
