// Signing in: sends name and password, and goes to the board when they are right.

const form = document.getElementById("sign-in");
const problem = document.getElementById("problem");
const button = form.querySelector("button");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.hidden = true;
  button.disabled = true;
  const said = await signIn(form.elements.name.value.trim(), form.elements.password.value);
  button.disabled = false;
  if (said === null) {
    location.assign("/");
    return;
  }
  problem.textContent = said;
  problem.hidden = false;
  form.elements.password.select();
});

/** Null when signed in, else what went wrong and what to do. */
async function signIn(name, password) {
  let answer;
  try {
    answer = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, password }),
    });
  } catch {
    return "Roundsman does not answer. Check that it runs and that this machine reaches it, then try again.";
  }
  if (answer.ok) return null;
  const found = await answer.json().catch(() => ({}));
  return found.detail ?? `Signing in failed (${answer.status}); try again in a moment.`;
}
