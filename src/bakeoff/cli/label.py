"""`bakeoff label`: grade pairs of texts yourself, blind, in the terminal or on a local page."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from bakeoff.decide.labelling import Choice
    from bakeoff.study.labelling import Labelling, Question

_KEYS: dict[str, Choice] = {"a": "left", "b": "right", "t": "tie", "s": "skip"}
_HELP = "a: A is better   b: B is better   t: tie   s: skip   u: undo   q: stop, and go on another time"


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--pairs",
    type=click.IntRange(1, 10_000),
    default=40,
    show_default=True,
    help="How many, those labelled before included; one in ten comes twice.",
)
@click.option("--web", is_flag=True, help="On a local page instead of in the terminal.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the page (default: any that is free).")
@click.option("--json", "as_json", is_flag=True, help="Ask nothing: print what the labels say as one JSON document.")
def label(run_id: str, pairs: int, port: int, *, web: bool, as_json: bool) -> None:
    """Grade pairs of texts yourself, blind; see how far the scores agree with you.

    RUN is a run's id or its beginning, or latest. Which side is whose, and the order, are drawn at random.
    """
    from rich.console import Console

    from bakeoff.core.clock import SystemClock
    from bakeoff.library.workspace import open_store
    from bakeoff.report.labels import labels_document, print_labels
    from bakeoff.study.judging import judged_before, preferences_of
    from bakeoff.study.labelling import Labelling, label_report
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        plan = load_plan(store, run_id)
        session = Labelling(plan, store, SystemClock(), pairs)
        console = Console()
        if not as_json:
            if web:
                from bakeoff.cli.label_page import serve_page

                serve_page(session, port, console)
            else:
                _ask_all(session, console)
        judged = judged_before(plan, store, session.texts)
        preferences = {name: preferences_of(found, session.texts) for name, found in judged.items()}
        found = label_report(plan, store, session.texts, session.labels, preferences)
        if as_json:
            click.echo(json.dumps(labels_document(plan.run_id, found), ensure_ascii=False))
        else:
            print_labels(found, console)
            if session.question is not None:
                left = len(session.pairs) - len(session.labels)
                console.print(f"{left} to go:  bakeoff label {plan.run_id}", highlight=False, markup=False)
    finally:
        store.close()


def _ask_all(session: Labelling, console: Console) -> None:
    while (question := session.question) is not None:
        _show(question, console)
        key = _read_key()
        if key in _KEYS:
            session.answer(question.number, _KEYS[key])
        elif key == "u":
            session.undo()
        elif key in {"q", "\x03", "\x04", ""}:
            return


def _show(question: Question, console: Console) -> None:
    from rich.columns import Columns
    from rich.panel import Panel
    from rich.text import Text

    from bakeoff.core.plain import printable

    if console.is_terminal:
        console.clear()
    heading = f"Pair {question.number + 1} of {question.of} · {question.content_type}"
    console.print(Panel(Text(printable(question.brief)), title=Text(printable(heading)), title_align="left"))
    sides = [
        Panel(Text(printable(text.strip())), title=name, title_align="left", width=_width(console))
        for name, text in (("A", question.left), ("B", question.right))
    ]
    console.print(Columns(sides, padding=(0, 0)))
    console.print(_HELP, highlight=False, markup=False, style="dim")


def _width(console: Console) -> int:
    side_by_side = 100
    return console.width // 2 if console.width >= side_by_side else console.width


def _read_key() -> str:
    """Return one key of a terminal, or the first letter of a line; nothing at the end of the input."""
    if sys.stdin.isatty():
        try:
            return click.getchar().lower()
        except (KeyboardInterrupt, EOFError):
            return ""
    line = sys.stdin.readline()
    return line.strip()[:1].lower() or ("?" if line else "")
