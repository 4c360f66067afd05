// What the pages behind links in mails share: the link's values, calls of the gateway, and refusals in words.

/** The values after the "#" of the address, which browsers send to nobody. */
export function linkValues() {
  return new URLSearchParams(window.location.hash.slice(1));
}

/** A refusal by the gateway: `reason`, `message`, and per field what is wrong with it. */
export class Refusal extends Error {
  constructor(status) {
    super(status.message || "Something went wrong.");
    const details = Array.isArray(status.details) ? status.details : [];
    const of = (type) => details.find((detail) => String(detail["@type"]).endsWith(type)) ?? {};
    const info = of("google.rpc.ErrorInfo");
    this.reason = info.reason ?? "";
    this.metadata = info.metadata ?? {};
    this.violations = of("google.rpc.BadRequest").fieldViolations ?? [];
  }
}

/** Posts JSON and returns the answer's JSON; throws a Refusal, or an Error where nothing answers. */
export async function post(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch {
    throw new Error("There is no connection right now. Please try again in a moment.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Refusal(answer);
  }
  return answer;
}

const words = {
  TOKEN_INVALID: "This link is not valid any more. Links in mails work for a limited time; ask your administrator to send you a new one.",
  UNAUTHENTICATED: "This link is not valid any more. Ask your administrator to send you a new one.",
  LICENSE_REQUIRED: "You have no phone at the moment. Please ask your administrator.",
  EXTENSION_OUT_OF_RANGE: "This extension cannot be used at your site. Please choose another one.",
  EXTENSION_RESERVED: "This extension is kept free for other purposes. Please choose another one.",
  EXTENSION_INVALID: "An extension has 2 to 10 digits.",
  LICENSE_EXHAUSTED: "No phone licence is free at the moment. Please ask your administrator.",
  EXTENSION_RANGE_EXHAUSTED: "No extension is free at your site at the moment. Please ask your administrator.",
  NOT_FOUND: "This link leads nowhere any more. Ask your administrator to send you a new one.",
  RATE_LIMITED: "That was too often. Please wait a moment and try again.",
  OPERATION_IN_PROGRESS: "Somebody is changing your phone right now. Please try again in a moment.",
  UNAVAILABLE: "This does not work right now. Please try again in a moment.",
  DEADLINE_EXCEEDED: "This took too long. Please try again in a moment.",
  INTERNAL: "This does not work right now. Please try again later.",
};

/** An error as a sentence for the person in front of the page. */
export function inWords(error) {
  if (!(error instanceof Refusal)) {
    return error.message;
  }
  if (error.reason === "EXTENSION_IN_USE") {
    const free = (error.metadata.alternatives ?? "").split(",").filter(Boolean);
    return "This extension is taken." + (free.length ? ` Free ones: ${free.join(", ")}.` : " Please choose another one.");
  }
  return words[error.reason] ?? error.message;
}

/** Shows a problem (a text and, per field, a line) and takes the reader there; without a text it goes away. */
export function showProblem(text, lines = []) {
  const box = document.getElementById("problem");
  box.replaceChildren();
  box.hidden = !text;
  if (!text) {
    return;
  }
  const paragraph = document.createElement("span");
  paragraph.textContent = text;
  box.append(paragraph);
  if (lines.length) {
    const list = document.createElement("ul");
    for (const line of lines) {
      const item = document.createElement("li");
      item.textContent = line;
      list.append(item);
    }
    box.append(list);
  }
  box.focus();
}

/** Shows how far things are; an empty text goes away. */
export function showStatus(text) {
  const line = document.getElementById("status");
  line.textContent = text;
  line.hidden = !text;
}
