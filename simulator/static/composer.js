// Owns the message field: what Enter does, the draft of each person, and the attach menu.

import { part } from "./dom.js";
import { draftOf, keepDraft } from "./memory.js";

const finePointer = matchMedia("(pointer: fine)");

export class Composer {
  #field = part("composer");
  #button = part("attach");
  #menu = part("attach-menu");
  #address = "";

  constructor({ onText, onMedia }) {
    part("composer-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(onText);
    });
    // A tap on Send leaves the focus in the field, and with it the on-screen keyboard.
    part("send").addEventListener("mousedown", (event) => event.preventDefault());
    this.#field.addEventListener("keydown", (event) => {
      // An input method confirms a word with Enter: that one is not for us.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.#submit(onText);
      }
    });
    this.#field.addEventListener("input", () => this.#keep());
    this.#wireMenu(onMedia);
  }

  open(address) {
    this.#address = address;
    this.#write(draftOf(address));
    this.focusWithoutKeyboard();
  }

  // A message that could not be sent comes back, in front of what was written since.
  giveBack(address, text) {
    keepDraft(address, [text, draftOf(address)].filter(Boolean).join("\n"));
    if (address === this.#address) {
      this.#write(draftOf(address));
    }
  }

  // On a phone the focus would open the on-screen keyboard over the conversation.
  focusWithoutKeyboard() {
    if (finePointer.matches) {
      this.#field.focus({ preventScroll: true });
    }
  }

  #submit(onText) {
    const text = this.#field.value.trim();
    if (!text) {
      return;
    }
    this.#write("");
    this.#keep();
    onText(text);
  }

  #write(text) {
    this.#field.value = text;
    this.#fit();
  }

  #keep() {
    keepDraft(this.#address, this.#field.value);
    this.#fit();
  }

  #fit() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }

  #wireMenu(onMedia) {
    this.#button.addEventListener("click", () => this.#openMenu(this.#menu.hidden));
    this.#menu.addEventListener("keydown", (event) => this.#moveInMenu(event));
    this.#menu.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget !== this.#button && !this.#menu.contains(relatedTarget)) {
        this.#openMenu(false);
      }
    });
    this.#menu.addEventListener("click", ({ target }) => {
      const item = target.closest("[data-type]");
      if (item) {
        this.#openMenu(false);
        this.focusWithoutKeyboard();
        onMedia(item.dataset.type);
      }
    });
  }

  #openMenu(open) {
    this.#menu.hidden = !open;
    this.#button.setAttribute("aria-expanded", `${open}`);
    if (open) {
      this.#menu.firstElementChild.focus();
    }
  }

  #moveInMenu(event) {
    const items = [...this.#menu.children];
    const place = items.indexOf(document.activeElement);
    const places = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: -1 };
    if (event.key === "Escape") {
      event.stopPropagation();
      this.#openMenu(false);
      this.#button.focus();
    } else if (event.key in places) {
      event.preventDefault();
      items.at(places[event.key] % items.length).focus();
    }
  }
}
