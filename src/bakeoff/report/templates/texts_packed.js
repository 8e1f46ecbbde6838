// The list of briefs of a large run. Rows exist while they are near the screen; their texts are unpacked when they are opened.
async function packedBriefs(list, packed) {
  const ROWS = 40, ROW_PX = 46, KEPT = 6;
  const unpack = async (text) => {
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
  };
  const index = await unpack(packed.textContent), served = "served" in packed.dataset;
  const parsed = new Promise((done) => document.readyState === "loading" ? addEventListener("DOMContentLoaded", done) : done());
  const read = async (chunk) => {
    if (served) {
      const answer = await fetch(`texts/${chunk}`);
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    }
    if (!one(`#chunk-${chunk}`)) await parsed;
    return unpack(one(`#chunk-${chunk}`).textContent);
  };
  const chunks = new Map();
  const chunkOf = (chunk) => {
    const found = chunks.get(chunk) ?? read(chunk);
    chunks.delete(chunk);
    chunks.set(chunk, found);
    found.catch(() => chunks.delete(chunk));
    if (chunks.size > KEPT) chunks.delete(chunks.keys().next().value);
    return found;
  };

  const rows = index.briefs.map(([id, type, heldBack, gates, cells], place) => {
    const known = cells.map((cell) => cell[2]).filter((score) => score !== null), hundredths = (value) => Number(value.toFixed(2));
    const states = cells.map((cell) => index.states[cell[3]]);
    const low = Math.min(...known), high = Math.max(...known);
    return {
      id, place, number: place + 1, type: index.types[type][0], typeName: index.types[type][1], heldBack, cells,
      low: known.length ? hundredths(low) : null,
      high: known.length ? hundredths(high) : null,
      scores: cells.map((cell) => cell[2] === null ? null : Number(cell[2].toFixed(1))), // as they are shown
      gates: gates.map((gate) => index.gates[gate]),
      failed: states.includes("failed"),
      clean: states.every((state) => state === "publishable"),
      spread: known.length > 1 ? hundredths(high - low) : null,
    };
  });

  const make = (name, className, ...within) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...within);
    return made;
  };
  const titled = (made, title) => Object.assign(made, { title });
  const words = (pieces) => pieces.map((piece) => typeof piece === "string" ? piece
    : piece[0] === "c" ? titled(make("span", "cc", piece[1]), piece[2]) : titled(make("mark", "", ...words(piece[2])), piece[1]));
  const plain = (pieces) => pieces.map((piece) => typeof piece === "string" ? piece : piece[0] === "c" ? piece[1] : plain(piece[2])).join("");
  const spoken = (name, className, pieces) => Object.assign(make(name, className, ...words(pieces)), { dir: "auto" });
  const spaced = (name) => name.replaceAll("_", " ");

  const chip = (row, candidate) => {
    const cell = row.cells.find((found) => found[0] === candidate);
    if (!cell) {
      const none = make("span", "chip missing", "·");
      none.setAttribute("aria-hidden", "true");
      return none;
    }
    const state = index.states[cell[3]], name = index.candidates[candidate];
    const said = state === "failed" ? "✕" : cell[2] === null ? "–" : cell[2].toFixed(1);
    return titled(make("span", `chip ${state}`, said, make("span", "vh", ` ${name}, ${state};`)), name);
  };
  const cell = ([candidate, replicate, score, state], [text, gates, dimensions, made, error]) => {
    const name = index.states[state], replicates = index.replicates > 1 ? ` · ${replicate + 1}` : "";
    const verdict = make("p", "verdict", make("b", "", score === null ? "–" : score.toFixed(1)), ` ${name}`);
    const facts = make("dl", "");
    const fact = (title, ...value) => facts.append(make("dt", "", title), make("dd", "", ...value));
    made.forEach(([title, value]) => fact(title, value));
    for (const [gate, rule, evidence] of gates) {
      verdict.append(" ", titled(make("span", "badge gate", spaced(gate)), rule));
      fact(spaced(gate), `${rule}: `, spoken("q", "", evidence));
    }
    dimensions.forEach(([title, value]) => fact(spaced(title), value));
    const found = make("article", `cell ${name}`, make("h4", "", index.candidates[candidate] + replicates), verdict,
      text ? spoken("p", "t", text) : make("p", "t none", ...error ? words(error) : ["no text"]),
      make("details", "made", make("summary", "", "How it came about"), facts));
    found.dataset.c = candidate < index.competing ? candidate : -1;
    return found;
  };
  const body = (row, { p, s, f, c }) => {
    const parts = [spoken("p", "prompt", p)];
    if (s) parts.push(make("details", "more", make("summary", "", "Its source text"), spoken("p", "prompt", s)));
    if (f.length) parts.push(make("p", "must", make("b", "", "Must be in it:"), ` ${f.join("; ")}`));
    return [...parts, make("div", "cells", ...c.map((one, place) => cell(row.cells[place], one)))];
  };

  let order = rows, allOpen = false, tellText = () => {}, tellLeft = () => {};
  const flipped = new Set(), isOpen = (row) => flipped.has(row.number) !== allOpen;
  const fillBrief = async (brief, row) => {
    if (brief.dataset.filled) return;
    brief.dataset.filled = "yes";
    const waiting = make("p", "prompt", "…");
    brief.append(waiting);
    try {
      const chunk = await chunkOf(Math.floor(row.place / index.size));
      waiting.replaceWith(...body(row, chunk[row.place % index.size]));
      tellText(brief);
    } catch {
      waiting.textContent = "These texts cannot be read now: what serves this page does not answer.";
      delete brief.dataset.filled;
    }
  };
  const rowOf = (row) => {
    const candidates = [...Array(index.competing).keys()];
    const summary = make("summary", "", make("h3", "", row.id), make("span", "type", row.typeName + (row.heldBack ? ", held back" : "")),
      make("span", "scores", ...candidates.map((candidate) => chip(row, candidate))));
    const brief = Object.assign(make("details", "brief", summary), { id: `b${row.number}`, open: isOpen(row) });
    brief.dataset.number = row.number;
    if (brief.open) fillBrief(brief, row);
    brief.addEventListener("toggle", () => {
      if (brief.open === allOpen) flipped.delete(row.number); else flipped.add(row.number);
      if (!brief.open) return;
      if (brief.dataset.filled) tellText(brief); else fillBrief(brief, row);
    });
    return brief;
  };

  // Blocks of rows are filled near the screen, and emptied, at the height they had, away from it.
  const near = new IntersectionObserver((entries) => entries.forEach((entry) => (entry.isIntersecting ? fill : empty)(entry.target)), { rootMargin: "1000px 0px" });
  const fill = (block) => {
    if (block.childElementCount) return;
    const first = Number(block.dataset.first);
    block.append(...order.slice(first, first + ROWS).map(rowOf));
    block.style.height = "";
  };
  const empty = (block) => {
    if (!block.childElementCount || block.contains(document.activeElement)) return;
    block.style.height = `${block.offsetHeight}px`;
    all(".brief[open]", block).forEach((brief) => tellLeft(brief));
    block.replaceChildren();
  };
  const show = (shown) => {
    order = shown;
    near.disconnect();
    const blocks = [];
    for (let first = 0; first < order.length; first += ROWS) {
      const block = make("div", "rows");
      block.dataset.first = first;
      block.style.height = `${Math.min(ROWS, order.length - first) * ROW_PX}px`;
      blocks.push(block);
    }
    list.replaceChildren(...blocks);
    blocks.forEach((block) => near.observe(block));
  };

  one("#few")?.remove();
  return {
    rows,
    show,
    matching: async (wanted, stillAsked, progress) => {
      const found = new Set();
      for (let chunk = 0; chunk * index.size < rows.length && stillAsked(); chunk++) {
        (await (chunks.get(chunk) ?? read(chunk))).forEach(({ p, s, f, c }, place) => {
          const row = rows[chunk * index.size + place];
          const said = [row.id, row.typeName, plain(p), s ? plain(s) : "", f.join("; "), ...c.map(([text, , , , error]) => plain(text ?? error ?? []))];
          if (said.join("\n").toLocaleLowerCase().includes(wanted)) found.add(row.number);
        });
        progress((chunk + 1) * index.size / rows.length);
      }
      return found;
    },
    anyOpen: () => one(".brief[open]", list) !== null,
    openAll: (open) => { allOpen = open; flipped.clear(); show(order); },
    onText: (tell) => { tellText = tell; },
    onLeft: (tell) => { tellLeft = tell; },
    reveal: (number) => {
      const place = order.findIndex((row) => row.number === number);
      if (number < 1 || number > rows.length) return true;
      if (place < 0) return false;
      if (isOpen(order[place]) === false) { if (allOpen) flipped.delete(number); else flipped.add(number); }
      const block = list.children[Math.floor(place / ROWS)];
      fill(block);
      const brief = one(`#b${number}`);
      brief.open = true;
      brief.scrollIntoView({ behavior: "instant" });
      return true;
    },
  };
}
