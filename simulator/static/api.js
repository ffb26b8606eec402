// Owns the calls to the simulator's control API; every one rejects with a sentence that can be shown.

export function sendMessage(message) {
  return call("/sim/messages", { method: "POST", body: message });
}

export function changeFaults(faults) {
  return call("/sim/faults", { method: "PUT", body: faults });
}

export function hideNumber(person, hides) {
  return call(phonePath(person), { method: "PUT", body: { hides_number: hides } });
}

export function takeNewNumber(person) {
  return call(`${phonePath(person)}/new-number`, { method: "POST", body: {} });
}

// Resolves to the phone of the person who has the number now.
export function passNumberOn(person) {
  return call(`${phonePath(person)}/pass-on`, { method: "POST", body: {} });
}

export function readTranscript(address) {
  return call(`/sim/transcript?person=${encodeURIComponent(address)}`);
}

function phonePath(person) {
  return `/sim/phones/${encodeURIComponent(person)}`;
}

async function call(path, { method = "GET", body } = {}) {
  const request = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    // fetch rejects only when nobody answered; its own words differ from browser to browser.
    throw new Error("the simulator does not answer");
  }
  if (!response.ok) {
    throw new Error(await reasonOf(response));
  }
  return response.json();
}

async function reasonOf(response) {
  const text = await response.text();
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  const answer = isJson ? JSON.parse(text) : {};
  return (answer.error ?? `the simulator answered ${response.status}`).replace(/\.$/, "");
}
