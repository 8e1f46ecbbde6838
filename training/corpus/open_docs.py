"""Documents of several kinds from open briefs: how-tos, release notes, endpoints, troubleshooting, readmes, options, questions.

Answers stay short (a long document would be cut off before its last fence closes), and every fence closes.
"""

import random
from collections.abc import Callable, Sequence

from . import docs, facts, names, technical
from .free import cap
from .open_words import action, adjuncts, clause, command, manner, noun_phrase, quantity, verb, word
from .social import join
from .templates import Writer

_GOAL = [
    "Write a how-to for {for}: how to {goal}.", "Write a short how-to: how to {goal}.", "Explain to {for} how to {goal}.", "{for_cap} need to {goal}. Write a guide.",
    "Write instructions for {for} on how to {goal}.", "Document how to {goal}.", "How do {for} {goal}? Write it down.", "Write a runbook for {for}: how to {goal}.",
    "We need a page that shows {for} how to {goal}.", "Describe for {for} how to {goal}.", "Technical doc: how to {goal}.", "Write a guide to {goal}, for {for}.",
    "{for_cap} keep asking how to {goal}. Write a help page.", "Write a quick-start page: how to {goal}.", "Write step-by-step instructions for {for} to {goal}.",
]  # fmt: skip
_THING = [
    "Write instructions for {thing}.", "Write a how-to about {thing} for {for}.", "Document {thing} for {for}.", "Write a guide to {thing}.",
    "Write the operating instructions of {thing}.", "A page for the manual: {thing}.", "We need documentation for {thing}.", "Write a checklist for {thing}.",
]  # fmt: skip
WITH = ["{say} with `{cmd}`", "{say} (`{cmd}`)", "{say}: `{cmd}`", "run `{cmd}` to {say}", "{say} by running {cmd}", "{say} with {cmd}", "{say} using `{cmd}`",
         "{say}, `{cmd}`", "run {cmd} to {say}", "`{cmd}` to {say}", "{say} with the command `{cmd}`"]  # fmt: skip
_WARN = ["Warn that {w}.", "Warn readers that {w}.", "Careful: {w}.", "Important: {w}.", "Include a warning that {w}.", "Add a warning: {w}.", "Warning: {w}.",
         "Make it very clear that {w}.", "Stress that {w}.", "Point out the danger: {w}.", "A warning is needed: {w}.", "Readers must know that {w}."]  # fmt: skip
_NEVER = ["Never {w}", "Do not {w}", "Always {w}", "Never ever {w}"]
NEED = [
    *docs.NEED,
    "They need {all}.",
    "It needs {all}.",
    "Needed: {all}.",
    "It takes {all}.",
    "Tools: {all}.",
    "You will need {all}.",
    "Have {all} ready.",
]


def audience(rng: random.Random) -> str:
    """Who the document is for."""
    return rng.choice([rng.choice(docs.AUDIENCE), word(rng) + "s", f"new {word(rng)}s", f"the {word(rng)} team"])


def fence(text: str, language: str = "bash", indent: str = "") -> str:
    """A fenced block of one line."""
    return f"{indent}```{language}\n{indent}{text}\n{indent}```"


def _step(rng: random.Random, slug: str, ticks: float) -> tuple[str, str]:
    """(the step as the brief tells it, the step as a list item without its number)."""
    say = (
        action(rng) if rng.random() < 0.85 else f"wait {rng.choice(['until', 'for'])} {noun_phrase(rng)}{adjuncts(rng)}"
    )
    if rng.random() < 0.15:
        say = f"{say}, then {action(rng)}"
    if rng.random() >= ticks:
        return say, cap(say) + "."
    run = command(rng, slug)
    return rng.choice(WITH).replace("{say}", say).replace("{cmd}", run), f"{cap(say)}:\n\n{fence(run, indent='   ')}"


def _told_steps(rng: random.Random, steps: list[str]) -> str:
    """The steps of a brief: in a row, in sentences, numbered, or with "first" and "then"."""
    roll = rng.random()
    if roll < 0.3:
        head = rng.choice(
            ["Steps", "The steps", "What to do", "The procedure", "Order", "It goes like this", "In this order"]
        )
        return f"{head}: {_row(rng, steps)}"
    if roll < 0.5:
        return " ".join(cap(s) + "." for s in steps)
    if roll < 0.6:
        return " ".join(f"{n}. {cap(s)}." for n, s in enumerate(steps, 1))
    if roll < 0.68:
        return " ".join(f"({n}) {s}" for n, s in enumerate(steps, 1)) + "."
    joints = [
        rng.choice([", then ", ". Then ", "; then ", ", and then ", ". After that, ", ". Next, ", ", "])
        for _ in steps[1:]
    ]
    return (
        rng.choice(["First ", "First, ", "You ", "Start: "])
        + steps[0]
        + "".join(j + s for j, s in zip(joints, steps[1:], strict=True))
        + "."
    )


def _row(rng: random.Random, steps: list[str]) -> str:
    glue = rng.choice([", ", "; ", "; ", ", then ", " -> "])
    return (join(steps) if rng.random() < 0.3 else glue.join(steps)) + "."


def warn_of(rng: random.Random) -> tuple[str, str]:
    """(what the brief says, the line), a clause or an order."""
    if rng.random() < 0.3:
        said = rng.choice(_NEVER).replace("{w}", action(rng))
        told = f"{said}." if rng.random() < 0.6 else f"Warn: {said[0].lower()}{said[1:]}."
        return told, f"> **Warning:** {said}."
    said = clause(rng, rng.choice(["it", "they", "this"]))
    return rng.choice(_WARN).replace("{w}", said), f"> **Warning:** {cap(said)}."


def need_list(rng: random.Random) -> tuple[str, str]:
    """Prerequisites: (what the brief says, the section)."""
    items = [noun_phrase(rng) for _ in range(rng.choice([1, 2, 2, 3]))]
    return rng.choice(NEED).replace("{all}", join(items)), "## Prerequisites\n\n" + "\n".join(
        f"- {cap(i)}" for i in items
    )


def _notes(rng: random.Random) -> tuple[str, str]:
    said = [clause(rng, rng.choice(["it", "they"])) for _ in range(rng.choice([1, 1, 2]))]
    lead = [rng.choice(["", "", "Say that ", "Mention that ", "Note that "]) for _ in said]
    return " ".join(cap(a + s) + "." for a, s in zip(lead, said, strict=True)), "## Notes\n\n" + "\n".join(
        f"- {cap(s)}." for s in said
    )


def _how_to(rng: random.Random, tool: str, slug: str) -> tuple[list[str], list[str]]:
    """A how-to or operating instructions: (sentences of the brief, parts of the answer)."""
    for_ = audience(rng)
    ticks = rng.choice([0.0, 0.0, 0.5, 0.8])
    if rng.random() < 0.7:
        goal = action(rng) + (
            f" {rng.choice(['with', 'in', 'on', 'of'])} {tool}" if ticks and rng.random() < 0.6 else ""
        )
        ask, title, purpose = (
            rng.choice(_GOAL).replace("{goal}", goal),
            f"How to {goal}",
            f"This guide shows how to {goal}.",
        )
    else:
        goal = noun_phrase(rng) + rng.choice(["", f" {rng.choice(['with', 'in', 'on', 'for'])} {tool}"])
        ask, title, purpose = rng.choice(_THING).replace("{thing}", goal), cap(goal), f"This guide is about {goal}."
    if "{for" in ask:
        purpose += f" It is written for {for_}." if rng.random() < 0.9 else ""
    pairs = [_step(rng, slug, ticks) for _ in range(rng.randint(2, 4 if ticks else 6))]
    told = [ask.replace("{for_cap}", cap(for_)).replace("{for}", for_)]
    needs, warning, notes = (
        part(rng) if rng.random() < share else ("", "")
        for part, share in ((need_list, 0.35), (warn_of, 0.6), (_notes, 0.3))
    )
    if not needs[0] and rng.random() < 0.4:
        needs = ("", f"## Prerequisites\n\n- {rng.choice(docs.GENERIC_NEED)}")
    middle = [needs[0], _told_steps(rng, [p[0] for p in pairs])]
    told += [*(middle if rng.random() < 0.8 else middle[::-1]), *rng.sample([warning[0], notes[0]], 2)]
    steps = "\n\n".join(f"{n}. {p[1]}" for n, p in enumerate(pairs, 1))
    return told, [f"# {title}", purpose, needs[1], "## Steps", steps, warning[1], notes[1]]


def _release(rng: random.Random, tool: str, slug: str) -> tuple[list[str], list[str]]:
    """Release notes or a changelog."""
    version, day = facts.version(rng), facts.date(rng)
    kind = rng.choice(["release notes", "a changelog entry", "the release notes", "a short changelog"])
    rows = [
        clause(rng, "it") if rng.random() < 0.4 else f"{verb(rng).past} {noun_phrase(rng)}{adjuncts(rng)}"
        for _ in range(rng.randint(2, 4))
    ]
    told = [
        rng.choice(
            [
                f"Write {kind} for {tool} {version}, released on {day}.",
                f"{cap(kind)} for version {version} of {tool}, out {day}.",
                f"{tool} {version} comes out on {day}. Write {kind}.",
            ]
        )
    ]
    told.append(
        rng.choice(["", "Changes: ", "New: ", "It contains: "]) + rng.choice(["; ", ", ", ". "]).join(rows) + "."
    )
    parts = [f"# {tool} {version}", f"Released on {day}.", "## Changes", "\n".join(f"- {cap(r)}." for r in rows)]
    if rng.random() < 0.5:
        run = command(rng, slug)
        told.append(
            rng.choice([f"Upgrade with `{run}`.", f"To upgrade, run {run}.", f"The upgrade command is `{run}`."])
        )
        parts += ["## Upgrade", fence(run)]
    return told, parts


def _endpoint(rng: random.Random, tool: str, slug: str) -> tuple[list[str], list[str]]:
    """The reference of one endpoint."""
    route = f"{rng.choice(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])} /{rng.choice(['v1/', 'v2/', 'api/', ''])}{word(rng).replace(' ', '-')}s{rng.choice(['', '/{id}'])}"
    does = f"{verb(rng).base}s {noun_phrase(rng)}"
    options = [
        (
            technical.draw(rng, "key"),
            rng.choice(
                [
                    f"{rng.choice(['string', 'number', 'text', 'date', 'boolean'])}, {rng.choice(['required', 'optional'])}",
                    noun_phrase(rng),
                    f"at most {quantity(rng)}",
                ]
            ),
        )
        for _ in range(rng.randint(1, 3))
    ]
    codes = [
        (
            str(rng.choice([200, 201, 202, 204, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503])),
            rng.choice([noun_phrase(rng), clause(rng, "it")]),
        )
        for _ in range(rng.randint(1, 3))
    ]
    told = [
        rng.choice(
            [
                f"Document the endpoint {route} of {tool}.",
                f"Write the API reference for `{route}` of {tool}.",
                f"API reference for {tool}: {route}.",
                f"Write docs for {route} in the {tool} API.",
            ]
        )
    ]
    told.append(rng.choice([f"It {does}.", f"The call {does}."]))
    told.append(
        rng.choice(["Parameters: ", "It takes ", "Fields: "])
        + rng.choice(["; ", ", "]).join(f"{k} ({v})" for k, v in options)
        + "."
    )
    told.append(
        rng.choice(["Answers: ", "It returns ", "Status codes: "])
        + rng.choice(["; ", ", "]).join(rng.choice([f"{c} for {s}", f"{c}: {s}", f"{c} ({s})"]) for c, s in codes)
        + "."
    )
    parts = [f"# {route}", f"This call of {tool} {does}.", "## Request", fence(route, "http"), "## Parameters",
             "\n".join(f"- `{k}`: {v}" for k, v in options), "## Responses", "\n".join(f"- `{c}`: {s}" for c, s in codes)]  # fmt: skip
    if rng.random() < 0.4:
        run = f"curl {technical.flag(rng)} https://{slug}.example/{names.syllables(rng)}"
        told.append(rng.choice([f"Example: `{run}`.", f"Show the example {run}.", f"Give `{run}` as an example."]))
        parts += ["## Example", fence(run)]
    return told, parts


def _trouble(rng: random.Random, tool: str, slug: str) -> tuple[list[str], list[str]]:
    """Troubleshooting: symptom, cause, and what to do."""
    symptom, cause = clause(rng, rng.choice(["it", "the " + word(rng)])), clause(rng, "it")
    pairs = [_step(rng, slug, 0.5) for _ in range(rng.randint(1, 3))]
    told = [rng.choice([f"Write a troubleshooting page for {tool}: {symptom}.", f"Troubleshooting for {tool}. Symptom: {symptom}.", f"Write a troubleshooting entry. With {tool}, {symptom}.", f"When {symptom}, people call us. Write a troubleshooting guide for {tool}."]),
            rng.choice([f"The cause: {cause}.", f"Cause: {cause}.", f"This is because {cause}.", f"It happens when {cause}.", f"The reason is that {cause}."])]  # fmt: skip
    told.append(
        rng.choice(["Fix: ", "To fix it, ", "Remedy: ", "The fix: ", "Solution: "]) + _row(rng, [p[0] for p in pairs])
    )
    parts = [
        f"# Troubleshooting {tool}",
        "## Symptom",
        f"{cap(symptom)}.",
        "## Cause",
        f"{cap(cause)}.",
        "## Steps",
        "\n\n".join(f"{n}. {p[1]}" for n, p in enumerate(pairs, 1)),
    ]
    return told, parts


def _readme(rng: random.Random, tool: str, slug: str) -> tuple[list[str], list[str]]:
    """A short readme."""
    does, install, use = f"{verb(rng).base}s {noun_phrase(rng)}{adjuncts(rng)}", command(rng, slug), command(rng, slug)
    told = [rng.choice([f"Write a README for {tool}.", f"Write the README of {tool}.", f"README for {tool}, please.", f"We need a short README for {tool}."]), rng.choice([f"It {does}.", f"{tool} {does}.", f"The tool {does}."]),
            rng.choice([f"Install it with `{install}`.", f"Installation: `{install}`.", f"It is installed by {install}.", f"To install: {install}."]),
            rng.choice([f"Use it with `{use}`.", f"Usage: `{use}`.", f"It is run as {use}.", f"An example call is `{use}`."])]  # fmt: skip
    parts = [f"# {tool}", f"{tool} {does}.", "## Installation", fence(install), "## Usage", fence(use)]
    return told, parts


def _options(rng: random.Random, tool: str, slug: str) -> tuple[list[str], list[str]]:
    """A reference of configuration options."""
    rows = [
        (technical.draw(rng, "key"), clause(rng, "it"), technical.draw(rng, "value")) for _ in range(rng.randint(2, 3))
    ]
    file = rng.choice([technical.draw(rng, "file"), f"{slug}.toml", f"{slug}.yaml"])
    told = [
        rng.choice(
            [
                f"Write a configuration reference for {tool}.",
                f"Document the settings of {tool}.",
                f"Reference of the options of {tool}.",
            ]
        ),
        rng.choice([f"They are in `{file}`.", f"The file is {file}."]),
    ]
    told += [
        rng.choice(
            [
                f"`{k}`: {s}, default {v}.",
                f"{k} (default {v}): {s}.",
                f"`{k}`, default `{v}`: {s}.",
                f"{k}: {s}; default {v}.",
            ]
        )
        for k, s, v in rows
    ]
    parts = [
        f"# Configuration of {tool}",
        f"The settings are in `{file}`.",
        *(f"## `{k}`\n\n{cap(s)}. Default: `{v}`." for k, s, v in rows),
    ]
    return told, parts


def _questions(rng: random.Random, tool: str, _slug: str) -> tuple[list[str], list[str]]:
    """A page of questions and answers."""
    rows = [
        (
            rng.choice(
                [
                    f"how to {action(rng)}",
                    f"what {noun_phrase(rng)} is for",
                    f"why {clause(rng, 'it')}",
                    f"whether {clause(rng, 'it')}",
                ]
            ),
            clause(rng, "it"),
        )
        for _ in range(rng.randint(2, 3))
    ]
    about = rng.choice([tool, noun_phrase(rng)])
    told = [
        rng.choice(
            [f"Write an FAQ about {about}.", f"FAQ for {about}.", f"Write a page of questions and answers on {about}."]
        )
    ]
    told += [
        rng.choice(
            [f"{cap(q)}: {a}.", f"People ask {q}; the answer is that {a}.", f"{cap(q)} ({a}).", f"{cap(q)}? {cap(a)}."]
        )
        for q, a in rows
    ]
    return told, [f"# Questions about {about}", *(f"## {cap(q)}?\n\n{cap(a)}." for q, a in rows)]


Kind = Callable[[random.Random, str, str], tuple[list[str], list[str]]]
_KINDS: list[Kind] = [
    *[_how_to] * 12,
    _release,
    _release,
    _endpoint,
    _trouble,
    _trouble,
    _readme,
    _options,
    _questions,
]


def document(writer: Writer, kinds: Sequence[Kind] = _KINDS) -> tuple[str, str]:
    """A document of at most 640 characters: (prompt, answer)."""
    rng = writer.rng
    while True:
        tool = technical.draw(rng, "tool")
        told, parts = rng.choice(kinds)(rng, tool, technical.slug(tool))
        if not any(part.startswith("> ") for part in parts) and rng.random() < 0.25:
            said, line = warn_of(rng)
            told.append(said)
            parts.append(line)
        answer = "\n\n".join(part for part in parts if part)
        if len(answer) <= 640:
            break
    writer.facts.clear()
    writer.facts["tool"] = tool
    for number, line in enumerate(answer.split("\n")):
        item = line.split(". ", 1)[-1].removeprefix("> **Warning:** ").removeprefix("- ").strip(" #.:")
        writer.facts[f"line{number}"] = item[:1].lower() + item[1:]
    told += [manner(rng) for _ in range(rng.choice([0, 0, 0, 1, 1, 2]))]
    return " ".join(part for part in told if part), answer
