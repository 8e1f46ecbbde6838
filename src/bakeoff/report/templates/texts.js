// The sample browser: filters, orders, and what differs between two texts, over a list of briefs that is on the page or packed.
(() => {
  const form = one("#filters"), list = one("#briefs");
  if (!form) return;
  const count = one("#f-count"), packed = one("#packed");
  const field = (name) => one(`#f-${name}`).value;
  const number = (text, otherwise) => text === "" || Number.isNaN(Number(text)) ? otherwise : Number(text);
  const begin = (briefs) => {
    const hasGate = (row, gate) => {
      if (gate === "") return true;
      if (gate === "+clean") return row.clean;
      if (gate === "+failed") return row.failed;
      return gate === "+gated" ? row.gates.length > 0 : row.gates.includes(gate);
    };
    const fits = () => {
      const type = field("type"), gate = field("gate");
      const low = number(field("low"), 0), high = number(field("high"), 10), spread = number(field("spread"), 0);
      const ranged = field("low") !== "" || field("high") !== "";
      return (row) => (type === "" || row.type === type) && hasGate(row, gate)
        && (!ranged || row.scores.some((value) => value !== null && value >= low && value <= high))
        && (spread === 0 || (row.spread ?? -1) >= spread);
    };
    const ordered = (rows) => {
      const by = field("sort"), up = by === "number" || by === "low" ? 1 : -1;
      const value = (row) => row[by] ?? (up > 0 ? Infinity : -Infinity);
      return by === "number" ? rows : [...rows].sort((a, b) => up * (value(a) - value(b)) || a.number - b.number);
    };
    const present = (holding) => {
      const shown = ordered(briefs.rows.filter(fits()).filter((row) => holding === null || holding.has(row.number)));
      restore();
      briefs.show(shown);
      hide();
      compareAll();
      return shown.length;
    };
    // Words may have to be looked for in what is still packed: the first briefs that hold them are shown at once, the others as
    // they double, and only the newest question's answer stays.
    let asked = 0, holding = null, heldFor = "";
    const apply = () => look().catch(() => { count.textContent = "These texts cannot be read now: what serves this page does not answer."; });
    const look = async () => {
      const mine = ++asked, words = field("text").trim().toLocaleLowerCase();
      if (words !== heldFor) {
        let known = 0, shown = 0;
        const found = words === "" ? null : await briefs.matching(words, () => mine === asked, (soFar, share) => {
          if (mine !== asked) return;
          if (soFar.size > 2 * known) {
            known = soFar.size;
            shown = present(soFar);
          }
          count.textContent = `Looking: ${Math.round(100 * share)} %${shown ? `, ${shown} so far` : ""}`;
        });
        if (mine !== asked) return;
        holding = found;
        heldFor = words;
      }
      count.textContent = `${present(holding)} of ${briefs.rows.length} briefs`;
    };
    const hide = (within = list) => {
      for (const box of all("[data-candidate]", form)) {
        all(`.cell[data-c="${box.dataset.candidate}"]`, within).forEach((cell) => { cell.hidden = !box.checked; });
      }
    };
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", apply);
    form.addEventListener("reset", () => setTimeout(apply));
    one("#f-open").addEventListener("click", (event) => {
      const close = briefs.anyOpen();
      briefs.openAll(!close);
      event.target.textContent = close ? "Open all shown" : "Close all shown";
    });

    // Word by word: the texts of two candidates, marked where they differ; as they were when it is switched off.
    const kept = new Map();
    const restore = () => { kept.forEach((nodes, text) => text.replaceChildren(...nodes)); kept.clear(); };
    const mark = (text, pieces, name) => {
      kept.set(text, [...text.childNodes]);
      text.replaceChildren(...pieces.map(([same, words]) => {
        if (same) return document.createTextNode(words);
        const made = document.createElement(name);
        made.textContent = words;
        return made;
      }));
    };
    const compare = (brief) => {
      const [a, b] = ["a", "b"].map((side) => one(`.cell[data-c="${one(`#d-${side}`).value}"] .t:not(.none)`, brief));
      if (!a || !b || a === b || kept.has(a)) return;
      const [left, right] = differing(a.textContent, b.textContent);
      mark(a, left, "del");
      mark(b, right, "ins");
    };
    const compareAll = () => { if (one("#d-on")?.checked) all(".brief[open]", list).forEach(compare); };
    briefs.onText((brief) => { hide(brief); if (one("#d-on")?.checked) compare(brief); });
    briefs.onLeft((brief) => kept.forEach((_, text) => { if (brief.contains(text)) kept.delete(text); }));

    // A link to a brief opens it, whatever the filters say.
    const openLinked = async () => {
      const [, linked] = /^#b(\d+)$/.exec(location.hash) ?? [];
      if (linked === undefined || briefs.reveal(Number(linked))) return;
      form.reset();
      await new Promise((done) => setTimeout(done));
      await apply();
      briefs.reveal(Number(linked));
    };
    addEventListener("hashchange", openLinked);
    apply().then(openLinked);
  };
  if (packed && "DecompressionStream" in globalThis) packedBriefs(list, packed).then(begin);
  else begin(writtenBriefs(list));

  // The longest common subsequence of words decides what is the same. Returns [same?, words] of each text.
  function differing(a, b) {
    const cut = (text) => (text.match(/(?:[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s])\s*|\s+/gu) ?? []).slice(0, 3000);
    const key = (words) => words.map((word) => word.trim());
    const left = cut(a), right = cut(b), leftKeys = key(left), rightKeys = key(right), wide = right.length + 1;
    const table = new Uint16Array((left.length + 1) * wide);
    for (let i = left.length - 1; i >= 0; i--) {
      for (let j = right.length - 1; j >= 0; j--) {
        table[i * wide + j] = leftKeys[i] === rightKeys[j] ? table[(i + 1) * wide + j + 1] + 1 : Math.max(table[(i + 1) * wide + j], table[i * wide + j + 1]);
      }
    }
    const found = [[], []];
    const put = (side, same, word) => {
      const last = found[side].at(-1);
      if (last && last[0] === same) last[1] += word; else found[side].push([same, word]);
    };
    let i = 0, j = 0;
    while (i < left.length || j < right.length) {
      if (i < left.length && j < right.length && leftKeys[i] === rightKeys[j]) { put(0, true, left[i++]); put(1, true, right[j++]); }
      else if (j >= right.length || (i < left.length && table[(i + 1) * wide + j] >= table[i * wide + j + 1])) put(0, false, left[i++]);
      else put(1, false, right[j++]);
    }
    return found;
  }
})();
