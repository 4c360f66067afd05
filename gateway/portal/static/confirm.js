import { inWords, linkValues, post, showProblem, showStatus } from "./pages.js";

const values = linkValues();
const token = values.get("token") ?? "";
const user = values.get("user") ?? "";
const form = document.getElementById("form");
const button = document.getElementById("confirm");

// The name goes into the path of a call, so it must be one and nothing else.
const userName = /^accounts\/[A-Za-z0-9_-]+\/users\/[A-Za-z0-9_-]+$/;

// Confirming is a click and not the opening of the page, because mail filters open links too.
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  showProblem("");
  showStatus("One moment …");
  try {
    const person = await post(`/v1/${user}:confirm`, { token });
    form.hidden = true;
    const name = person.displayName || person.email;
    showStatus(`Thank you${name ? `, ${name}` : ""}. Your account is confirmed. A mail with your extension number is on its way; you may close this page.`);
  } catch (error) {
    showStatus("");
    showProblem(inWords(error));
    button.disabled = false;
  }
});

if (token && userName.test(user)) {
  form.hidden = false;
} else {
  showStatus("");
  showProblem("This page opens by the link in the invitation mail.");
}
