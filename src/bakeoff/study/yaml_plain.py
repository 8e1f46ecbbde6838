"""The quick way to read a suite file that has nothing wrong with it, five times as fast as `yaml_lines`.

Knows no lines: whoever finds anything wrong with the data reads the file again with `yaml_lines`, which does. libyaml
parses; what it makes of a file is taken only where nothing about it is unusual (anchors, tags, merge keys, doubled
keys, several documents, great depth or size), so that values mean what `yaml_lines` says they mean.
"""

from __future__ import annotations

from typing import Any

import yaml

from bakeoff.study.yaml_lines import MAX_DEPTH, MAX_VALUES, plain_kind, plain_value


class NotPlain(Exception):
    """The file has something in it that is left to `yaml_lines`."""


def read_plain(text: str) -> Any:
    """Return the value of a YAML file as plain data: dict, list, str, int, float, bool, None.

    Raises:
        NotPlain: there is something unusual in it, or something wrong, or no libyaml.
    """
    if "\t" in text:  # libyaml takes tabs where YAML has none
        raise NotPlain
    try:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]  # types-pyyaml forgets to export it

        parser = CParser(text)
        _expect(parser, yaml.StreamStartEvent, yaml.DocumentStartEvent)
        data = _Reader(parser).value(parser.get_event(), 0)
        _expect(parser, yaml.DocumentEndEvent, yaml.StreamEndEvent)
    except (ImportError, yaml.YAMLError, ValueError) as error:
        raise NotPlain from error
    return data


def _expect(parser: Any, *kinds: type[yaml.Event]) -> None:
    for kind in kinds:
        if not isinstance(parser.get_event(), kind):
            raise NotPlain


class _Reader:
    """Builds values from a parser's events, no deeper and no larger than `yaml_lines` allows."""

    def __init__(self, parser: Any) -> None:
        self._next = parser.get_event
        self._values = 0

    def value(self, event: Any, depth: int) -> Any:
        """Return the value that begins with `event`."""
        self._values += 1
        kind = type(event)
        if kind is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
            raise NotPlain
        if depth >= MAX_DEPTH or self._values > MAX_VALUES:
            raise NotPlain
        if kind is yaml.ScalarEvent:
            written: str = event.value
            return plain_value(plain_kind(written), written) if event.implicit[0] else written
        if kind is yaml.SequenceStartEvent:
            return self._sequence(depth + 1)
        if kind is yaml.MappingStartEvent:
            return self._mapping(depth + 1)
        raise NotPlain

    def _sequence(self, depth: int) -> list[Any]:
        built = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            built.append(self.value(event, depth))
        return built

    def _mapping(self, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent or event.anchor is not None or event.tag is not None:
                raise NotPlain
            key = event.value
            if key in built or key == "<<":
                raise NotPlain
            self._values += 1
            built[key] = self.value(self._next(), depth)
        return built
