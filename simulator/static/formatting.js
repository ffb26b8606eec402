// Owns WhatsApp's formatting: turns a message's text into DOM nodes, so that no text is ever read as HTML.

const STYLES = { "*": "strong", _: "em", "~": "s" };
const MONO = "```(?<mono>[\\s\\S]+?)```";
const LINK = "(?<link>https?://[^\\s<>\"]+)";
// A mark opens after a word's boundary and before a character, and closes the other way round, on one line.
const STYLED = "(?<![\\p{L}\\p{N}])(?<mark>[*_~])(?=\\S)(?<styled>[^\\n]*?\\S)\\k<mark>(?![\\p{L}\\p{N}])";
const NEXT = `${MONO}|${LINK}|${STYLED}`;
// Punctuation belongs to the sentence, but a token may well end with _ or -.
const AFTER_LINK = /[.,;:!?)\]'*]+$/;

export function formatted(text) {
  const nodes = document.createDocumentFragment();
  const next = new RegExp(NEXT, "gu");
  let written = 0;
  for (let found = next.exec(text); found; found = next.exec(text)) {
    const [node, length] = nodeOf(found);
    nodes.append(text.slice(written, found.index), node);
    written = found.index + length;
    next.lastIndex = written;
  }
  nodes.append(text.slice(written));
  return nodes;
}

// The text without its marks, for one line in a list.
export function plain(text) {
  return formatted(text).textContent;
}

function nodeOf(found) {
  const { mono, link, mark, styled } = found.groups;
  if (mono !== undefined) {
    return [element("code", mono), found[0].length];
  }
  if (link !== undefined) {
    const url = link.replace(AFTER_LINK, "");
    return [anchor(url), url.length];
  }
  return [element(STYLES[mark], formatted(styled)), found[0].length];
}

function anchor(url) {
  const node = element("a", url);
  node.href = url;
  node.target = "_blank";
  node.rel = "noopener noreferrer";
  return node;
}

function element(name, content) {
  const node = document.createElement(name);
  node.append(content);
  return node;
}
