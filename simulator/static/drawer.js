// Owns the drawer for engineers: the hard cases, the auth API's faults, the webhook attempts and the transcript.

import { changeFaults, readTranscript } from "./api.js";
import { showTimeWithSeconds } from "./dates.js";
import { node, part } from "./dom.js";
import { CASES } from "./cases.js";

const beside = matchMedia("(min-width: 70rem)");
const ATTEMPTS_SHOWN = 50;
// What each fault is called, and what should happen then.
const AUTH_API = {
  ok: ["working", "The OTP arrives as an SMS."],
  down: ["down", "Connections break off: nobody knows whether it worked. “Your answers are kept”; the next YES uses the same idempotency key."],
  slow: ["slow", "Answers after 10 s, past the deadline: “your answers are kept”; the next YES uses the same key, so only one SMS is ever sent."],
  unavailable: ["unavailable (503)", "Tried again within the deadline, then “your answers are kept, send YES again”."],
  error: ["failing (500)", "Nobody knows whether it worked: not repeated in this turn, same idempotency key at the next YES."],
  refusing: ["refusing (422)", "A plain reason in the bot’s own words; NO corrects the answers."],
  garbage: ["answering garbage", "HTML instead of JSON: taken for a failure, not repeated in this turn."],
  throttled: ["throttled (429)", "Retry-After is a minute, longer than the turn has: “send YES again in a minute”."],
};
const REDELIVER = {
  off: ["once", "As it should be."],
  twice: ["twice", "Again a second later with the same MessageSid: the same reply, nothing happens twice."],
  lost_answer: ["again, the first answer got lost", "As after a read time-out: the repeat brings the reply that was stored."],
};

export class Drawer {
  #dialog = part("drawer");
  #toggle = part("drawer-toggle");
  #authApi = new FaultField(part("auth-api-fault"), part("auth-api-meaning"), AUTH_API, (fault) => ({ auth_api: fault }));
  #redeliver = new FaultField(part("redeliver-fault"), part("redeliver-meaning"), REDELIVER, (fault) => ({ redeliver: fault }));
  #current;
  #latestAttempt;

  // `current` tells the open conversation; `perform` sends a case's messages.
  constructor({ current, perform }) {
    this.#current = current;
    this.#toggle.addEventListener("click", () => this.#open(!this.#dialog.open));
    part("drawer-close").addEventListener("click", () => this.#open(false));
    this.#dialog.addEventListener("close", () => this.#noteOpen());
    document.addEventListener("keydown", (event) => this.#closeOnEscape(event));
    beside.addEventListener("change", () => {
      if (this.#dialog.open) {
        this.#dialog.close();
        this.#open(true);
      }
    });
    part("cases").append(...CASES.map((hardCase) => this.#caseRow(hardCase, perform)));
    part("save-transcript").addEventListener("click", () => this.#saveTranscript());
  }

  showFaults({ authApi, redeliver }) {
    this.#authApi.show(authApi);
    this.#redeliver.show(redeliver);
    const alarm = part("fault-alarm");
    alarm.hidden = authApi === "ok" && redeliver === "off";
    alarm.replaceChildren(node("span", { class: "visually-hidden", text: ": a fault is switched on" }));
  }

  showAttempts(attempts, nameOf) {
    if (attempts[0] === this.#latestAttempt) {
      return;
    }
    this.#latestAttempt = attempts[0];
    part("no-attempts").hidden = attempts.length > 0;
    part("attempts-table").hidden = attempts.length === 0;
    part("attempts").replaceChildren(...attempts.slice(0, ATTEMPTS_SHOWN).map((attempt) => attemptRow(attempt, nameOf)));
  }

  // Beside the conversation where there is room; over it, and modal, where there is not.
  #open(open) {
    if (!open) {
      this.#dialog.close();
      this.#toggle.focus();
    } else if (beside.matches) {
      this.#dialog.show();
    } else {
      this.#dialog.showModal();
    }
    this.#noteOpen();
  }

  #closeOnEscape({ key, target }) {
    const inside = target.closest("dialog");
    if (key === "Escape" && this.#dialog.open && (!inside || inside === this.#dialog)) {
      this.#open(false);
    }
  }

  #noteOpen() {
    this.#toggle.setAttribute("aria-expanded", `${this.#dialog.open}`);
  }

  #caseRow(hardCase, perform) {
    const button = node(
      "button",
      { class: "case", type: "button", "data-testid": `case-${hardCase.id}` },
      node("strong", { text: hardCase.title }),
      node("span", { text: hardCase.expect }),
    );
    button.addEventListener("click", () => report(part("case-outcome"), () => perform(hardCase.messages(this.#caseInput()))));
    return node("li", {}, button);
  }

  #caseInput() {
    return { ...this.#current(), first: part("first-text").value, second: part("second-text").value };
  }

  #saveTranscript() {
    return report(part("transcript-outcome"), async () => {
      const { conversation } = this.#current();
      const transcript = await readTranscript(conversation.address);
      const fileName = `${transcript.name.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
      download(fileName, `${JSON.stringify(transcript, null, 2)}\n`);
      return `Saved as ${fileName}.`;
    });
  }
}

// A choice of faults with what each means below it.
class FaultField {
  #select;
  #meaning;
  #faults;

  constructor(select, meaning, faults, changeOf) {
    this.#select = select;
    this.#meaning = meaning;
    this.#faults = faults;
    select.append(...Object.entries(faults).map(([value, [label]]) => node("option", { value, text: label })));
    select.addEventListener("change", () =>
      report(meaning, async () => {
        await changeFaults(changeOf(select.value));
        return this.#faults[select.value][1];
      }),
    );
  }

  show(fault) {
    if (this.#select.value !== fault || !this.#meaning.textContent) {
      this.#select.value = fault;
      this.#meaning.textContent = this.#faults[fault][1];
    }
  }
}

// Says what came of an action beside the button that started it.
async function report(outcome, action) {
  try {
    outcome.textContent = await action();
  } catch (error) {
    outcome.textContent = `That did not work: ${error.message}.`;
  }
}

function attemptRow(attempt, nameOf) {
  const { at, message_sid: sid, person, attempt: number, path, status, duration_ms: duration, note } = attempt;
  const good = status >= 200 && status < 300;
  const which = path.endsWith("/fallback") ? "fallback" : `attempt ${number}`;
  return node(
    "tr",
    { "data-good": good },
    node("td", {}, node("time", { datetime: at, text: showTimeWithSeconds(at) })),
    node("td", {}, node("span", { dir: "auto", text: nameOf(person) }), node("span", { title: sid, text: `…${sid.slice(-6)}, ${which}: ${note}` })),
    node("td", { class: "attempt-status", text: status ?? "none" }),
    node("td", { class: "attempt-duration", text: Math.round(duration) }),
  );
}

function download(fileName, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  node("a", { href: url, download: fileName }).click();
  URL.revokeObjectURL(url);
}
