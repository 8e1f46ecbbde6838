"""The analysis of anyone's scores as a JSON document, `bakeoff.analysis/1`, and as a page on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from bakeoff.core.plain import printable
from bakeoff.core.units import level_text, percent_text
from bakeoff.decide.analysis import Section
from bakeoff.decide.replay import Replay
from bakeoff.decide.score_analysis import ScoreAnalysis
from bakeoff.decide.wording import plural, points, sample_in_words, signed_points
from bakeoff.report.layout import bullets, cells, table, title
from bakeoff.report.moved import MEANING, Moved, marked, moved_lines

_ALONE = "One model alone: there is nobody to compare it with."
_HEADLINES = {
    "winner": "{choice} is best: it beats every other model.",
    "best_within_eps": "{choice}: no other is better by more than {eps:g} points.",
    "no_clear_winner": "No clear winner. {leader} leads, and that is not enough to choose it.",
    "insufficient_data": "Too few briefs to decide anything.",
    "none_qualified": "No model qualified.",
}
_MOST_PAIRS = 15
_MOST_REASONS = 8


def analysis_document(found: ScoreAnalysis, replay: Replay | None) -> dict[str, Any]:
    """Return the document of schema `bakeoff.analysis/1`."""
    overall = found.analysis.overall
    return {
        "schema": "bakeoff.analysis/1",
        "bounds": list(found.bounds),
        "eps": found.eps,
        "level": overall.level,
        "briefs": overall.briefs,
        "families": overall.clusters,
        **_section(overall),
        "decision": found.decision.model_dump(mode="json"),
        "by_content_type": {
            name: {
                **_section(section),
                "level": section.level,
                "decision": found.decisions_by_content_type[name].model_dump(mode="json"),
            }
            for name, section in found.analysis.by_content_type.items()
        },
        "fallbacks": {model: list(names) for model, names in found.fallbacks.items()},
        "missing": [missing.model_dump(mode="json") for missing in found.missing],
        "left_out": list(found.analysis.left_out),
        "notes": list(found.analysis.notes),
        "replay": None if replay is None else _replay(replay),
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "models": [
            {
                "model": result.candidate,
                "quality": result.quality.model_dump(mode="json"),
                "t_interval": result.t_interval.model_dump(mode="json"),
                "pilot": section.pilot,
            }
            for result in section.candidates
        ],
        "comparisons": [comparison.model_dump(mode="json") for comparison in section.comparisons],
    }


def _replay(replay: Replay) -> dict[str, Any]:
    race, fixed = replay.race, replay.fixed
    return {
        "orderings": replay.orderings,
        "cap": replay.cap,
        "scores_used": {"race": {"p50": race.scores_p50, "p90": race.scores_p90}, "fixed": fixed.scores_p50},
        "bad_choice_rate": {"race": race.bad, "fixed": fixed.bad},
        "bad_leader_rate": {"race": race.leader_bad, "fixed": fixed.leader_bad},
        "certified_rate": {"race": race.certified, "fixed": fixed.certified},
    }


def print_analysis(document: Mapping[str, Any], console: Console) -> None:
    """Print the page: models, differences from the leader, the race in replay, notes, and the decision last."""
    moved = document["fallbacks"]
    parts: list[Any] = [
        Text(
            f"{sample_in_words(document['briefs'], document['families'])} · {plural(len(document['models']), 'model')}",
            style="dim",
        ),
        title(
            f"Scores: {document['bounds'][0]:g} to {document['bounds'][1]:g}, with {level_text(document['level'])} intervals"
        ),
        _models(document["models"], moved),
        *_differences(document, moved),
    ]
    for name, section in document["by_content_type"].items():
        said = _headline(section["decision"], document["eps"], len(section["models"]))
        parts += [title(f"{printable(name)}: {said}"), _models(section["models"], moved)]
    parts += bullets(MEANING, moved_lines(moved))
    parts += bullets("A race on these scores", _replay_lines(document["replay"], len(document["models"])))
    parts += bullets("Taken from other harnesses", _taken_lines(document))
    parts += bullets("Note", [printable(note) for note in document["notes"]])
    told = document["decision"]["reasons"]
    shown = [*told[:_MOST_REASONS], f"and {len(told) - _MOST_REASONS} more" if len(told) > _MOST_REASONS else ""]
    reasons = "\n".join(f"• {printable(reason)}" for reason in shown if reason)
    sentence = _headline(document["decision"], document["eps"], len(document["models"]))
    shown_decision = Text.assemble((sentence, "bold"), f"\n{reasons}")
    style = "green" if document["decision"]["choice"] else "yellow"
    parts.append(Panel(shown_decision, title="Decision", title_align="left", border_style=style))
    console.print(Group(*parts))


def _headline(decision: Mapping[str, Any], eps: float, models: int) -> str:
    if models == 1:
        return _ALONE
    filled = _HEADLINES[decision["outcome"]].format(choice=decision["choice"], leader=decision["leader"], eps=eps)
    return printable(filled)


def _models(models: list[dict[str, Any]], moved: Moved) -> Any:
    made = table("model", "score", "interval", "t, for comparison")
    for model in sorted(models, key=lambda found: -(found["quality"]["estimate"] or 0.0)):
        quality = model["quality"]
        made.add_row(
            *cells(
                marked(model["model"], moved, printable(model["model"])),
                "-" if quality["estimate"] is None else f"{quality['estimate']:.2f}",
                _range(quality),
                _range(model["t_interval"]) if model["t_interval"]["method"] == "t" else "-",
            )
        )
    return made


def _range(estimate: Mapping[str, Any]) -> str:
    return "-" if estimate["low"] is None else f"{estimate['low']:.2f} to {estimate['high']:.2f}"


def _differences(document: Mapping[str, Any], moved: Moved) -> list[Any]:
    """Return the leader's lead over the others, nearest first."""
    leader = document["decision"]["leader"]
    pairs = []
    for pair in document["comparisons"]:
        if leader in (pair["a"], pair["b"]) and pair["difference"] is not None:
            sign = 1 if pair["a"] == leader else -1
            low, high = sorted((sign * pair["low"], sign * pair["high"]))
            p = "-" if pair["p_adjusted"] is None else f"{pair['p_adjusted']:.3g}"
            rival = pair["b"] if sign == 1 else pair["a"]
            pairs.append((sign * pair["difference"], rival, f"[{signed_points(low)}, {signed_points(high)}]", p))
    if not pairs:
        return []
    made = table("model", "behind by", "interval", "p after Holm")
    for difference, rival, between, p in sorted(pairs)[:_MOST_PAIRS]:
        made.add_row(*cells(marked(rival, moved, printable(rival)), points(difference), between, p))
    more = f" (the nearest {_MOST_PAIRS} of {len(pairs)})" if len(pairs) > _MOST_PAIRS else ""
    return [title(f"Behind {marked(leader, moved, printable(leader))}, on the same briefs{more}"), made]


def _taken_lines(document: Mapping[str, Any]) -> list[str]:
    """Return what was taken of each file, and what was not."""
    lines = []
    for one in document.get("taken", ()):
        said = f"{one['file']} ({one['harness']}): {one['metric']} of {', '.join(one['models'])}; {plural(one['scored'], 'answer')}"
        if one["unscored"]:
            said += f", {one['unscored']} without a score: missing"
        if one["errors"]:
            rule = "missing" if one["errors_are"] == "missing" else f"counted as {document['bounds'][0]:g}"
            said += f", {plural(one['errors'], 'error')}: {rule}"
        if one["other_metrics"]:
            said += f"; --metric has others: {', '.join(one['other_metrics'])}"
        lines += [printable(said), *map(printable, one["notes"])]
    if lines:
        low, high = document["bounds"]
        lines.append(f"scores are taken to be from {low:g} to {high:g}")
    return lines


def _replay_lines(replay: Mapping[str, Any] | None, models: int) -> list[str]:
    if replay is None:
        return []
    used, bad, shown = replay["scores_used"], replay["bad_choice_rate"], replay["certified_rate"]
    drawn = f"{replay['orderings']} orderings drawn with replacement, at most {replay['cap']} briefs for each of {models} models"
    return [
        f"{drawn}; the table's means are the truth",
        f"scores used: {used['race']['p50']:.0f} (median), {used['race']['p90']:.0f} (90 %); a fixed number: {used['fixed']:.0f}",
        f"somebody shown best or within eps: {percent_text(shown['race'], 0)}; after a fixed number: {percent_text(shown['fixed'], 0)}",
        f"and wrongly so: {percent_text(bad['race'])}; after a fixed number: {percent_text(bad['fixed'])}",
    ]
