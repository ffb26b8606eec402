// Owns the page: brings events, conversations and views together, and knows which phone is in hand.

import { isAddress, showPhone } from "./addresses.js";
import { sendMessage } from "./api.js";
import { Composer } from "./composer.js";
import { Conversations } from "./conversations.js";
import { part } from "./dom.js";
import { Drawer } from "./drawer.js";
import { followEvents } from "./events.js";
import { Log } from "./log.js";
import { markRead, readUntil, rememberedNames, rememberName } from "./memory.js";
import { wireNewPerson } from "./new-person.js";
import { nameOf, PeopleList } from "./people.js";

const DEFAULT_PERSON = { address: "whatsapp:+919876543210", name: "Asha Patil" };
const PEOPLE_HASH = "#people";
const FRAME_MS = 16;
const NOTIFICATION_LASTS_MS = 15_000;
const openedAt = new Date().toISOString();
const narrow = matchMedia("(max-width: 47.99rem)");

const conversations = new Conversations();
const people = new PeopleList(part("people"), part("people-more"));
const log = new Log({ onButton: ({ id, title }) => sendFromPhone({ type: "button", text: title, payload: id }) });
const composer = new Composer({
  onText: (text) => sendFromPhone({ type: "text", text }),
  onMedia: (type) => sendFromPhone({ type, text: "" }),
});
const drawer = new Drawer({
  current: () => ({ conversation: chosen, last: conversations.lastSent(chosen.address) }),
  perform: performCase,
  onPerson: (person) => addPerson(person, ""),
});

let chosen = conversations.of(DEFAULT_PERSON.address);
let connected = true;
let renderTimer = 0;
let typingTimer = 0;
let notificationTimer = 0;
let lastSend = Promise.resolve();

function start() {
  chosen.name = DEFAULT_PERSON.name;
  for (const [address, name] of Object.entries(rememberedNames())) {
    conversations.of(address).name = name;
  }
  wireNewPerson(addPerson);
  part("skip").addEventListener("click", skipToComposer);
  addEventListener("hashchange", route);
  addEventListener("visibilitychange", renderSoon);
  narrow.addEventListener("change", renderSoon);
  composer.open(chosen.address);
  route();
  followEvents({
    onEvent: takeEvent,
    onConnected: () => showConnection(true),
    onLost: () => showConnection(false),
  });
}

// The address after # says whose phone is in hand; #people is the list, where one pane is all there is.
function route() {
  const showsPeople = location.hash === PEOPLE_HASH;
  part("app").dataset.pane = showsPeople ? "people" : "chat";
  if (showsPeople) {
    render();
    return;
  }
  const address = location.hash.slice(1);
  if (!isAddress(address)) {
    history.replaceState(null, "", `#${DEFAULT_PERSON.address}`);
  }
  chosen = conversations.of(isAddress(address) ? address : DEFAULT_PERSON.address);
  part("trouble").hidden = true;
  if (part("notification").hash === location.hash) {
    part("notification").hidden = true;
  }
  render();
  composer.open(chosen.address);
}

function addPerson(address, name) {
  const conversation = conversations.holderOf(address);
  conversation.name = name || conversation.name;
  rememberName(conversation.address, conversation.name);
  location.hash = conversation.address;
  renderSoon();
}

function skipToComposer(event) {
  event.preventDefault();
  part("composer").focus();
}

async function sendFromPhone(content) {
  const conversation = chosen;
  part("trouble").hidden = true;
  // One after the other, so that two quick lines arrive in the order in which they were written.
  const sending = lastSend.then(() => send(conversation, content));
  lastSend = sending.catch(() => undefined);
  try {
    await sending;
  } catch (error) {
    part("trouble").textContent = `Not sent: ${error.message}.`;
    part("trouble").hidden = false;
    composer.giveBack(conversation.address, content.text);
  }
}

function send({ address, name }, content) {
  return sendMessage({ from: address, ...(name && { profile_name: name }), ...content });
}

async function performCase(messages) {
  await Promise.all(messages.map(({ conversation, newAddress, ...content }) => send(conversation ?? newPhone(newAddress), content)));
  return "Sent. The webhook attempts are listed below.";
}

function newPhone(address) {
  addPerson(address, "");
  return conversations.of(address);
}

function takeEvent(event) {
  conversations.take(event);
  if (event.kind === "sms" && event.at > openedAt && event.person !== chosen.address) {
    notify(event);
  }
  renderSoon();
}

// An SMS to a phone that is not in hand would otherwise go unnoticed.
function notify({ person, text }) {
  const notification = part("notification");
  notification.href = `#${person}`;
  part("notification-title").textContent = `SMS for ${nameOf(conversations.of(person))}`;
  part("notification-text").textContent = text;
  notification.hidden = false;
  clearTimeout(notificationTimer);
  notificationTimer = setTimeout(() => {
    notification.hidden = true;
  }, NOTIFICATION_LASTS_MS);
}

function showConnection(isConnected) {
  connected = isConnected;
  part("connection").hidden = connected;
  renderSoon();
}

// Not requestAnimationFrame: the title must count unread messages in a hidden tab too.
function renderSoon() {
  renderTimer ||= setTimeout(() => {
    renderTimer = 0;
    render();
  }, FRAME_MS);
}

function render() {
  if (isLookedAt()) {
    markRead(chosen.address, chosen.lastAt);
  }
  const all = conversations.all;
  people.show(all, chosen.address, unreadOf);
  log.show(chosen);
  showHeader(all);
  drawer.showPhone(chosen.phone);
  drawer.showFaults(conversations.faults);
  drawer.showAttempts(conversations.attempts, (address) => nameOf(conversations.of(address)));
  renderWhenTypingEnds(all);
}

function isLookedAt() {
  const isShown = !narrow.matches || part("app").dataset.pane === "chat";
  return isShown && document.visibilityState === "visible";
}

function unreadOf({ address, messages }) {
  const until = readUntil(address);
  return messages.filter(({ direction, at }) => direction !== "out" && at > until).length;
}

function showHeader(all) {
  part("presence").textContent = presence();
  part("holder").textContent = `you are ${nameOf(chosen)}`;
  part("note").textContent = noteFor(chosen);
  const unread = all.reduce((sum, conversation) => sum + unreadOf(conversation), 0);
  part("elsewhere").hidden = unread === 0;
  part("elsewhere").textContent = `${unread}`;
  document.title = `${unread ? `(${unread}) ` : ""}MSMEBazaar chat simulator`;
}

function presence() {
  if (!connected) {
    return "connecting…";
  }
  return chosen.typingUntil > Date.now() ? "typing…" : "online";
}

function noteFor({ name, phone, messages }) {
  const who = [name, showPhone(phone)].filter(Boolean).join(", ");
  return `You hold the phone of ${who}.${messages.length ? "" : " Write “Hi” to begin."}`;
}

function renderWhenTypingEnds(all) {
  const ends = all.map(({ typingUntil }) => typingUntil).filter((until) => until > Date.now());
  clearTimeout(typingTimer);
  if (ends.length) {
    typingTimer = setTimeout(render, Math.min(...ends) - Date.now() + FRAME_MS);
  }
}

start();
