// Owns what is known of every conversation, built from events alone; touches neither the page nor the network.

import { phoneAt } from "./addresses.js";

const TYPING_LASTS_MS = 25_000;
const ATTEMPTS_KEPT = 200;

export class Conversations {
  #byAddress = new Map();
  #sent = new Map();
  attempts = [];
  faults = {};

  // The latest first; before them who has not written yet, being new.
  get all() {
    return [...this.#byAddress.values()].sort((one, other) => rank(other).localeCompare(rank(one)));
  }

  of(address) {
    if (!this.#byAddress.has(address)) {
      this.#byAddress.set(address, { address, name: "", lastAt: "", messages: [], typingUntil: 0, phone: phoneAt(address) });
    }
    return this.#byAddress.get(address);
  }

  // An unknown kind is left alone, so that a newer simulator still works with this page.
  take(event) {
    switch (event.kind) {
      case "inbound":
        this.#takeInbound(event);
        break;
      case "webhook":
        this.#takeWebhook(event);
        break;
      case "status":
        this.#takeStatus(event);
        break;
      case "typing":
        this.#takeTyping(event);
        break;
      case "reply":
        this.#takeReply(event);
        break;
      case "sms":
        this.#takeSms(event);
        break;
      case "phone":
        this.#takePhone(event);
        break;
      case "fault":
        this.faults = event;
        break;
    }
  }

  // Whose this number or id is by now: a conversation keeps the address that it began with.
  holderOf(address) {
    const holder = [...this.#byAddress.values()].find(({ phone }) => phone.number === address || phone.userId === address);
    return this.of(holder?.address ?? address);
  }

  lastSent(address) {
    return this.of(address).messages.findLast((message) => message.direction === "out");
  }

  #add(address, message) {
    const conversation = this.of(address);
    conversation.messages.push(message);
    conversation.lastAt = message.at;
  }

  // A copy of a message (same MessageSid) is the same bubble on the phone.
  #takeInbound({ person, message_sid: sid, type, text, at, profile_name: name }) {
    if (name) {
      this.of(person).name = name;
    }
    if (this.#sent.has(sid)) {
      return;
    }
    const message = { direction: "out", sid, type, text, at, state: "sent", note: "" };
    this.#sent.set(sid, message);
    this.#add(person, message);
  }

  #takeWebhook(event) {
    this.attempts.unshift(event);
    this.attempts.length = Math.min(this.attempts.length, ATTEMPTS_KEPT);
    const message = this.#sent.get(event.message_sid);
    if (!message) {
      return;
    }
    message.note = event.note;
    if (event.status >= 200 && event.status < 300) {
      advance(message, "delivered");
    }
  }

  // Twilio's last word: an empty TwiML is an answer too, and one attempt that failed may be followed by a better one.
  #takeStatus({ message_sid: sid, status }) {
    const state = { read: "answered", failed: "failed" }[status];
    const message = this.#sent.get(sid);
    if (message && state) {
      advance(message, state);
    }
  }

  #takeTyping({ person, on, at }) {
    this.of(person).typingUntil = on ? Date.parse(at) + TYPING_LASTS_MS : 0;
  }

  // What answers nothing that the owner wrote came unasked: a broadcast, a reminder, a late outcome.
  #takeReply({ person, message_sid: sid, text, in_reply_to: answered, buttons = [], at }) {
    const unasked = answered === null;
    if (!unasked) {
      this.of(person).typingUntil = 0;
    }
    this.#add(person, { direction: "in", sid, type: "text", text, at, buttons, unasked });
    const message = this.#sent.get(answered);
    if (message) {
      advance(message, "answered");
    }
  }

  #takePhone({ person, number, user_id: userId, hides_number: hidesNumber }) {
    this.of(person).phone = { number, userId, hidesNumber };
  }

  #takeSms({ person, text, code, at }) {
    this.#add(person, { direction: "sms", sid: "", type: "sms", text, code, at });
  }
}

// What was answered once stays answered, whatever becomes of a copy.
function advance(message, state) {
  if (message.state !== "answered") {
    message.state = state;
  }
}

function rank({ lastAt }) {
  return lastAt || "new";
}
