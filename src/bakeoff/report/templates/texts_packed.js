// The list of briefs of a large run. Rows exist while they are near the screen; their texts are unpacked when they are opened.
async function packedBriefs(list, packed) {
  const ROWS = 40, ROW_PX = 46, KEPT = 6, MOST_KEPT_WORDS = 50e6, LOOK_MS = 30;
  // By a reader of its own: through a Blob and a Response the same takes four times the CPU time.
  const unpack = async (text) => {
    const stream = new DecompressionStream("deflate"), writer = stream.writable.getWriter(), reader = stream.readable.getReader();
    const decoder = new TextDecoder();
    // What is wrong with the data is told by the reader.
    writer.write(bytesOf(text)).catch(() => {});
    writer.close().catch(() => {});
    for (let found = ""; ;) {
      const { done, value } = await reader.read();
      found += decoder.decode(value, { stream: !done });
      if (done) return JSON.parse(found);
    }
  };
  const bytesOf = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  };
  const index = await unpack(packed.textContent), served = "served" in packed.dataset;
  const parsed = new Promise((done) => document.readyState === "loading" ? addEventListener("DOMContentLoaded", done) : done());
  // A chunk has two parts: 0 is what one reads and looks for, 1 how each text came about.
  const read = async (chunk, ...parts) => {
    if (served) {
      const answer = await fetch(`texts/${chunk}`);
      if (!answer.ok) throw new Error(String(answer.status));
      const whole = await answer.json();
      return parts.map((part) => whole[part]);
    }
    if (!one(`#chunk-${chunk}`)) await parsed;
    const whole = one(`#chunk-${chunk}`).textContent.split(" ");
    return Promise.all(parts.map((part) => unpack(whole[part])));
  };
  const chunks = new Map();
  const chunkOf = (chunk) => {
    const found = chunks.get(chunk) ?? read(chunk, 0, 1);
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
  const cell = ([candidate, replicate, score, state], [text, error], [gates, dimensions, made]) => {
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
  const body = (row, { p, s, f, t }, made) => {
    const parts = [spoken("p", "prompt", p)];
    if (s) parts.push(make("details", "more", make("summary", "", "Its source text"), spoken("p", "prompt", s)));
    if (f.length) parts.push(make("p", "must", make("b", "", "Must be in it:"), ` ${f.join("; ")}`));
    return [...parts, make("div", "cells", ...t.map((one, place) => cell(row.cells[place], one, made[place])))];
  };

  let order = rows, allOpen = false, tellText = () => {}, tellLeft = () => {};
  const flipped = new Set(), isOpen = (row) => flipped.has(row.number) !== allOpen;
  const fillBrief = async (brief, row) => {
    if (brief.dataset.filled) return;
    brief.dataset.filled = "yes";
    const waiting = make("p", "prompt", "…");
    brief.append(waiting);
    try {
      const [briefs, made] = await chunkOf(Math.floor(row.place / index.size)), place = row.place % index.size;
      waiting.replaceWith(...body(row, briefs[place], made[place]));
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

  // What each brief of a chunk says, as it is looked for. Kept once unpacked, as far as there is room: one looks again with every
  // letter. Not joined: one odd character would double what all the others take.
  const known = new Map();
  let room = MOST_KEPT_WORDS;
  const saidIn = async (chunk) => {
    if (known.has(chunk)) return known.get(chunk);
    const [briefs] = await (chunks.get(chunk) ?? read(chunk, 0));
    const found = briefs.map(({ p, s, f, t }, place) => {
      const row = rows[chunk * index.size + place];
      const said = [row.id, row.typeName, plain(p), s ? plain(s) : "", f.join("; "), ...t.map(([text, error]) => plain(text ?? error ?? []))];
      return said.map((words) => words.toLocaleLowerCase());
    });
    const size = found.flat().reduce((sum, words) => sum + words.length, 0);
    if (size <= room && !known.has(chunk)) {
      room -= size;
      known.set(chunk, found);
    }
    return found;
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
    // Tells now and then what was found so far, in the order of the briefs, and how much is done; the page lives meanwhile.
    matching: async (wanted, stillAsked, tell) => {
      const found = new Set();
      let since = performance.now();
      for (let chunk = 0; chunk * index.size < rows.length; chunk++) {
        (await saidIn(chunk)).forEach((said, place) => { if (said.some((words) => words.includes(wanted))) found.add(chunk * index.size + place + 1); });
        if (performance.now() - since < LOOK_MS) continue;
        tell(found, (chunk + 1) * index.size / rows.length);
        await new Promise((done) => setTimeout(done));
        if (!stillAsked()) break;
        since = performance.now();
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
