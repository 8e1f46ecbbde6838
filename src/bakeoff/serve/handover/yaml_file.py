"""A YAML file of a document under a comment: the form of every exporter but Ollama's."""

from __future__ import annotations

from typing import Any

import yaml


class _Block(str):
    """A text of several lines, written as a block."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Indents lists, as people write them, and has no references."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, indentless=False)


_Dumper.add_representer(
    _Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def block(text: str) -> str:
    """Return a text that is written as a block of lines."""
    return _Block(text)


def yaml_file(head: str, document: dict[str, Any]) -> str:
    """Return the file: `head` is a comment already."""
    body: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"{head}\n{body}"
