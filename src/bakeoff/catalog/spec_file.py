"""Model specs in TOML: what a file of them may hold, and how one is written.

    [models."ORG/NAME"]
    reference = "hf:ORG/NAME"
    licence = "apache-2.0"
    sources = ["where these facts are from"]

    [models."ORG/NAME".facts]
    model_type = "llama"
    num_hidden_layers = 22

Every mistake is told with the file and, where it can be found, the line.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.core.plain import whole_characters
from bakeoff.core.spec import Record
from bakeoff.core.toml_lines import line_of

_EXPECTED = 'model specs in TOML: [models."ORG/NAME"] with reference = "hf:ORG/NAME" and what else is known'
_KINDS = {
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "tuple_type": "a list of texts",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "float_type": "a number",
    "missing": "it to be there",
    "string_too_short": "a text that is not empty",
}
COUNTS = frozenset(
    {
        "num_hidden_layers",
        "num_decoder_layers",
        "hidden_size",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "intermediate_size",
        "moe_intermediate_size",
        "num_experts",
        "num_local_experts",
        "num_experts_per_tok",
        "vocab_size",
        "max_position_embeddings",
        "sliding_window",
        "sliding_window_pattern",
        "full_attention_layers",
        "param_count",
        "expert_param_count",
        "weights_bytes_16bit",
    }
)
"""Facts that are whole numbers above 0 wherever they are given."""
_LINE = re.compile(r"at line (\d+)")

Text = Annotated[str, Field(min_length=1, strict=True)]
Fact = bool | int | float | str | tuple[bool | int | float | str, ...]


class SeedClaim(Record):
    """What the text that bakeoff began with says of a model (billions of parameters, GB), and what of it is wrong."""

    params_b: Annotated[float, Field(gt=0)] | None = None
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    wrong: tuple[Text, ...] = ()


class Entry(Record):
    """A model that is known by name.

    `reference` is how to run it, None where only facts are known; `facts` are architecture facts under the names that
    config.json has for them, besides `param_count`, `expert_param_count`, `weights_bytes_16bit` (bytes) and
    `full_attention_layers`. `commercial_use` is the model card's own word, None where it says nothing.
    """

    name: Text
    reference: Text | None = None
    licence: Text | None = None
    licence_name: Text | None = None
    licence_link: Text | None = None
    commercial_use: Annotated[bool, Field(strict=True)] | None = None
    base_models: tuple[Text, ...] = ()
    sources: tuple[Text, ...] = ()
    note: Text | None = None
    facts: dict[str, Fact] = Field(default_factory=dict)
    seed: SeedClaim | None = None

    @property
    def short_name(self) -> str:
        """The name without its organisation."""
        return self.name.rpartition("/")[2]


def read_specs(file: Path) -> dict[str, Entry]:
    """Read a file of model specs, by name.

    Raises:
        InvalidFile: it cannot be read, is no TOML, or says something that no model spec says.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidFile((Problem(str(file), None, "", f"is not UTF-8 (byte {error.start})", _EXPECTED),)) from None
    except OSError as error:
        raise InvalidFile((Problem(str(file), None, "", f"cannot be read ({error.strerror})", _EXPECTED),)) from None
    return parse_specs(text, str(file))


def parse_specs(text: str, file: str) -> dict[str, Entry]:
    """Read model specs from the text of `file`, by name.

    Raises:
        InvalidFile: it is no TOML, or says something that no model spec says.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = _LINE.search(str(error))
        # "at end of document" names no line: it is the last one.
        line = int(found[1]) if found else text.count("\n") + 1
        wrong = f"is not TOML: {str(error)[:200]}"
        raise InvalidFile((Problem(file, line, "", wrong, _EXPECTED),)) from None
    problems = [
        Problem(file, line_of(text, (key,)), key, "is not a known key", '[models."ORG/NAME"]')
        for key in document
        if key != "models"
    ]
    models = document.get("models", {})
    if not isinstance(models, dict):
        problems.append(Problem(file, line_of(text, ("models",)), "models", "is not a table", _EXPECTED))
        models = {}
    entries: dict[str, Entry] = {}
    for name, written in models.items():
        read = _read_one(name, written, text, file)
        if isinstance(read, Entry):
            entries[name] = read
        else:
            problems.extend(read)
    if problems:
        raise InvalidFile(tuple(problems))
    return entries


def is_name(name: str) -> bool:
    """Tell whether an entry may be called so in a file."""
    return bool(name.strip()) and name.isprintable()


def _read_one(name: str, written: object, text: str, file: str) -> Entry | list[Problem]:
    line = line_of(text, ("models", name))
    if not is_name(name):
        return [Problem(file, line, f"{name!r}", "is no name", "printable characters on one line")]
    if not isinstance(written, dict):
        return [Problem(file, line, name, "is not a table", _EXPECTED)]
    problems = _wrong_sizes(written.get("facts"), text, file, name)
    try:
        entry = Entry(**{**written, "name": name})
    except ValidationError as error:
        return [*problems, *_problems_of(error, text, file, name)]
    return problems or entry


def _wrong_sizes(facts: object, text: str, file: str, name: str) -> list[Problem]:
    """Return facts that are sizes and no whole numbers above 0: they would become a wrong estimate later."""
    if not isinstance(facts, dict):
        return []
    return [
        Problem(
            file,
            line_of(text, ("models", name, "facts", key)),
            f"{name}: facts.{key}",
            f"is {value!r}"[:80],
            "a whole number above 0",
        )
        for key, value in facts.items()
        if key in COUNTS and not (type(value) is int and 0 < value < 1 << 53)
    ]


def _problems_of(error: ValidationError, text: str, file: str, name: str) -> list[Problem]:
    problems: dict[str, Problem] = {}
    for item in error.errors(include_url=False):
        # Of a union (a fact) each way of failing is told; the place is one.
        path = [str(part) for part in item["loc"][:2] if isinstance(part, str)]
        if path[:1] != ["facts"] and path[:1] != ["seed"]:
            path = path[:1]
        field = ".".join(path)
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(path[-1], Entry.model_fields, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            known = ", ".join(sorted(set(Entry.model_fields) - {"name"}))
            wrong, expected = "is not a known key", f"{meant}known here: {known}"
        else:
            wrong = f"is {item['input']!r}"[:80]
            expected = _KINDS.get(item["type"], item["msg"])
            if path[0] == "facts" and len(path) > 1:
                expected = "a number, a text, true or false, or a list of them"
        line = line_of(text, ("models", name, *path))
        problems.setdefault(field, Problem(file, line, f"{name}: {field}", wrong, expected))
    return list(problems.values())


def write_specs(entries: Iterable[Entry]) -> str:
    """Return the TOML text of `entries`; `parse_specs` reads the same entries from it.

    >>> print(write_specs([Entry(name="a/b", reference="hf:a/b", facts={"head_dim": 64})]), end="")
    [models."a/b"]
    reference = "hf:a/b"
    <BLANKLINE>
    [models."a/b".facts]
    head_dim = 64
    """
    return "\n".join(_written(entry) for entry in entries)


def _written(entry: Entry) -> str:
    fields = entry.model_dump(exclude_defaults=True, exclude={"name"})
    tables = {key: fields.pop(key) for key in ("facts", "seed") if key in fields}
    head = f"models.{_quoted(entry.name)}"
    parts = [_table(head, fields)]
    parts += [_table(f"{head}.{key}", table) for key, table in tables.items()]
    return "\n".join(parts)


def _table(head: str, fields: Mapping[str, object]) -> str:
    lines = [f"{_bare(key)} = {_value(value)}" for key, value in fields.items() if value is not None]
    return "\n".join([f"[{head}]", *lines, ""])


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _value(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        inner = [_value(each) for each in value]
        if sum(map(len, inner)) > 90:
            return "[\n" + "".join(f"  {each},\n" for each in inner) + "]"
        return f"[{', '.join(inner)}]"
    return repr(value)


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped, and halves of surrogates, which it has not.
    return json.dumps(whole_characters(text), ensure_ascii=False).replace("\x7f", "\\u007f")
