// Owns the stream of events: follows it across lost connections and hands each event over once.

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 8000;

export function followEvents({ onEvent, onConnected, onLost }) {
  const seen = new Set();
  let lastId = 0;
  let wait = FIRST_WAIT_MS;
  let timer = 0;
  let source = null;

  function connect() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(`/sim/events?after=${lastId}`);
    source.addEventListener("open", () => {
      wait = FIRST_WAIT_MS;
      onConnected();
    });
    source.addEventListener("message", (message) => take(JSON.parse(message.data)));
    source.addEventListener("error", retry);
  }

  function take(event) {
    if (seen.has(event.id)) {
      return;
    }
    seen.add(event.id);
    lastId = Math.max(lastId, event.id);
    onEvent(event);
  }

  // The browser's own reconnection would ask for the first URL again, and gives up after an error status.
  function retry() {
    source.close();
    onLost();
    timer = setTimeout(connect, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }

  addEventListener("online", connect);
  connect();
}
