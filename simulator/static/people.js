// Owns the list of phones: who is there, the last line, and how much is unread.

import { showAddress, showPhone } from "./addresses.js";
import { showTimeOrDay } from "./dates.js";
import { icon, node } from "./dom.js";
import { plain } from "./formatting.js";
import { draftOf } from "./memory.js";

const TONES = 6;
// A broadcast reaches thousands of phones; a list of all of them would only be slow.
const MOST_SHOWN = 100;
const MEDIA_NAMES = { audio: "Voice note", image: "Photo", location: "Location", sticker: "Sticker", contacts: "Contact card" };

export class PeopleList {
  #list;
  #more;
  #rows = new Map();

  // `more` says how many phones the list leaves out.
  constructor(list, more) {
    this.#list = list;
    this.#more = more;
  }

  show(conversations, chosen, unreadOf) {
    const shown = conversations.filter(({ address }, place) => place < MOST_SHOWN || address === chosen);
    for (const conversation of shown) {
      this.#fill(this.#rowOf(conversation.address), conversation, conversation.address === chosen, unreadOf(conversation));
    }
    this.#order(shown.map(({ address }) => this.#rowOf(address)));
    const hidden = conversations.length - shown.length;
    this.#more.hidden = hidden === 0;
    this.#more.textContent = `… and ${hidden} more phones.`;
  }

  #rowOf(address) {
    if (!this.#rows.has(address)) {
      const link = node("a", { class: "person", href: `#${address}`, "data-testid": "person", "data-person": address });
      this.#rows.set(address, node("li", {}, link));
    }
    return this.#rows.get(address);
  }

  #fill(row, conversation, isChosen, unread) {
    const link = row.firstElementChild;
    link.toggleAttribute("data-unread", unread > 0);
    if (isChosen) {
      link.setAttribute("aria-current", "true");
    } else {
      link.removeAttribute("aria-current");
    }
    const { lastAt, phone } = conversation;
    const name = node("strong", { class: "person-name", dir: "auto", text: nameOf(conversation) });
    const when = node("time", { class: "person-time", datetime: lastAt, text: lastAt && showTimeOrDay(lastAt) });
    const badge = unread ? [node("span", { class: "badge" }, `${unread}`, node("span", { class: "visually-hidden", text: " unread" }))] : [];
    const line = node("span", { class: "person-line", dir: "auto", text: lineOf(conversation, isChosen) });
    const number = conversation.name ? [node("span", { class: "person-number", text: showPhone(phone) })] : [];
    link.replaceChildren(avatar(conversation), name, when, ...number, line, ...badge);
  }

  // Moving a focused row would drop the focus, so it is put back.
  #order(rows) {
    if (rows.length === this.#list.children.length && rows.every((row, place) => row === this.#list.children[place])) {
      return;
    }
    const focused = document.activeElement;
    const hadFocus = this.#list.contains(focused);
    this.#list.replaceChildren(...rows);
    if (hadFocus) {
      focused.focus();
    }
  }
}

export function nameOf(conversation) {
  return conversation.name || showAddress(conversation.phone.number ?? conversation.phone.userId);
}

function lineOf(conversation, isChosen) {
  const draft = draftOf(conversation.address);
  if (draft && !isChosen) {
    return `Draft: ${draft}`;
  }
  if (conversation.typingUntil > Date.now()) {
    return "typing…";
  }
  const last = conversation.messages.at(-1);
  if (!last) {
    return "Nothing written yet";
  }
  const text = plain(last.text) || MEDIA_NAMES[last.type];
  return { out: `You: ${text}`, in: text, sms: `SMS: ${text}` }[last.direction];
}

function avatar({ address, name }) {
  const tone = [...address].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % TONES;
  const initials = initialsOf(name);
  return node("span", { class: `avatar tone-${tone}`, "aria-hidden": "true" }, initials || icon("person"));
}

// The first two words' first letters, each with its combining marks.
function initialsOf(name) {
  const words = name.split(/\s+/).filter(Boolean).slice(0, 2);
  const letters = new Intl.Segmenter();
  return words.map((word) => [...letters.segment(word)][0].segment).join("").toUpperCase();
}
