// Owns the form that adds a phone: reads the number or id, and says what is wrong with it.

import { parseAddress } from "./addresses.js";
import { part } from "./dom.js";

export function wireNewPerson(onPerson) {
  const dialog = part("person-dialog");
  const form = part("person-form");
  const fault = part("person-fault");
  const { address: field, name } = form.elements;

  function complain(sentence) {
    fault.textContent = sentence;
    field.setAttribute("aria-invalid", `${sentence !== ""}`);
  }

  part("new-person").addEventListener("click", () => {
    form.reset();
    complain("");
    dialog.showModal();
  });
  part("person-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    const address = parseAddress(field.value);
    if (address) {
      onPerson(address, name.value.trim());
      return;
    }
    event.preventDefault();
    complain("This is neither a number like +91 98765 43210 nor an id like IN.1234567890.");
    field.focus();
  });
}
