"use strict";
// The colour scheme, the contents and the cost table. Nothing is ever set as HTML.
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

(() => {
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

  const data = one("#cost-data");
  if (data) costs(JSON.parse(data.textContent));

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
      const stated = terms.hardware_price > 0 || terms.idle_watts > 0 || terms.maintenance_per_year > 0;
      return { here, cloud, even: margin <= 0 ? "never" : stated ? fixed / margin : null, busy: pieces === null ? null : pieces / row.accepted * basis.busy_s / day };
    };
    const grouped = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const money = (value) => {
      if (value === 0) return "$0";
      const size = Math.abs(value), sign = value < 0 ? "-" : "";
      if (size >= 1) return `${sign}$${grouped(size, 2)}`;
      const digits = 2 - Math.floor(Math.log10(size));
      return `${sign}$${size.toFixed(Math.min(20, digits)).replace(/0+$/, "")}`;
    };
    // What is neither none nor all never reads as if it were.
    const percent = (share, decimals) => {
      const said = (100 * share).toFixed(decimals), step = 10 ** -decimals;
      if (share > 0 && share < 1 && [0, 100].includes(Number(said))) return share < 0.5 ? `<${step} %` : `>${100 - step} %`;
      return `${said} %`.replace(".0 %", " %");
    };
    const compared = (here, there) => {
      if (there <= 0) return "–";
      if (here <= there) return `${percent(1 - here / there, 1)} cheaper`;
      return here < 2 * there ? `${percent(here / there - 1, 0)} dearer` : `${grouped(here / there, 1)} times dearer`;
    };
    // What is in the figures, as `work` has it: the machine counts only where there is a volume to spread it over.
    const rests = (terms) => {
      const machine = terms.attribution * (terms.hardware_price - terms.residual) / terms.years + terms.maintenance_per_year;
      const idle = terms.idle_watts * terms.attribution > 0, volume = terms.pieces_per_day;
      if (!(volume > 0)) return machine !== 0 || idle
        ? "What stands below of the machine is in no figure here until it is said how many texts it is spread over: what stands here is electricity alone."
        : asGiven;
      const parts = [machine !== 0 && "the machine's own cost", idle && "what it draws while it idles"].filter(Boolean);
      const spread = `${volume.toLocaleString("en-US", { maximumFractionDigits: 2 })} usable texts a day`;
      return parts.length ? `What stands here is electricity while it writes, and ${parts.join(" and ")}, spread over ${spread}.`
        : `At ${spread}, and with no price for the machine, what stands here is electricity alone.`;
    };
    const basisText = one("#cost-basis"), asGiven = basisText.textContent;
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
      for (const input of inputs) {
        const said = one("small", input.closest("p"));
        said.dataset.source ??= said.textContent;
        said.textContent = input.value === input.defaultValue ? said.dataset.source : "your figure";
      }
      if (bad.length) return;
      const stated = Object.fromEntries(inputs.map((input) => [input.dataset.term, read(input)]));
      basisText.textContent = rests(stated);
      let busiest = 0;
      for (const row of rows) {
        const basis = given.bases[Number(row.dataset.row)];
        const mine = Object.fromEntries(all("input", row).map((input) => [input.dataset.term, read(input, basis[input.dataset.term])]));
        const found = work(basis, mine, stated);
        const shown = { here: money(1000 * found.here), cloud: money(1000 * found.cloud), compared: compared(found.here, found.cloud), even: found.even === null ? "–" : found.even === "never" ? "never" : found.even <= 0 ? "the first" : `${grouped(found.even, 0)} a day`, busy: found.busy === null ? "–" : percent(found.busy, 0) };
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
