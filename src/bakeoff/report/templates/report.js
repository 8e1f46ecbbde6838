"use strict";
// Filters, the word-by-word view and the cost table. All content is on the page without it; nothing is ever set as HTML.
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // The colour scheme: the system's, or what is chosen here.
  const theme = one("#theme"), schemes = ["automatic", "light", "dark"];
  const showScheme = (name) => {
    document.documentElement.classList.remove("light", "dark");
    if (name !== "automatic") document.documentElement.classList.add(name);
    theme.textContent = `Theme: ${name}`;
  };
  let scheme = 0;
  theme.hidden = false;
  theme.addEventListener("click", () => showScheme(schemes[scheme = (scheme + 1) % schemes.length]));

  // Where one is, in the contents.
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    links.forEach((link) => link.removeAttribute("aria-current"));
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }), { rootMargin: "-20% 0px -70% 0px" });
  links.forEach((_, id) => { const section = document.getElementById(id); if (section) seen.observe(section); });

  // A link to a brief opens it, whatever the filters say.
  const openLinked = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) { target.hidden = false; target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", openLinked);
  openLinked();

  const form = one("#filters");
  if (form) browse(form);
  const data = one("#cost-data");
  if (data) costs(JSON.parse(data.textContent));

  function browse(form) {
    const list = one("#briefs"), briefs = all(".brief", list), count = one("#f-count");
    const field = (name) => one(`#f-${name}`).value;
    const number = (text, otherwise) => text === "" || Number.isNaN(Number(text)) ? otherwise : Number(text);
    const scores = (brief) => all(":scope > summary .chip", brief).map((chip) => parseFloat(chip.textContent)).map((value) => Number.isNaN(value) ? null : value);
    const hasGate = (brief, gate) => {
      if (gate === "") return true;
      if (gate === "+clean") return "clean" in brief.dataset;
      if (gate === "+failed") return "failed" in brief.dataset;
      return gate === "+gated" ? brief.dataset.gates !== "" : brief.dataset.gates.split(" ").includes(gate);
    };
    const apply = () => {
      const type = field("type"), gate = field("gate"), words = field("text").trim().toLocaleLowerCase();
      const low = number(field("low"), 0), high = number(field("high"), 10), spread = number(field("spread"), 0);
      const ranged = field("low") !== "" || field("high") !== "";
      let shown = 0;
      for (const brief of briefs) {
        const fits = (type === "" || brief.dataset.type === type) && hasGate(brief, gate)
          && (!ranged || scores(brief).some((value) => value !== null && value >= low && value <= high))
          && (spread === 0 || Number(brief.dataset.spread ?? -1) >= spread)
          && (words === "" || brief.textContent.toLocaleLowerCase().includes(words));
        brief.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} of ${briefs.length} briefs`;
    };
    const sort = () => {
      const by = field("sort"), up = by === "number" || by === "low" ? 1 : -1;
      const value = (brief) => Number(brief.dataset[by] ?? (up > 0 ? Infinity : -Infinity));
      list.append(...[...briefs].sort((a, b) => up * (value(a) - value(b)) || a.dataset.number - b.dataset.number));
    };
    const hide = () => {
      for (const box of all("[data-candidate]", form)) {
        all(`.cell[data-c="${box.dataset.candidate}"]`, list).forEach((cell) => { cell.hidden = !box.checked; });
      }
    };
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => { apply(); hide(); compareAll(); });
    one("#f-sort").addEventListener("change", sort);
    form.addEventListener("reset", () => setTimeout(() => { apply(); sort(); hide(); compareAll(); }));
    one("#f-open").addEventListener("click", (event) => {
      const close = briefs.some((brief) => !brief.hidden && brief.open);
      briefs.forEach((brief) => { if (!brief.hidden) brief.open = !close; });
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
    const compareAll = () => {
      restore();
      if (one("#d-on")?.checked) briefs.filter((brief) => brief.open).forEach(compare);
    };
    briefs.forEach((brief) => brief.addEventListener("toggle", () => { if (brief.open && one("#d-on")?.checked) compare(brief); }));
    apply();
  }

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

  // The arithmetic of bakeoff's cost (cost/arithmetic.py), over again.
  function costs(given) {
    const day = 86400, year = 365, perKwh = 3.6e6;
    const electricity = (joules, tariff) => joules / perKwh * tariff;
    const work = (basis, row, terms) => {
      const texts = 1 / row.accepted, joules = basis.busy_s * row.watts, pieces = terms.pieces_per_day;
      const cloud = (basis.prompt_tokens * terms.price_in + basis.completion_tokens * terms.price_out) / 1e6 / terms.cloud_accepted;
      const hardwareYear = terms.attribution * (terms.hardware_price - terms.residual) / terms.years + terms.maintenance_per_year;
      let here = electricity(joules, terms.tariff) * texts;
      if (pieces !== null && pieces > 0) {
        const idle = Math.max(0, day - pieces * texts * basis.busy_s) * terms.attribution;
        here += electricity(terms.idle_watts * idle, terms.tariff) / pieces + hardwareYear / year / pieces;
      }
      const share = terms.idle_watts * terms.attribution;
      const marginal = electricity(joules - share * basis.busy_s, terms.tariff) * texts;
      const margin = cloud - marginal, fixed = hardwareYear / year + electricity(share * day, terms.tariff);
      return { here, cloud, even: margin <= 0 ? "never" : fixed / margin, busy: pieces === null ? null : pieces / row.accepted * basis.busy_s / day };
    };
    const grouped = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const money = (value) => {
      if (value === 0) return "$0";
      const size = Math.abs(value), sign = value < 0 ? "-" : "";
      if (size >= 1) return `${sign}$${grouped(size, 2)}`;
      const digits = 2 - Math.floor(Math.log10(size));
      return `${sign}$${size.toFixed(Math.min(20, digits)).replace(/0+$/, "")}`;
    };
    const compared = (here, there) => {
      if (there <= 0) return "–";
      if (here <= there) return `${(100 * (1 - here / there)).toFixed(1)} % cheaper`;
      return here < 2 * there ? `${(100 * (here / there - 1)).toFixed(0)} % dearer` : `${grouped(here / there, 1)} times dearer`;
    };
    const terms = one("#terms"), rows = all("[data-row]"), note = one("#cost-note"), reset = one("#reset-cost"), edited = one("#edited");
    const inputs = all("input", terms), own = rows.flatMap((row) => all("input", row));
    // An untouched field stands for the exact figure, which the field shows rounded.
    const read = (input, exact) => input.value === input.defaultValue && exact !== undefined ? exact : input.value.trim() === "" ? null : Number(input.value);
    const wrong = (input) => !input.validity.valid || (input.value.trim() === "" && input.defaultValue !== "");
    const update = () => {
      const bad = [...inputs, ...own].filter(wrong);
      note.textContent = bad.length ? `${bad.length === 1 ? "One figure is" : `${bad.length} figures are`} not possible; the table still shows what was before.` : "";
      const changed = [...inputs, ...own].some((input) => input.value !== input.defaultValue);
      edited.hidden = reset.hidden = !changed;
      all("#costs .interval").forEach((cell) => { cell.hidden = changed; });
      if (bad.length) return;
      const stated = Object.fromEntries(inputs.map((input) => [input.dataset.term, read(input)]));
      let busiest = 0;
      for (const row of rows) {
        const basis = given.bases[Number(row.dataset.row)];
        const mine = Object.fromEntries(all("input", row).map((input) => [input.dataset.term, read(input, basis[input.dataset.term])]));
        const found = work(basis, mine, stated);
        const shown = { here: money(1000 * found.here), cloud: money(1000 * found.cloud), compared: compared(found.here, found.cloud), even: found.even === "never" ? "never" : found.even <= 0 ? "the first" : `${grouped(found.even, 0)} a day`, busy: found.busy === null ? "–" : `${Math.round(100 * found.busy)}%` };
        for (const cell of all("[data-out]", row)) {
          cell.textContent = shown[cell.dataset.out];
          if (cell.dataset.out in found) cell.dataset.value = found[cell.dataset.out];
        }
        busiest = Math.max(busiest, found.busy ?? 0);
      }
      if (busiest > given.most_busy) note.textContent = `One machine cannot serve that: it would write ${Math.round(100 * busiest)} % of the day, and ${100 * given.most_busy} % is what can be expected.`;
    };
    terms.disabled = false;
    own.forEach((input) => { input.disabled = false; });
    [terms, one("#costs")].forEach((part) => part.addEventListener("input", update));
    reset.addEventListener("click", () => { [...inputs, ...own].forEach((input) => { input.value = input.defaultValue; }); update(); });
    update();
  }
})();
