// The list of briefs whose texts all stand on the page.
function writtenBriefs(list) {
  const value = (text) => text === undefined ? null : Number(text);
  const rows = all(".brief", list).map((element) => ({
    element,
    number: Number(element.dataset.number),
    type: element.dataset.type,
    gates: element.dataset.gates === "" ? [] : element.dataset.gates.split(" "),
    failed: "failed" in element.dataset,
    clean: "clean" in element.dataset,
    low: value(element.dataset.low),
    high: value(element.dataset.high),
    spread: value(element.dataset.spread),
    scores: all(":scope > summary .chip", element).map((chip) => parseFloat(chip.textContent)).map((found) => Number.isNaN(found) ? null : found),
  }));
  let order = rows;
  return {
    rows,
    matching: (words) => new Set(rows.filter((row) => row.element.textContent.toLocaleLowerCase().includes(words)).map((row) => row.number)),
    show: (shown) => {
      const wanted = new Set(shown);
      rows.forEach((row) => { row.element.hidden = !wanted.has(row); });
      const moved = [...shown, ...rows.filter((row) => !wanted.has(row))];
      if (moved.some((row, place) => row !== order[place])) list.append(...moved.map((row) => row.element));
      order = moved;
    },
    anyOpen: () => rows.some((row) => !row.element.hidden && row.element.open),
    openAll: (open) => rows.forEach((row) => { if (!row.element.hidden) row.element.open = open; }),
    onText: (tell) => rows.forEach((row) => row.element.addEventListener("toggle", () => { if (row.element.open) tell(row.element); })),
    onLeft: () => {},
    reveal: (number) => {
      const found = rows.find((row) => row.number === number);
      if (!found) return true;
      Object.assign(found.element, { hidden: false, open: true });
      found.element.scrollIntoView();
      return true;
    },
  };
}
