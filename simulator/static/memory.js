// Owns what this browser remembers between visits: names, drafts and how far each conversation was read.

const KEY = "msmebazaar-chat";
const EMPTY = { names: {}, drafts: {}, readUntil: {} };

export function rememberedNames() {
  return read().names;
}

export function rememberName(address, name) {
  change("names", address, name);
}

export function draftOf(address) {
  return read().drafts[address] ?? "";
}

export function keepDraft(address, text) {
  change("drafts", address, text || undefined);
}

export function readUntil(address) {
  return read().readUntil[address] ?? "";
}

export function markRead(address, at) {
  if (at > readUntil(address)) {
    change("readUntil", address, at);
  }
}

function change(part, address, value) {
  const memory = read();
  memory[part][address] = value;
  localStorage.setItem(KEY, JSON.stringify(memory));
}

// Read afresh each time, because another tab may have written in between.
function read() {
  const stored = localStorage.getItem(KEY);
  return stored ? { ...structuredClone(EMPTY), ...JSON.parse(stored) } : structuredClone(EMPTY);
}
