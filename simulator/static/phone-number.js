// Owns the drawer's part about the number of the phone in hand: hide it, take another one, pass it on.

import { showAddress } from "./addresses.js";
import { hideNumber, passNumberOn, takeNewNumber } from "./api.js";
import { part } from "./dom.js";
import { report } from "./outcome.js";

export class PhoneNumber {
  #hide = part("hide-number");
  #passOn = part("pass-number-on");
  #sees = part("number-sees");

  // `person` tells whose phone is in hand; `onPerson` opens the phone of another one.
  constructor({ person, onPerson }) {
    const outcome = part("number-outcome");
    this.#hide.addEventListener("change", () =>
      report(outcome, async () => {
        const { checked } = this.#hide;
        await hideNumber(person(), checked);
        return checked ? "The number is hidden from the next message on." : "The next message shows the number again.";
      }),
    );
    part("new-number").addEventListener("click", () =>
      report(outcome, async () => {
        const { number } = await takeNewNumber(person());
        return `This phone has the number ${showAddress(number)} now.`;
      }),
    );
    this.#passOn.addEventListener("click", () =>
      report(outcome, async () => {
        const { person: other, number } = await passNumberOn(person());
        onPerson(other);
        return `You hold the phone of somebody else, who has ${showAddress(number)} now. The earlier one is in the list of phones.`;
      }),
    );
  }

  show({ number, userId, hidesNumber }) {
    this.#hide.checked = hidesNumber || !number;
    this.#hide.disabled = !number;
    this.#passOn.disabled = !number;
    this.#sees.textContent = whatTheBotSees(number, userId, hidesNumber);
  }
}

function whatTheBotSees(number, userId, hidesNumber) {
  const id = userId ? `the id ${showAddress(userId)}` : "an id";
  if (number && !hidesNumber) {
    return `The bot sees ${showAddress(number)} and ${id}.`;
  }
  return `${number ? "" : "This phone has no number. "}The bot sees nothing but ${id}.`;
}
