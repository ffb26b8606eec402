// Owns the conversation on the screen: which bubbles are shown, where it is scrolled, and what a screen reader hears of it.

import { bubbleOf, dayRow, showState } from "./bubbles.js";
import { isSameDay } from "./dates.js";
import { part } from "./dom.js";

const NEAR_END_PX = 80;
const MANY = 2;
const QUIET_MS = 400;

export class Log {
  #scroller = part("log");
  #list = part("messages");
  #typing = part("typing");
  #jump = part("jump");
  #jumpCount = part("jump-count");
  #conversation = null;
  #rows = new Map();
  #last = null;
  #atEnd = true;
  #missed = 0;
  #quietTimer = 0;

  #onButton;

  // `onButton` gets the quick reply that was tapped.
  constructor({ onButton }) {
    this.#onButton = onButton;
    this.#scroller.addEventListener("scroll", () => this.#noteScroll());
    this.#jump.addEventListener("click", () => {
      this.#toEnd();
      this.#scroller.focus();
    });
    // The on-screen keyboard and a growing composer make the log shorter: its end stays in sight.
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(this.#scroller);
  }

  show(conversation) {
    const isOther = conversation !== this.#conversation;
    if (isOther) {
      this.#conversation = conversation;
      this.#rows.clear();
      this.#last = null;
      this.#list.replaceChildren();
    }
    const follow = isOther || this.#atEnd;
    this.#rows.forEach((row, message) => showState(row, message));
    const added = conversation.messages.slice(this.#rows.size);
    if (added.length > MANY) {
      this.#hush();
    }
    added.forEach((message) => this.#append(message));
    this.#typing.hidden = conversation.typingUntil <= Date.now();
    if (follow || added.some(({ direction }) => direction === "out")) {
      this.#toEnd();
    } else {
      this.#missed += added.length;
      this.#showJump();
    }
  }

  #append(message) {
    const previous = this.#last;
    const newDay = !previous || !isSameDay(previous.at, message.at);
    if (newDay) {
      this.#list.append(dayRow(message.at));
    }
    const row = bubbleOf(message, this.#onButton);
    row.toggleAttribute("data-first", newDay || previous.direction !== message.direction);
    this.#rows.set(message, row);
    this.#last = message;
    this.#list.append(row);
  }

  // History is read at leisure, not announced.
  #hush() {
    this.#scroller.setAttribute("aria-busy", "true");
    clearTimeout(this.#quietTimer);
    this.#quietTimer = setTimeout(() => this.#scroller.removeAttribute("aria-busy"), QUIET_MS);
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#noteScroll();
  }

  #noteScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    this.#showJump();
  }

  #showJump() {
    this.#missed = this.#atEnd ? 0 : this.#missed;
    this.#jump.hidden = this.#atEnd;
    this.#jumpCount.hidden = this.#missed === 0;
    this.#jumpCount.textContent = `${this.#missed}`;
  }
}
