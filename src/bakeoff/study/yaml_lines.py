"""YAML as plain data, with the line of every value kept, so that an error can say where it is.

Stricter than YAML, since a suite is mostly text that people typed: only `true`, `false`, `null` and plain decimal
numbers are anything but text (`no`, `12:30`, `0450` and `2026-03-14` are text), a key given twice is a problem (YAML
keeps the last and says nothing), merge keys and tags are refused, and what a file may expand to is bounded, so that a
few lines of nested aliases cannot fill the memory.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.composer import ComposerError

from bakeoff.core.errors import Problem

Path = tuple[str | int, ...]
MAX_DEPTH = 40
MAX_VALUES = 200_000
"""About 10,000 briefs. Counted while reading, and again while aliases are written out."""
_MAX_CHARACTERS = 20_000_000
"""Of all scalars together, an aliased one counted as often as it is used."""
_MAX_DIGITS = 40
_MAX_KEY_SHOWN = 60

_TAG = "tag:yaml.org,2002:"
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_HINTS = {
    "\\t": "spaces for indentation, not tabs",
    "mapping values are not allowed": 'quotes around a value that has a colon in it, as in prompt: "Write: a tweet"',
    "expected <block end>": "lines of one list or one brief indented alike, and quotes around a value with odd characters",
    "could not find expected ':'": "a colon and a space after each field's name",
    "found unexpected end of stream": "every quote and bracket closed",
}
"""What a parser's words most often mean."""
_NUMBER = r"(?:0|[1-9][0-9]*)"


@dataclass(slots=True)
class LinedData:
    """Plain data: dict, list, str, int, float, bool, None. Paths are such as ("briefs", 3, "prompt").

    `lines` maps a path to its line; `written` maps the path of a scalar that is not text to what the file says there.
    """

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int | None:
        """Line (from 1) of the value at `path`, or of the nearest thing that holds it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return self.lines.get((), None)


class _Loader(yaml.SafeLoader):
    """Reads the node tree, no deeper and no larger than allowed; turning nodes into values is `_Builder`'s."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - filled below, as yaml does

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        self._values += 1
        if self._depth > MAX_DEPTH:
            raise ComposerError(None, None, f"nested more than {MAX_DEPTH} levels deep", self.get_mark())
        if self._values > MAX_VALUES:
            raise ComposerError(None, None, f"more than {MAX_VALUES:,} values", self.get_mark())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(f"^(?:{'|'.join(_BOOLS)})$"), list("tTfF"))
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(rf"^[-+]?{_NUMBER}$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(
        rf"^[-+]?(?:(?:\.[0-9]+|{_NUMBER}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def plain_kind(written: str) -> str:
    """Return what a scalar without quotation marks is: "str", "null", "bool", "int" or "float"."""
    for tag, pattern in _Loader.yaml_implicit_resolvers.get(written[:1], ()):
        if pattern.match(written):
            return tag.removeprefix(_TAG)
    return "str"


def plain_value(kind: str, written: str) -> str | int | float | bool | None:
    """Return the value of a scalar of that kind.

    Raises:
        ValueError: it has none, or is a whole number of too many digits.
    """
    if kind == "str":
        return written
    if kind == "null":
        return None
    if kind == "bool" and written in _BOOLS:
        return _BOOLS[written]
    if kind == "int" and len(written) <= _MAX_DIGITS:
        return int(written)
    if kind == "float":
        return float(written.lower().replace(".inf", "inf").replace(".nan", "nan"))
    raise ValueError(written)


def read_yaml(text: str, file: str) -> LinedData:
    """Parse `text`; what is wrong with it as YAML comes back in `problems`, never as an exception."""
    result = LinedData(None)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        if node is not None:
            result.data = _Builder(file, result).build(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        wrong = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
        expected = next((hint for sign, hint in _HINTS.items() if sign in wrong), "well-formed YAML")
        result.problems.append(Problem(file, mark.line + 1 if mark else None, "", one_line(wrong, 200), expected))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        wrong = (
            f"character {error.character!r} is not allowed"
            if isinstance(error.character, str)
            else (f"character #x{error.character:04x} is not allowed")
        )
        result.problems.append(Problem(file, line, "", wrong, "printable text"))
    return result


class _TooMuch(yaml.MarkedYAMLError):
    """Aliases that expand to more values than a file may hold."""


class _Builder:
    """Turns one node tree into data, lines and problems."""

    def __init__(self, file: str, result: LinedData) -> None:
        self._file = file
        self._result = result
        self._values = self._characters = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        """Return the value of `node`; aliases are written out anew wherever they stand."""
        self._values += 1
        self._characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if self._values > MAX_VALUES or self._characters > _MAX_CHARACTERS:
            wrong = f"aliases that expand to more than {MAX_VALUES:,} values or {_MAX_CHARACTERS:,} characters"
            raise _TooMuch(None, None, wrong, node.start_mark)
        line = node.start_mark.line + 1
        self._result.lines.setdefault(path, line)
        if len(path) > MAX_DEPTH:
            raise _TooMuch(None, None, f"aliases nested more than {MAX_DEPTH} levels deep", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path, line)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        built: dict[str, Any] = {}
        first_line: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._tell(line, path, "a key that is not text", "plain keys")
                continue
            key = key_node.value
            if key == "<<" and key_node.style is None:
                self._tell(
                    line, (*path, key), "merge keys are not read", "the keys written out (aliases of values are fine)"
                )
            elif key in built:
                self._tell(line, (*path, key), f"given twice, first on line {first_line[key]}", "each key once")
            else:
                first_line[key] = self._result.lines[(*path, key)] = line
                built[key] = self.build(value_node, (*path, key))
        return built

    def _scalar(self, node: yaml.Node, path: Path, line: int) -> Any:
        kind, written = node.tag.removeprefix(_TAG), node.value
        if kind == "str":
            return written
        self._result.written[path] = written
        with contextlib.suppress(ValueError):
            return plain_value(kind, written)
        shown = one_line(written, _MAX_KEY_SHOWN)
        if kind == "int" and len(written) > _MAX_DIGITS:
            self._tell(line, path, f"is {shown}", f"a number of at most {_MAX_DIGITS} digits")
        else:
            self._tell(
                line,
                path,
                f"has the tag {one_line(node.tag.replace(_TAG, '!!'), _MAX_KEY_SHOWN)}",
                "no tags: plain text or a number",
            )
        return written

    def _tell(self, line: int, path: Path, wrong: str, expected: str) -> None:
        self._result.problems.append(Problem(self._file, line, dotted(path), wrong, expected))


def dotted(path: Path) -> str:
    """`("briefs", 3, "prompt")` as people write it: `briefs[3].prompt`; always one line."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{one_line(part, _MAX_KEY_SHOWN)}" if text else one_line(part, _MAX_KEY_SHOWN)
    return text


def one_line(text: str, most: int) -> str:
    """Return `text` in one line of printable characters, at most `most` of them."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."
