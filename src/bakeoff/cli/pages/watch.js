"use strict";
// Asks once a second, one question at a time, and not while nobody can see the page. All that comes is set as text.
const at = (id) => document.getElementById(id);
const EVERY_MS = 1000, SILENT_MS = 8000;
const ENDED = { interrupted: "This run was interrupted.", failed: "This run failed." };
let answered = performance.now();
const shown = new Map();

const make = (name, className, ...within) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...within);
  return made;
};
const say = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };
// Only what has changed is made again: who reads keeps the place, and who listens is not told twice.
const changed = (id, what) => {
  const now = JSON.stringify(what);
  if (shown.get(id) === now) return false;
  shown.set(id, now);
  return true;
};
const fill = (section, id, list, what) => {
  at(section).hidden = what.length === 0;
  if (changed(id, what)) at(id).replaceChildren(...what.map(list));
};
const percent = (share) => `${Math.max(0, Math.min(100, 100 * share))}%`;

// A name that is too long for its place goes on in the next line after one of these characters, not within a word.
const named = (name) => name.split(/(?<=[:/@._-])/).flatMap((part) => [part, document.createElement("wbr")]).slice(0, -1);

const candidate = (one) => {
  const meter = make("span", "meter", make("i", ""));
  meter.firstChild.style.width = percent(one.total ? one.done / one.total : 0);
  const left = one.out ?? (one.done >= one.total ? "written" : one.left || `up to ${one.total - one.done} texts`);
  const name = make("th", "", ...named(one.name));
  name.scope = "row";
  const row = make("tr", one.out ? "out" : one.writes ? "writes" : "", name, make("td", "", `${one.done} of ${one.total}`), make("td", "wide", meter),
    make("td", "pace", one.writes ? one.rate || "…" : one.rate), make("td", "said", [left, ...one.trouble].join(", ")));
  if (one.writes) name.append(make("span", "vh", " writes now"));
  return row;
};
const estimate = (one) => {
  const track = make("div", "track");
  const known = one.estimate !== null, ranged = known && one.low !== null;
  if (ranged) {
    const bar = make("i", "");
    bar.style.left = percent(one.low / 10);
    bar.style.width = percent((one.high - one.low) / 10);
    track.append(bar);
  }
  if (known) {
    const dot = make("b", "");
    dot.style.left = percent(one.estimate / 10);
    track.append(dot);
  }
  const value = known ? `${one.estimate.toFixed(1)}${ranged ? ` [${one.low.toFixed(1)}, ${one.high.toFixed(1)}]` : ", no interval yet"}` : "no score yet";
  const row = make("div", "estimate", make("span", "name", ...named(one.name)), track, make("span", "value", value));
  row.setAttribute("role", "listitem");
  return row;
};
const piece = (found) => {
  if (typeof found === "string") return found;
  return Object.assign(make("span", "cc", found[1]), { title: found[2] });
};
const text = (one) => {
  const heading = make("h3", "", ...named(one.name), make("span", "", ` for ${one.brief}, ${one.type}${one.score === null ? "" : `, score ${one.score.toFixed(1)}`}`),
    ...one.gates.map((gate) => make("span", "badge gate", gate)));
  const body = make("p", "t", ...one.text.map(piece));
  body.dir = "auto";
  return make("article", one.failed ? "failed" : "", heading, body);
};

function show(state) {
  if (state.state === "starting") {
    say("headline", "Getting ready");
    say("lead", "Each candidate is started and probed with one brief.");
    return;
  }
  const { standing } = state;
  const left = state.total - state.texts;
  say("suite", `${state.suite}, in progress`);
  say("headline", ENDED[state.state] ?? (left > 0 ? `${state.texts} of ${state.mode === "race" ? "up to " : ""}${state.total} texts` : "All is written: working out the result"));
  say("lead", left > 0 ? state.left : "");
  document.title = `${Math.floor(100 * state.texts / Math.max(1, state.total))} % · bakeoff`;
  at("bar").hidden = false;
  at("bar").max = Math.max(1, state.total);
  at("bar").value = state.texts;
  fill("writers", "candidates", candidate, state.candidates);
  fill("race", "news", (line) => make("li", "", line), standing?.race ?? []);
  fill("quality", "intervals", estimate, standing?.quality ?? []);
  if (standing) say("of", `From ${standing.scored} of ${state.texts} texts. ${standing.says ? `So far: ${standing.says}.` : ""}`);
  fill("told", "events", (event) => make("li", "", event.candidate ? `${event.candidate}: ${event.message}` : event.message), state.events);
  fill("texts", "newest", text, state.newest);
}

async function ask() {
  try {
    if (!document.hidden) {
      const answer = await fetch("state", { signal: AbortSignal.timeout(SILENT_MS) });
      if (!answer.ok) throw new Error(String(answer.status));
      const state = await answer.json();
      answered = performance.now();
      if (state.over) {
        location.reload(); // the report is there now
        return;
      }
      show(state);
    }
  } catch {
    if (performance.now() - answered > SILENT_MS / 2) {
      say("headline", "bakeoff does not answer any more");
      say("lead", "The run has ended, or was interrupted: the terminal says which. What is above is what was seen last.");
    }
  }
  setTimeout(ask, EVERY_MS);
}
ask();
