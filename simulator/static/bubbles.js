// Owns how one message looks: a bubble with its time and ticks, media drawn in our own hand, an SMS as a card.

import { showDay, showTime } from "./dates.js";
import { icon, node } from "./dom.js";
import { formatted } from "./formatting.js";

const COPIED_MS = 2000;
const SPEAKERS = { out: "You: ", in: "MSMEBazaar: ", sms: "SMS: " };
const STATES = {
  sent: { label: "Sent", icon: "sent" },
  delivered: { label: "Delivered", icon: "delivered" },
  answered: { label: "Answered", icon: "delivered" },
  failed: { label: "Failed", icon: "failed" },
};
const FEW_EMOJI = /^(?:\p{Extended_Pictographic}\p{Emoji_Modifier}?\uFE0F?){1,3}$/u;
const MEDIA = {
  audio: () => [icon("play"), icon("wave"), node("span", { class: "voice-length", text: "0:07" }), hidden("Voice note")],
  image: () => [picture("photo", "Photo of a shop", 240, 160)],
  location: () => [picture("map", "Map", 240, 130), node("span", { class: "media-name", text: "Location" })],
  sticker: () => [picture("sticker", "Sticker: a smile", 120, 120)],
  contacts: () => [node("span", { class: "avatar tone-1", "aria-hidden": "true" }, icon("person")), node("span", { class: "media-name", text: "Contact card" })],
};

export function dayRow(at) {
  return node("li", { class: "day" }, node("time", { datetime: at, text: showDay(at) }));
}

export function bubbleOf(message, onButton) {
  const row = node("li", {
    class: `bubble ${message.direction} of-${message.type}`,
    "data-testid": "bubble",
    "data-direction": message.direction,
    "data-message-sid": message.sid,
  });
  row.toggleAttribute("data-unasked", message.unasked === true);
  row.append(hidden(SPEAKERS[message.direction]), ...bodyOf(message));
  if (message.buttons?.length) {
    row.append(buttonsOf(message.buttons, onButton));
  }
  showState(row, message);
  return row;
}

// Changes attributes in place: a replaced bubble would be read out again.
export function showState(row, { direction, state, note }) {
  if (direction !== "out" || row.dataset.state === state) {
    return;
  }
  row.dataset.state = state;
  const ticks = row.querySelector(".ticks");
  ticks.className = `ticks icon icon-${STATES[state].icon}`;
  ticks.setAttribute("aria-label", STATES[state].label);
  const trouble = row.querySelector(".reason");
  trouble.hidden = state !== "failed";
  trouble.textContent = `Not answered: ${note}`;
}

function bodyOf(message) {
  if (message.direction === "sms") {
    return [smsHead(message), textOf(message), codeRow(message.code)];
  }
  const media = MEDIA[message.type];
  const body = media ? [node("div", { class: "media" }, ...media())] : [];
  if (message.text) {
    body.push(textOf(message));
  }
  body.push(metaOf(message));
  if (message.direction === "out") {
    body.push(node("p", { class: "reason", hidden: "" }));
  }
  return body;
}

function textOf({ text }) {
  const shown = node("div", { class: "words", dir: "auto" }, formatted(text));
  shown.classList.toggle("jumbo", FEW_EMOJI.test(text.trim()));
  return shown;
}

function metaOf({ at, direction, unasked }) {
  const label = unasked ? [node("span", { class: "unasked", text: "not a reply" })] : [];
  const meta = node("span", { class: "meta" }, ...label, node("time", { datetime: at, text: showTime(at) }));
  if (direction === "out") {
    meta.append(node("span", { class: "ticks", role: "img" }));
  }
  return meta;
}

function buttonsOf(buttons, onButton) {
  const shown = buttons.map((button) => {
    const made = node("button", { class: "quick-reply", type: "button", dir: "auto", text: button.title });
    made.addEventListener("click", () => onButton(button));
    return made;
  });
  return node("div", { class: "quick-replies" }, ...shown);
}

function smsHead({ at }) {
  const time = node("time", { datetime: at, text: showTime(at) });
  return node("div", { class: "sms-head" }, icon("sms"), node("strong", { text: "Messages" }), node("span", { text: "SMS on this phone" }), time);
}

function codeRow(code) {
  const shown = node("code", { class: "sms-code", "data-testid": "sms-code", text: code });
  const button = node("button", { class: "copy", type: "button" }, icon("copy"), "Copy code");
  button.addEventListener("click", () => copy(shown, button));
  return node("div", { class: "code-row" }, shown, button);
}

// Without leave to write to the clipboard the code is selected, ready for the copy key.
async function copy(shown, button) {
  const label = button.lastChild;
  try {
    await navigator.clipboard.writeText(shown.textContent);
    label.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(shown);
    label.textContent = "Selected";
  }
  setTimeout(() => {
    label.textContent = "Copy code";
  }, COPIED_MS);
}

function picture(name, alt, width, height) {
  return node("img", { src: `/static/pictures/${name}.svg`, alt, width, height });
}

function hidden(text) {
  return node("span", { class: "visually-hidden", text });
}
