"use strict";
// Copying takes a script, so the buttons show only where it runs. Without one, a click selects a whole command.
const told = document.getElementById("told");
for (const button of document.querySelectorAll("button.copy")) {
  const label = button.textContent;
  const command = button.previousElementSibling;
  let resting;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await copy(command) ? button.dataset.done : button.dataset.failed;
    button.textContent = told.textContent = done;
    clearTimeout(resting);
    resting = setTimeout(() => { button.textContent = label; told.textContent = ""; }, 4000);
  });
}

async function copy(command) {
  try {
    await navigator.clipboard.writeText(command.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(command);
    return document.execCommand("copy");
  }
}
