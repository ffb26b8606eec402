// Owns WhatsApp addresses: reads what somebody types as one, and shows one to people.

const PREFIX = "whatsapp:";
const HIDDEN_NUMBER = /^([a-z]{2})\.([a-z0-9]{1,128})$/i;

// Returns the address, or null when the text is neither a number nor an id such as IN.1234567890.
export function parseAddress(typed) {
  const text = typed.trim().replace(/^whatsapp:/i, "").trim();
  const hidden = HIDDEN_NUMBER.exec(text);
  if (hidden) {
    return `${PREFIX}${hidden[1].toUpperCase()}.${hidden[2]}`;
  }
  const number = text.replace(/[\s().-]/g, "");
  if (/^\+[1-9]\d{6,14}$/.test(number)) {
    return PREFIX + number;
  }
  const indian = /^(?:91|0091|0)?([6-9]\d{9})$/.exec(number);
  return indian ? `${PREFIX}+91${indian[1]}` : null;
}

export function isAddress(text) {
  return parseAddress(text) === text;
}

export function newHiddenAddress() {
  const digits = crypto.getRandomValues(new Uint8Array(10)).map((byte) => byte % 10);
  return `${PREFIX}IN.${[...digits].join("")}`;
}

// What a phone is until an event tells more: somebody who writes from an id hides the number.
export function phoneAt(address) {
  const isNumber = address.startsWith(`${PREFIX}+`);
  return { number: isNumber ? address : null, userId: isNumber ? null : address, hidesNumber: !isNumber };
}

export function showPhone({ number, userId, hidesNumber }) {
  if (!number) {
    return showAddress(userId);
  }
  return hidesNumber ? `${showAddress(number)} (hidden)` : showAddress(number);
}

export function showAddress(address) {
  const plain = address.slice(PREFIX.length);
  return plain.replace(/^\+91(\d{5})(\d{5})$/, "+91 $1 $2");
}
