// Refreshes a page while it is visible, previews a message as it is written, and sends a form once. Every page also works without it.

const EVERY_MS = 5000;
const PATIENCE_MS = 8000;
const PREVIEW_AFTER_MS = 250;

const live = document.querySelector("[data-live]");
if (live) {
  keepFresh(live);
}
for (const form of document.querySelectorAll("form[data-preview]")) {
  showPreview(form);
}
for (const form of document.querySelectorAll("form[data-once]")) {
  sendOnce(form);
}

// --- staying fresh ----------------------------------------------------------------------------------------------

function keepFresh(area) {
  const shown = new Map(parts(area).map((part) => [part.id, part.outerHTML]));
  let timer = 0;
  let isAsking = false;

  async function refresh() {
    if (isAsking) {
      return;
    }
    isAsking = true;
    try {
      const response = await fetch(location.href, { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS) });
      if (response.type === "opaqueredirect") {
        location.reload(); // signed out: the server asks for the key
        return;
      }
      if (!response.ok) {
        throw new Error(`the server answered ${response.status}`);
      }
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      replaceParts(area, page.querySelector("[data-live]"), shown);
      document.querySelector("[data-updated]").textContent = page.querySelector("[data-updated]").textContent;
      tellTrouble("");
    } catch {
      tellTrouble(" · no answer, trying again");
    } finally {
      isAsking = false;
    }
  }

  function run() {
    clearInterval(timer);
    if (!document.hidden) {
      timer = setInterval(refresh, EVERY_MS);
    }
  }

  document.addEventListener("visibilitychange", () => {
    run();
    if (!document.hidden) {
      refresh();
    }
  });
  run();
}

function parts(area) {
  return [...area.querySelectorAll("section[id]")];
}

// Replaces only the parts that have changed; opened details stay open, and the focus stays where it was.
function replaceParts(area, fresh, shown) {
  const known = parts(area);
  const wanted = parts(fresh);
  if (known.map((part) => part.id).join() !== wanted.map((part) => part.id).join()) {
    location.reload();
    return;
  }
  for (const [index, part] of wanted.entries()) {
    const text = part.outerHTML;
    if (shown.get(part.id) !== text) {
      shown.set(part.id, text);
      replace(known[index], document.importNode(part, true));
    }
  }
}

function replace(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  for (const details of old.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
  old.replaceWith(fresh);
  if (focused) {
    const place = focused.id || focused.parentElement?.id;
    const again = place ? document.getElementById(place) : null;
    const target = focused.id ? again : again?.querySelector(focused.tagName);
    if (!target) {
      fresh.tabIndex = -1; // the focused button is gone: the next key must not press another one
    }
    (target ?? fresh).focus({ preventScroll: true });
  }
}

function tellTrouble(text) {
  const place = document.querySelector("[data-trouble]");
  if (place.textContent !== text) {
    place.textContent = text;
  }
}

// --- writing ----------------------------------------------------------------------------------------------------

function showPreview(form) {
  const place = form.querySelector("[data-preview-here]");
  let timer = 0;
  let newest = 0;

  async function show() {
    newest += 1;
    const mine = newest;
    const response = await fetch(form.dataset.preview, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE_MS),
    }).catch(() => null);
    if (response?.ok && mine === newest) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      place.replaceChildren(...[...page.body.childNodes].map((node) => document.importNode(node, true)));
    }
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, PREVIEW_AFTER_MS);
  });
}

// The server takes a form once, by its Idempotency-Key; this keeps the browser from sending it a second time.
function sendOnce(form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    // A browser sends an incomplete date as no date, and the broadcast would begin at once.
    const unfinished = [...form.elements].find((field) => field.validity?.badInput);
    if (unfinished) {
      event.preventDefault();
      unfinished.reportValidity();
      return;
    }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => {
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  });
}
