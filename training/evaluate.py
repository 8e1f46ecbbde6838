"""Measure models on held-out prompts: are facts copied word for word, is the format kept, does the text end by itself.

Held out means: another seed, and prompt patterns that training never used. Sampling: temperature 0.7, top-p 0.95.
"""

import argparse
import csv
import logging
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from corpus.sample import CONTENT_TYPES, Example, example

log = logging.getLogger("training.evaluate")
SEED = 900


class Text(NamedTuple):
    """One generated text: tokens counts the answer, `ended` says that it stopped by itself."""

    text: str
    tokens: int
    ended: bool


def generate(folder: Path, items: list[Example], seed: int) -> list[Text]:
    """One sampled answer an item, in one batch."""
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    chats = [[{"role": "user", "content": item.prompt}] for item in items]
    texts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False, return_token_type_ids=False)
    torch.manual_seed(seed)
    with torch.inference_mode():
        out = model.generate(**inputs, do_sample=True, temperature=0.7, top_p=0.95, top_k=0, max_new_tokens=300)
    rows = out[:, inputs["input_ids"].shape[1] :].tolist()
    results = []
    for row in rows:
        ended = tokenizer.eos_token_id in row
        row = row[: row.index(tokenizer.eos_token_id)] if ended else row  # noqa: PLW2901  cut at its end
        results.append(Text(tokenizer.decode(row), len(row), ended))
    return results


def _keeps_document(item: Example, text: str) -> bool:
    """Whether a document has a title and what its kind needs: numbered steps, fences that close, commands in them."""
    fences = text.count("```")
    if not text.strip().startswith("# "):
        return False
    if item.answer and "## Steps" not in item.answer:  # release notes, a readme, an endpoint
        return fences % 2 == 0 and (fences > 0 or "```" not in item.answer)
    fenced = re.search(r"```bash\n\s*(.+)\n\s*```", text)
    return "## Steps" in text and "\n1. " in text and ("`" not in item.prompt or fenced is not None)


def keeps_format(item: Example, text: str) -> bool:
    """Whether the text has the outer form of its content type."""
    lines = text.strip().split("\n")
    paragraphs = [p for p in text.strip().split("\n\n") if p.strip()]
    if item.content_type == "tweet":
        return 0 < len(text) <= 280 and len(paragraphs) == 1
    if item.content_type == "business_email":
        greeting = next((line for line in lines[1:] if line.strip()), "")
        closing = any(
            re.fullmatch(r"(Kind regards|Best regards|Best wishes|Many thanks|Yours sincerely),", line)
            for line in lines
        )
        return lines[0].startswith("Subject: ") and bool(re.match(r"(Dear|Hi|Hello) .+,$", greeting)) and closing
    if item.content_type == "technical_doc":
        return _keeps_document(item, text)
    if lines[0].startswith(("Subject: ", "# ")):
        return False  # a letter or a document where a post or an advert was asked for
    if item.content_type == "marketing_copy":
        return len(paragraphs) >= 3 and len(lines[0]) <= 90
    return len(paragraphs) >= 3 and not re.search(r"^#+ |\*\*|```", text, re.MULTILINE)


def no_invented_number(item: Example, text: str) -> bool:
    """Whether every number of the text (list numbers apart) stands in the prompt."""
    told = set(re.findall(r"\d+", item.prompt))
    return all(n in told for n in re.findall(r"\d+", re.sub(r"^\d+\. ", "", text, flags=re.MULTILINE)))


def measure(name: str, items: list[Example], texts: list[Text]) -> list[dict[str, str]]:
    """One row of rates a content type."""
    rows = []
    groups: dict[str, list[tuple[Example, Text]]] = defaultdict(list)
    for item, text in zip(items, texts, strict=True):
        groups[item.content_type].append((item, text))
    for content_type, pairs in groups.items():
        hits = [[slot.lower() in text.text.lower() for slot in item.slots] for item, text in pairs]
        named = [slot.lower() in text.text.lower() for item, text in pairs for slot in item.slots if slot[0].isupper()]
        flat = [hit for row in hits for hit in row]
        values = {
            "facts_copied": sum(flat) / len(flat),
            "all_facts": sum(all(row) for row in hits) / len(hits),
            "names_copied": sum(named) / max(1, len(named)),
            "format": sum(keeps_format(i, t.text) for i, t in pairs) / len(pairs),
            "ended": sum(t.ended for _, t in pairs) / len(pairs),
            "no_invented_number": sum(no_invented_number(i, t.text) for i, t in pairs) / len(pairs),
        }
        tokens = sum(t.tokens for _, t in pairs) / len(pairs)
        rows.append(
            {
                "model": name,
                "content_type": content_type,
                "texts": str(len(pairs)),
                **{k: f"{v:.3f}" for k, v in values.items()},
                "tokens": f"{tokens:.0f}",
            }
        )
    return rows


def suite_rows(folder: Path, suite: Path) -> list[dict[str, str]]:
    """How many required facts of a suite's briefs a model's texts have: one row a content type."""
    briefs = yaml.safe_load(suite.read_text(encoding="utf-8"))["briefs"]
    rows = []
    for content_type in CONTENT_TYPES:
        own = [brief for brief in briefs if brief["content_type"] == content_type]
        texts = generate(folder, [Example(content_type, brief["prompt"], "", [], "") for brief in own], SEED)
        hits = [
            [_has(text.text, fact) for fact in brief.get("must_include", [])]
            for brief, text in zip(own, texts, strict=True)
        ]
        flat = [hit for row in hits for hit in row]
        ended = sum(text.ended for text in texts) / len(texts)
        rows.append(
            {
                "model": folder.name,
                "content_type": content_type,
                "texts": str(len(own)),
                "required_facts": f"{sum(flat) / len(flat):.3f}",
                "all_facts": f"{sum(map(all, hits)) / len(hits):.3f}",
                "ended": f"{ended:.3f}",
            }
        )
        log.info("suite %s", " ".join(rows[-1].values()))
    return rows


def _has(text: str, fact: str | list[str]) -> bool:
    """Whether the text has the fact, or one of its alternatives; case and white space do not matter."""
    low = " ".join(text.lower().split())
    return any(" ".join(str(f).lower().split()) in low for f in ([fact] if isinstance(fact, str) else fact))


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    """Write rows with the columns of the first one."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Command line: python evaluate.py MODELS... --number 60 --csv OUT.csv --samples OUT.txt."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--number", type=int, default=60, help="prompts a content type")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--seen", action="store_true", help="use training patterns (new facts) instead of held-out ones"
    )
    parser.add_argument("--open", type=float, default=0.0, help="share of open briefs among the held-out ones")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--suite", type=Path, help="a suite whose required facts are looked for as well")
    parser.add_argument("--suite-csv", type=Path)
    parser.add_argument("--samples", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows, shown = [], []
    for folder in args.models:
        for content_type in CONTENT_TYPES:
            items = [
                example(SEED, i, held=not args.seen, open_share=args.open, mix={content_type: 1.0})
                for i in range(args.number)
            ]
            texts = generate(folder, items, SEED)
            rows += measure(folder.name, items, texts)
            log.info("%s", " ".join(rows[-1].values()))
            shown += [
                f"===== {folder.name} {content_type}\n{i.prompt}\n-----\n{t.text}\n"
                for i, t in zip(items[:6], texts, strict=False)
            ]
    if args.csv:
        write_csv(args.csv, rows)
    if args.suite and args.suite_csv:
        write_csv(args.suite_csv, [row for folder in args.models for row in suite_rows(folder, args.suite)])
    if args.samples:
        args.samples.write_text("\n".join(shown), encoding="utf-8")


if __name__ == "__main__":
    main()
