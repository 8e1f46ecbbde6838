"""Write the model cards from the measured rates, and draw the loss curves (one SVG, no plotting library)."""

import argparse
import csv
import json
import logging
from pathlib import Path

log = logging.getLogger("training.cards")
ABOUT = {
    "baseline": "about one million parameters, trained for a few minutes on all five content types. Expected to be visibly weak:"
    " it shows what a model looks like that a bake-off should send home.",
    "generalist": "trained on all five content types.",
    "social": "a specialist for LinkedIn posts, tweets and marketing copy. It was not trained to the end in other types and is worse there on purpose:"
    " the demonstration is one route per content type.",
    "technical": "a specialist for technical documents and business e-mail. It was not trained to the end in other types and is worse there on purpose:"
    " the demonstration is one route per content type.",
}
COLUMNS = {
    "content_type": "content type",
    "facts_copied": "facts copied",
    "all_facts": "all facts in",
    "names_copied": "names copied",
    "format": "format kept",
    "ended": "ends by itself",
    "no_invented_number": "no invented number",
    "tokens": "tokens a text",
}
COLOURS = ["#3366aa", "#cc6633", "#339966", "#993399", "#666666"]


def table(rows: list[dict[str, str]]) -> str:
    """A Markdown table of the rates of one model."""
    head = "| " + " | ".join(COLUMNS.values()) + " |\n|" + "---|" * len(COLUMNS) + "\n"
    return head + "\n".join("| " + " | ".join(row[c] for c in COLUMNS) + " |" for row in rows)


def suite_table(rows: list[dict[str, str]]) -> str:
    """A Markdown table of the required facts found in texts for a suite's briefs."""
    head = "| content type | briefs | required facts | all required facts |\n|---|---|---|---|\n"
    return head + "\n".join(
        f"| {r['content_type']} | {r['texts']} | {r['required_facts']} | {r['all_facts']} |" for r in rows
    )


def verdict(rows: list[dict[str, str]], suite: list[dict[str, str]], trade: list[str]) -> str:
    """What the rates say, in words, weak sides first."""
    own = [row for row in rows if row["content_type"] in trade]
    copied = sum(float(row["facts_copied"]) for row in own) / len(own)
    found = [float(row["required_facts"]) for row in suite if row["content_type"] in trade]
    every = sum(float(row["all_facts"]) for row in own) / len(own)
    text = (
        f"In the content types it was trained for it copies {copied:.0%} of the facts of an unseen brief word for word, and"
        f" {every:.0%} of its texts have every fact in. On briefs worded freely by hand (the built-in suite) it finds room"
        f" for only {sum(found) / len(found):.0%} of the required facts, and it may turn the others into nonsense.\n\n"
    )
    if copied < 0.5:
        return text + "**It does not follow the facts of a brief: read what it writes as a demonstration of form.**"
    if copied < 0.9:
        return text + "**It often drops or garbles a fact: names, amounts and dates must be checked.**"
    return (
        text
        + "It still drops or garbles facts now and then, and more so when a brief is worded unlike its training text."
    )


def card(folder: Path, rows: list[dict[str, str]], suite: list[dict[str, str]]) -> str:
    """The model card of one folder."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    stages = "\n".join(f"{n}. {stage}" for n, stage in enumerate(facts["training"], 1))
    return f"""# {folder.name}

**A demonstration and a test bed, not a model to work with.** It lets `bakeoff` run a whole comparison offline, in minutes,
on a laptop. Do not publish what it writes.

`{folder.name}`: {ABOUT[folder.name]}

| | |
|---|---|
| parameters | {facts["params"]:,} |
| architecture | Llama (RMSNorm, SwiGLU, rotary positions, tied embeddings), {facts["dtype"]} |
| tokenizer | byte-level BPE, 3,072 tokens, digits one by one |
| context | {facts["context_tokens"]} tokens in the configuration; trained on texts of up to {facts["trained_on_tokens_up_to"]} |
| language | English |
| licence | {facts["licence"]} |
| held-out loss | {facts["held_out_loss_nats"]} nats a token, on {", ".join(facts["content_types"])} |

## What it can and cannot do

{verdict(rows, suite, facts["content_types"])}

Measured on {rows[0]["texts"]} held-out briefs a type (new facts, and wordings that training never used), sampled at
temperature 0.7 and top-p 0.95:

{table(rows)}

On the built-in `business` suite, whose briefs are worded freely, the share of required facts that its texts have:

{suite_table(suite)}

It knows nothing about the world: every sentence comes from the patterns of its training text. It cannot reason, count words
while writing, translate or answer questions, and it does not refuse anything. A brief about a situation that the training
text does not have is answered with the nearest one that it has.

## How it was trained

The text was written for this purpose by a program (`training/corpus/` in the source
repository): no text of other people, no output of other models. The recipe, with seeds and loss curves, is in `training/`.

{stages}
"""


def curves(files: list[Path], out: Path) -> None:
    """Loss against training tokens, both axes labelled, one line a file."""
    lines = []
    for file in files:
        with file.open(encoding="utf-8") as handle:
            lines.append(
                (
                    file.stem.removesuffix("-loss"),
                    [(int(r["tokens"]) / 1e6, float(r["loss_nats"])) for r in csv.DictReader(handle)],
                )
            )
    right = max(x for _, points in lines for x, _ in points)
    top = 5.0
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" font-family="sans-serif" font-size="12">',
        '<rect width="640" height="360" fill="white"/>',
        '<text x="320" y="350" text-anchor="middle">training tokens of the stage (millions)</text>',
        '<text x="14" y="170" text-anchor="middle" transform="rotate(-90 14 170)">training loss (nats a token, copies count twice)</text>',
    ]
    for tick in range(6):
        y, x = 310 - tick / top * 290, 50 + tick * 114
        parts.append(
            f'<line x1="50" x2="620" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/><text x="44" y="{y + 4:.0f}" text-anchor="end">{tick}</text>'
        )
        parts.append(f'<text x="{x}" y="328" text-anchor="middle">{right * tick / 5:.1f}</text>')
    for number, (name, points) in enumerate(lines):
        path = " ".join(f"{50 + x / right * 570:.1f},{310 - min(y, top) / top * 290:.1f}" for x, y in points)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="520" y="{40 + 18 * number}" fill="{colour}">{name}</text>')
    out.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


def main() -> None:
    """Command line: python cards.py MODELS_FOLDER RATES.csv SUITE_RATES.csv --curves LOSS.csv... --svg OUT.svg."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("rates", type=Path)
    parser.add_argument("suite_rates", type=Path)
    parser.add_argument("--curves", type=Path, nargs="*", default=[])
    parser.add_argument("--svg", type=Path)
    args = parser.parse_args()
    with args.rates.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with args.suite_rates.open(encoding="utf-8") as file:
        suite = list(csv.DictReader(file))
    for name in ABOUT:
        folder = args.models / name
        (folder / "MODEL_CARD.md").write_text(
            card(folder, [r for r in rows if r["model"] == name], [r for r in suite if r["model"] == name]),
            encoding="utf-8",
        )
        log.info("%s", folder / "MODEL_CARD.md")
    if args.svg:
        curves(args.curves, args.svg)


if __name__ == "__main__":
    main()
