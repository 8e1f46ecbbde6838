"""`technical_quality`: depth. For documents the commands of the brief, for other texts concrete content.

Documents: every command that the brief shows must stand in the text as code, verbatim apart from upper-case
placeholders, and no command of another tool may appear. Other texts, and documents without commands: how many
sentences carry something concrete of the brief.
"""

from __future__ import annotations

import re
from functools import lru_cache

from bakeoff.score.brief import BriefChecks
from bakeoff.score.compliance import FactCheck
from bakeoff.score.dimensions import Dimension
from bakeoff.score.language import FUNCTION_WORDS
from bakeoff.score.normal import normalise
from bakeoff.score.text import Text, brief_words

_TICKED = re.compile(r"`([^`\n]{2,200})`")
_VARIABLE = re.compile(r"\b[A-Z][A-Z_]{1,30}\b")
_SHELL = frozenset({"", "bash", "sh", "shell", "console", "zsh", "cmd", "powershell", "text", "terminal"})
# Any how-to may use these, whatever the brief names.
_COMMON_TOOLS = frozenset(
    [
        "$",
        "#",
        "cd",
        "ls",
        "cat",
        "echo",
        "export",
        "sudo",
        "mkdir",
        "cp",
        "mv",
        "rm",
        "chmod",
        "chown",
        "touch",
        "source",
        "set",
        "head",
        "tail",
        "grep",
        "nano",
        "vim",
        "vi",
        "less",
        "which",
        "apt",
        "apt-get",
        "brew",
        "tar",
        "unzip",
        "curl",
        "wget",
        "pip",
        "pip3",
        "npm",
        "git",
        "systemctl",
        "service",
        "ssh",
        "scp",
        "exit",
    ]
)
_GENERIC = FUNCTION_WORDS["en"] | frozenset(
    [
        "write",
        "post",
        "tweet",
        "email",
        "linkedin",
        "words",
        "mention",
        "include",
        "short",
        "company",
        "people",
        "team",
        "best",
        "make",
        "made",
        "help",
        "work",
        "time",
        "good",
        "great",
        "today",
        "people",
        "customers",
        "business",
        "service",
        "product",
        "need",
        "want",
        "like",
        "know",
        "take",
        "come",
        "look",
        "year",
        "week",
    ]
)


def technical_quality(text: Text, checks: BriefChecks, facts: FactCheck) -> Dimension:
    """Grade depth, 0-10; None for a brief without a prompt."""
    if not checks.prompt.strip():
        return Dimension(value=None, evidence=("no prompt to compare with",))
    if checks.content_type == "technical_doc":
        commands = brief_commands(checks)
        if commands:
            return _grade_commands(text, checks, commands)
    return _grade_concreteness(text, checks, facts)


def brief_commands(checks: BriefChecks) -> tuple[str, ...]:
    """Return what the brief shows in backticks, and declared facts that look like commands or file names."""
    shown = [match.group(1).strip() for match in _TICKED.finditer(checks.prompt)]
    declared = [
        fact[0]
        for fact in checks.must_include
        if re.search(r" -{1,2}\w|^\S+\.(?:ya?ml|json|toml|py|sh|conf|cfg|ini|deb)$", fact[0])
    ]
    return tuple(dict.fromkeys(shown + [fact.strip("`") for fact in declared]))


def _grade_commands(text: Text, checks: BriefChecks, commands: tuple[str, ...]) -> Dimension:
    code = normalise("\n".join([*(block.body for block in text.code_blocks), *text.inline_code]))
    anywhere = normalise(text.raw)
    evidence: list[str] = []
    earned = 0.0
    for command in commands:
        pattern = _command_pattern(command)
        if pattern.search(code):
            earned += 1
        elif pattern.search(anywhere):
            earned += 0.6
            evidence.append(f"not set as code: {command}")
        else:
            evidence.append(f"absent: {command}")
    value = 10 * earned / len(commands)
    invented = invented_commands(text, checks)
    if invented:
        value -= min(6.0, 2.0 * len(invented))
        evidence.append(f"commands that the brief does not give: {', '.join(invented[:4])}")
    if any(not block.closed for block in text.code_blocks):
        value -= 2.0
        evidence.append("a code fence is not closed")
    untagged = sum(not block.language for block in text.code_blocks)
    if untagged:
        value -= 0.25 * min(2, untagged)
        evidence.append(f"{untagged} code fences without a language")
    return Dimension(value=round(max(0.0, value), 3), evidence=tuple(evidence[:6]))


@lru_cache(maxsize=1024)
def _command_pattern(command: str) -> re.Pattern[str]:
    """Verbatim, but an upper-case word (`NAME`, `ID`) stands for any one value."""
    pieces = [r"\S{1,80}" if _VARIABLE.fullmatch(word) else re.escape(normalise(word)) for word in command.split()]
    return re.compile(r"\s{1,4}".join(pieces))


def invented_commands(text: Text, checks: BriefChecks) -> tuple[str, ...]:
    """Return shell lines whose tool is neither of the brief nor common, or that call a tool of the brief differently.

    A line calls it differently when its second word (the subcommand) appears in none of the brief's commands for the tool.
    """
    known: dict[str, set[str]] = {}
    for command in brief_commands(checks):
        words = [word for word in command.split() if word != "sudo"]
        if words:
            known.setdefault(words[0].lower(), set()).update(word.lower() for word in words[1:2])
    found: dict[str, None] = {}
    lines = [line for block in text.code_blocks if block.language.lower() in _SHELL for line in block.body.splitlines()]
    inline = [code for code in text.inline_code if code.strip() and code.split()[0].lower() in known]
    for line in [*lines, *inline]:
        words = [word for word in line.strip().removeprefix("$ ").split() if word != "sudo"]
        if not words or words[0].startswith(("#", "//")) or not words[0].replace("-", "").replace("_", "").isalnum():
            continue
        tool, rest = words[0].lower(), [word.lower() for word in words[1:2]]
        if tool in known:
            if known[tool] and rest and not (set(rest) & known[tool]) and not rest[0].startswith(("-", "<")):
                found.setdefault(line.strip()[:60])
        elif (
            tool not in _COMMON_TOOLS
            and tool not in checks.prompt.lower()
            and words[0][0].islower()
            and len(words) <= 8
            and not line.strip().endswith(".")
        ):
            found.setdefault(line.strip()[:60])
    return tuple(found)


_STEM = 6


@lru_cache(maxsize=256)
def _particulars(prompt: str, source: str | None) -> tuple[frozenset[str], frozenset[str]]:
    """The beginnings of a brief's content words, and the prompt's numbers."""
    words = brief_words(prompt, source)
    topic = frozenset(word[:_STEM] for word in words if len(word) > 3 and word not in _GENERIC)
    return topic, frozenset(word for word in brief_words(prompt, None) if word[0].isdigit())


def _grade_concreteness(text: Text, checks: BriefChecks, facts: FactCheck) -> Dimension:
    """10 when three sentences in ten hold a number, a name or two content words of the brief; 0 when none does.

    What was taken from the brief counts, decoration does not; the share is capped by the recall of facts, so that one
    fact in one sentence does not make a short text deep.
    """
    if not text.sentences:
        return Dimension(value=0.0, evidence=("no sentences",))
    topic, numbers = _particulars(checks.prompt, checks.source)
    considered = [words for words in text.lowered_sentence_words if len(words) >= 3]
    if not considered:
        return Dimension(value=0.0, evidence=("no sentence of three words",))
    concrete = sum(
        len(topic.intersection([word[:_STEM] for word in words])) >= 2 or not numbers.isdisjoint(words)
        for words in considered
    )
    share = concrete / len(considered)
    recall = facts.recall
    value = 10 * min(1.0, share / 0.3) * (1.0 if recall is None else 0.4 + 0.6 * recall)
    return Dimension(
        value=round(value, 3),
        evidence=(f"{concrete} of {len(considered)} sentences are about the brief's particulars",),
    )
