"""`bakeoff score`: what the rules find in texts from anywhere."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import click

BAD_LINES_EXIT = 2


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, each text as it is scored.")
def score(file: Path, *, as_json: bool) -> int:
    """Score texts from anywhere by the rules: gates, dimensions, one value.

    FILE has a JSON object a line: id, content_type, brief, text; if there are such:
    must_include, must_not_include, limits, parts, source, language, finish_reason.
    Lines that cannot be scored are told, and the others scored; the exit code is then 2.
    A content type of your own is scored too; one that looks like a slip is told once.
    """
    from rich.console import Console

    from bakeoff.core.errors import UsageError
    from bakeoff.core.plain import printable
    from bakeoff.report.scores import SCHEMA, Scoresheet, text_entry
    from bakeoff.score.composite import score_text
    from bakeoff.score.norms import NORMS, near_content_type
    from bakeoff.study.text_lines import LineProblem, read_texts

    sheet = Scoresheet()
    errors = Console(stderr=True)
    types: set[str] = set()

    def tell(line: int, said: str) -> None:
        errors.print(printable(f"{file}:{line}: {said}"), highlight=False, markup=False, soft_wrap=True)

    lines = read_texts(file)
    first = next(lines, None)
    if first is None:
        raise UsageError(f"{file}: there is no text in it", "a JSON object a line: id, content_type, brief, text")
    if as_json:
        click.echo(f'{{"schema": {json.dumps(SCHEMA)}, "texts": [', nl=False)
    for found in chain([first], lines):
        if isinstance(found, LineProblem):
            sheet.fail(found.line, found.message)
            tell(found.line, found.message)
            continue
        own = found.checks.content_type
        if own not in types and (meant := near_content_type(own)) is not None:
            tell(found.line, f"content type {own!r} is not one of {', '.join(NORMS)}; did you mean {meant}?")
        types.add(own)
        result = score_text(found.text, found.finish_reason, found.checks)
        if as_json:
            entry = text_entry(found.id, found.checks.content_type, result)
            click.echo(f"{', ' if sheet.scored else ''}{json.dumps(entry, ensure_ascii=False)}", nl=False)
        sheet.count(found.id, found.checks.content_type, result)
    if as_json:
        click.echo("".join(sheet.ending()))
    elif sheet.scored:
        sheet.print_summary(Console())
    return BAD_LINES_EXIT if sheet.errors else 0
