// Owns the hard cases: what each sends, and what should come of it.

import { newHiddenAddress } from "./addresses.js";

const LATE_MS = 8000;

// `messages` gets {conversation, last, first, second} and returns what to send, all at once.
export const CASES = [
  {
    id: "duplicate",
    title: "Send my last message again",
    expect: "Same MessageSid, no second bubble: the same reply comes again, nothing else happens.",
    messages: ({ conversation, last }) => [copyOf(conversation, last)],
  },
  {
    id: "copies",
    title: "One message, delivered twice at once",
    expect: "Two webhooks with one MessageSid: one turn, both get the same reply.",
    messages: ({ conversation, first }) => [text(conversation, first, { copies: 2 })],
  },
  {
    id: "two",
    title: "Two messages at once",
    expect: "Both texts in parallel: each gets its reply, no answer is lost.",
    messages: ({ conversation, first, second }) => [text(conversation, first), text(conversation, second)],
  },
  {
    id: "late",
    title: "A late message",
    expect: "Written now, reaches the bot in 8 s: answered from where the conversation stands then.",
    messages: ({ conversation, first }) => [text(conversation, first, { delay_ms: LATE_MS })],
  },
  {
    id: "wrong-signature",
    title: "Wrong signature",
    expect: "403 and no reply: the bubble gets a red mark.",
    messages: ({ conversation, first }) => [text(conversation, first, { signature: "wrong" })],
  },
  {
    id: "missing-signature",
    title: "No signature",
    expect: "403 and no reply: the bubble gets a red mark.",
    messages: ({ conversation, first }) => [text(conversation, first, { signature: "missing" })],
  },
  {
    id: "voice",
    title: "Voice note",
    expect: "A kind reply and the pending question; the second in a row names people to call.",
    messages: ({ conversation }) => [{ conversation, type: "audio", text: "" }],
  },
  {
    id: "location",
    title: "Location",
    expect: "A kind reply and the pending question.",
    messages: ({ conversation }) => [{ conversation, type: "location", text: "" }],
  },
  {
    id: "no-number",
    title: "Somebody without a phone number",
    expect: "Opens a new phone that hides its number and sends the text: the sign-up works, without the shortcut “1” for the phone.",
    messages: ({ first }) => [{ newAddress: newHiddenAddress(), type: "text", text: first }],
  },
];

function text(conversation, words, extra = {}) {
  return { conversation, type: "text", text: words, ...extra };
}

function copyOf(conversation, last) {
  if (!last) {
    throw new Error("this phone has not written anything yet");
  }
  return { conversation, message_sid: last.sid };
}
