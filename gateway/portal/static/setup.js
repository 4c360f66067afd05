import { Refusal, inWords, linkValues, post, showProblem, showStatus } from "./pages.js";

const token = linkValues().get("token") ?? "";
const form = document.getElementById("form");
const save = document.getElementById("save");
const field = (name) => document.getElementById(name);

const texts = ["language", "timeZone", "forwardTo"];
const switches = ["voicemailEnabled", "voicemailToEmail", "callWaiting", "doNotDisturb"];
const defaults = {
  language: "en", timeZone: "UTC", ringSeconds: 30, forwardTo: "",
  voicemailEnabled: true, voicemailToEmail: false, callWaiting: true, doNotDisturb: false,
};

/** The settings that the form showed last; only what differs is sent. */
let shown = {};
let extension = "";

function readForm() {
  const settings = { ringSeconds: Number(field("ringSeconds").value) };
  for (const name of texts) {
    settings[name] = field(name).value.trim();
  }
  for (const name of switches) {
    settings[name] = field(name).checked;
  }
  return settings;
}

function fillForm(setup) {
  extension = setup.extensionNumber;
  shown = { ...defaults, ...setup.settings };
  field("displayName").textContent = setup.displayName;
  field("phoneNumbers").textContent = (setup.phoneNumbers ?? []).join(", ");
  const noNumbers = !(setup.phoneNumbers ?? []).length;
  field("phoneNumbers").hidden = noNumbers;
  field("phoneNumbersLabel").hidden = noNumbers;
  field("extensionNumber").value = extension;
  field("extensionNumber").readOnly = !setup.extensionChangeable;
  field("extensionNumberHint").textContent = setup.extensionChangeable
    ? "Colleagues reach you by this number. You may choose another one."
    : "Colleagues reach you by this number.";
  for (const name of [...texts, "ringSeconds"]) {
    field(name).value = shown[name];
  }
  for (const name of switches) {
    field(name).checked = shown[name];
  }
}

/** Marks the fields that a refusal names, and returns a line for each. */
function markFields(violations) {
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
  }
  return violations.map(({ field: path, description }) => {
    const name = String(path).split(".").pop().replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    const input = document.getElementById(name);
    if (!(input instanceof HTMLInputElement)) {
      return description;
    }
    input.setAttribute("aria-invalid", "true");
    return `${input.labels[0].textContent}: ${description}`;
  });
}

function showRefusal(error) {
  const named = error instanceof Refusal ? error.violations : [];
  const extensionAtFault = error instanceof Refusal && error.reason.startsWith("EXTENSION_");
  const lines = markFields(extensionAtFault ? [{ field: "extensionNumber", description: "" }] : named);
  const text = named.length && error.reason === "FIELD_INVALID" ? "Please check what is marked." : inWords(error);
  showProblem(text, extensionAtFault ? [] : lines);
}

function suggestions() {
  const fill = (id, values) => field(id).append(...values.map((value) => new Option(value, value)));
  fill("languages", [...new Set([...(navigator.languages ?? []), "en"])]);
  fill("timeZones", Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : []);
}

async function begin() {
  if (!token) {
    showStatus("");
    showProblem("This page opens by the link in the mail that told you your extension.");
    return;
  }
  try {
    const setup = await post("/v1/phoneUserSetup:lookup", { token });
    fillForm(setup);
    showStatus(setup.setupComplete ? "Your phone is set up. You may still change your settings here." : "Check your settings and save them to finish.");
    suggestions();
    form.hidden = false;
  } catch (error) {
    showStatus("");
    showRefusal(error);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const settings = readForm();
  const changed = Object.fromEntries(Object.entries(settings).filter(([name, value]) => value !== shown[name]));
  const request = { token, settings: changed };
  const wished = field("extensionNumber").value.trim();
  if (wished !== extension) {
    request.extensionNumber = wished;
  }
  save.disabled = true;
  showProblem("");
  showStatus("Saving …");
  try {
    fillForm(await post("/v1/phoneUserSetup:complete", request));
    markFields([]);
    showStatus("Saved. Your phone is set up; you may close this page.");
  } catch (error) {
    showStatus("");
    showRefusal(error);
  } finally {
    save.disabled = false;
  }
});

begin();
