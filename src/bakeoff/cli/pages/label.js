"use strict";
const KEYS = { a: "left", b: "right", t: "tie", s: "skip", u: "undo" };
const at = (id) => document.getElementById(id);
let number = 0;
let busy = true;

function show(state) {
  const question = state.question;
  at("ask").hidden = question === null;
  at("end").hidden = question !== null;
  if (question === null) {
    at("where").textContent = `${state.answered} answered`;
    at("bar").value = at("bar").max;
    return;
  }
  number = question.number;
  at("where").textContent = `Pair ${number + 1} of ${question.of}`;
  at("bar").max = question.of;
  at("bar").value = number;
  at("kind").textContent = question.content_type.replaceAll("_", " ");
  for (const name of ["brief", "left", "right"]) at(name).textContent = question[name].trim();
  window.scrollTo(0, 0);
}

async function send(choice) {
  if (busy) return;
  busy = true;
  try {
    const body = JSON.stringify({ number, choice });
    const answer = await fetch("answer", { method: "POST", headers: { "content-type": "application/json" }, body });
    if (!answer.ok) throw new Error(answer.status);
    show(await answer.json());
  } catch {
    at("where").textContent = "bakeoff label does not answer any more: start it again, nothing answered is lost";
  } finally {
    busy = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-choice]");
  if (button) send(button.dataset.choice);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const choice = KEYS[event.key.toLowerCase()];
  if (choice && !at("ask").hidden) send(choice);
});
fetch("question").then((answer) => answer.json()).then((state) => { show(state); busy = false; });
