"""YAML as plain data, with the line of every value kept, so that an error can say where it is.

Stricter than YAML itself: a key given twice is a problem (YAML keeps the last and says nothing), and only the safe
tags are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from bakeoff.core.errors import Problem

Path = tuple[str | int, ...]
_MAX_DEPTH = 40


@dataclass(slots=True)
class LinedData:
    """`data` is what `yaml.safe_load` would give; `lines` maps a path such as ("briefs", 3, "prompt") to its line."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int | None:
        """Line (from 1) of the value at `path`, or of the nearest thing that holds it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return self.lines.get((), None)


class _Loader(yaml.SafeLoader):
    """The safe loader without dates: `2026-03-14` in a brief is text that a person wrote."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str, file: str) -> LinedData:
    """Parse `text`; what is wrong with it as YAML comes back in `problems`, never as an exception."""
    result = LinedData(None)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            result.data = _build(loader, node, (), file, result)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        wrong = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
        result.problems.append(Problem(file, mark.line + 1 if mark else None, "", wrong, "well-formed YAML"))
    except yaml.YAMLError as error:
        result.problems.append(Problem(file, None, "", str(error).splitlines()[0], "well-formed YAML text"))
    finally:
        loader.dispose()
    return result


def _build(loader: _Loader, node: yaml.Node, path: Path, file: str, result: LinedData) -> Any:
    line = node.start_mark.line + 1
    result.lines[path] = line
    if len(path) > _MAX_DEPTH:
        result.problems.append(Problem(file, line, dotted(path[:3]), "nested too deeply", f"{_MAX_DEPTH} levels"))
        return None
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(loader, node, path, file, result)
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, child, (*path, index), file, result) for index, child in enumerate(node.value)]
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        result.problems.append(Problem(file, line, dotted(path), str(error).splitlines()[0], "plain text or a number"))
        return None


def _build_mapping(loader: _Loader, node: yaml.MappingNode, path: Path, file: str, result: LinedData) -> dict[str, Any]:
    built: dict[str, Any] = {}
    first_line: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            result.problems.append(Problem(file, line, dotted(path), "a key that is not text", "plain keys"))
            continue
        key = key_node.value
        if key in built:
            result.problems.append(
                Problem(
                    file, line, dotted((*path, key)), f"given twice, first on line {first_line[key]}", "each key once"
                )
            )
            continue
        first_line[key] = line
        built[key] = _build(loader, value_node, (*path, key), file, result)
        result.lines[(*path, key)] = line
    return built


def dotted(path: Path) -> str:
    """`("briefs", 3, "prompt")` as people write it: `briefs[3].prompt`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
