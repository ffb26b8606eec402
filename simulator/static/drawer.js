// Owns the drawer for engineers: the hard cases, the phone's number, the faults of the outside world, the attempts, the transcript.

import { changeFaults, readTranscript } from "./api.js";
import { showTimeWithSeconds } from "./dates.js";
import { node, part } from "./dom.js";
import { CASES } from "./cases.js";
import { report } from "./outcome.js";
import { PhoneNumber } from "./phone-number.js";

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

const MESSAGES_PER_SECOND = {
  1: ["1 a second", "As slow as a sandbox: most messages are refused at first (429)."],
  20: ["20 a second", "Slow enough to watch a broadcast arrive."],
  80: ["80 a second", "Twilio’s usual rate for a sender: beyond it 429 (20429), and the broadcast slows down."],
  400: ["400 a second", "Twilio’s rate for a sender on request."],
  off: ["without a limit", "Every message is taken."],
};
const CALLBACKS = {
  ok: ["in order", "queued, sent, delivered, read."],
  shuffled: ["out of order", "“read” may come before “sent”: no message moves backwards."],
  repeated: ["twice", "Each again up to a second later: counted once."],
  delayed: ["late", "Each up to 3 s late."],
  off: ["never", "Messages stay as the answer to the call left them."],
};
const WINDOW = {
  off: ["everybody", "Whoever is written to gets it."],
  enforced: ["only who wrote within 24 hours", "Others get approved templates only; free text fails by callback (63016) and no bubble appears."],
};
const ADVANCED_OPT_OUT = {
  off: ["the bot", "STOP, START and HELP are the bot’s own matter."],
  on: ["Twilio itself", "Advanced Opt-Out: Twilio answers and the webhook carries OptOutType; the bot notes it and stays silent. After STOP a message is refused (21610)."],
};
const USER_IDS = {
  ok: ["taken", "A message to IN.… reaches the phone, as one to its number does."],
  refused: ["refused (21211)", "As Twilio’s REST API once did. It says nothing about the person, who is not opted out for it; replies still arrive."],
};
// Each fault's choices; the page has a select called `<name>-fault` and its `<name>-meaning`.
const FAULTS = {
  auth_api: AUTH_API,
  redeliver: REDELIVER,
  messages_per_second: MESSAGES_PER_SECOND,
  callbacks: CALLBACKS,
  window: WINDOW,
  advanced_opt_out: ADVANCED_OPT_OUT,
  user_ids: USER_IDS,
};
const HEALTHY = new Set(["ok", "off"]);

export class Drawer {
  #dialog = part("drawer");
  #toggle = part("drawer-toggle");
  #fields = Object.entries(FAULTS).map(([name, choices]) => new FaultField(name, choices));
  #number;
  #current;
  #latestAttempt;

  // `current` tells the open conversation; `perform` sends a case's messages; `onPerson` opens a phone.
  constructor({ current, perform, onPerson }) {
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
    this.#number = new PhoneNumber({ person: () => current().conversation.address, onPerson });
    part("save-transcript").addEventListener("click", () => this.#saveTranscript());
  }

  showPhone(phone) {
    this.#number.show(phone);
  }

  // Before the first event about faults everything is healthy.
  showFaults(faults) {
    this.#fields.forEach((field) => field.show(faults[field.name] ?? field.healthy));
    const alarm = part("fault-alarm");
    alarm.hidden = this.#fields.every((field) => field.isHealthy);
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
  name;
  #select;
  #meaning;
  #choices;

  constructor(name, choices) {
    const id = name.replaceAll("_", "-");
    this.name = name;
    this.#choices = choices;
    this.#select = part(`${id}-fault`);
    this.#meaning = part(`${id}-meaning`);
    this.#select.append(...Object.entries(choices).map(([value, [label]]) => node("option", { value, text: label })));
    this.#select.addEventListener("change", () =>
      report(this.#meaning, async () => {
        const { value } = this.#select;
        await changeFaults({ [name]: isNumber(value) ? Number(value) : value });
        return this.#meaningOf(value);
      }),
    );
  }

  get healthy() {
    return Object.keys(this.#choices).find((value) => HEALTHY.has(value));
  }

  get isHealthy() {
    return this.#select.value === this.healthy;
  }

  show(fault) {
    const value = `${fault}`;
    if (this.#select.value === value && this.#meaning.textContent) {
      return;
    }
    // Set over the control API to something that the page does not offer.
    if (![...this.#select.options].some((option) => option.value === value)) {
      this.#select.append(node("option", { value, text: value }));
    }
    this.#select.value = value;
    this.#meaning.textContent = this.#meaningOf(value);
  }

  #meaningOf(value) {
    return this.#choices[value]?.[1] ?? "Set by a test.";
  }
}

function isNumber(value) {
  return /^\d+$/.test(value);
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
