"""Models known by name: a catalogue of facts that ships with bakeoff, and the user's own entries, which go first.

The user's are in `models.toml` in the workspace, written by `bakeoff models add` or by hand (the form: `spec_file`).
What the catalogue says of a model was read in the sources that stand beside it; nothing is looked up on any network.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from bakeoff.catalog.references import is_written_as_reference
from bakeoff.catalog.spec_file import Entry, is_name, parse_specs, read_specs, write_specs
from bakeoff.core.errors import InvalidFile, UnknownModel, UsageError

REGISTRY_FILE = "models.toml"

_MODEL_HEADER = re.compile(r"\s*\[\[?\s*models\s*\..*")


@cache
def load_catalogue() -> Mapping[str, Entry]:
    """Return the entries that ship with bakeoff, by name."""
    file = files("bakeoff.bundled") / "catalogue.toml"
    return parse_specs(file.read_text(encoding="utf-8"), "catalogue.toml")


def load_registry(workspace: Path | None) -> dict[str, Entry]:
    """Return the user's own entries by name; none where the workspace has no such file.

    Raises:
        InvalidFile: the file is there, and is wrong somewhere.
    """
    file = None if workspace is None else workspace / REGISTRY_FILE
    return read_specs(file) if file is not None and file.exists() else {}


def known_entries(workspace: Path | None) -> dict[str, Entry]:
    """Return all entries by name, the user's own before the catalogue's, and instead of those with the same name.

    Raises:
        InvalidFile: the user's file is wrong somewhere.
    """
    own = load_registry(workspace)
    return {**own, **{name: entry for name, entry in load_catalogue().items() if name not in own}}


def find_entry(name: str, workspace: Path | None = None) -> Entry:
    """Find a model by its name, its reference, or the part of its name behind the organisation; case does not matter.

    Without `workspace` only the catalogue is looked through.

    Raises:
        UnknownModel: nothing is called so, or several are; the hint has names that are near.
        InvalidFile: the user's file is wrong somewhere.
    """
    entries = known_entries(workspace)
    if name in entries:
        return entries[name]
    wanted = name.strip().casefold()
    for matches in (
        [entry for entry in entries.values() if wanted in {entry.name.casefold(), (entry.reference or "").casefold()}],
        [entry for entry in entries.values() if entry.short_name.casefold() == wanted],
    ):
        if len(matches) == 1 and wanted:
            return matches[0]
        if len(matches) > 1:
            raise UnknownModel(f"{name}: several models are called so", f"name one of: {_names(matches)}")
    near = near_names(name, entries)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownModel(f"{name}: no model of that name is known", f"{meant}all of them:  bakeoff models list")


def near_names(name: str, entries: Iterable[str]) -> list[str]:
    """Return at most three names that were perhaps meant, the nearest first."""
    full = {each.casefold(): each for each in entries}
    short = {each.rpartition("/")[2]: whole for each, whole in full.items()}
    wanted = name.casefold().removeprefix("hf:")
    near = difflib.get_close_matches(wanted, full, n=3)
    near += difflib.get_close_matches(wanted.rpartition("/")[2], short, n=3)
    near += [each for each in short if len(wanted) >= 3 and wanted in each]
    return list(dict.fromkeys(full.get(each) or short[each] for each in near))[:3]


def _names(entries: Iterable[Entry]) -> str:
    return ", ".join(entry.name for entry in entries)


def check_name(name: str) -> None:
    """Make sure that a new entry could be named wherever models are, alone and in a list.

    Raises:
        UsageError: it could not.
    """
    if not is_name(name):
        wrong, instead = "is no name for a model", "write printable characters on one line"
    elif name != name.strip():
        wrong, instead = "begins or ends with a space", f"write {name.strip()!r}"
    elif "," in name:
        wrong, instead = "has a comma, which stands between models in a list", "leave the comma out"
    elif is_written_as_reference(name):
        wrong = "is written as a reference, which would go before your entry"
        instead = "choose a name without what stands before the ':' or '+', and say the reference by --reference"
    else:
        return
    raise UsageError(f"{name!r} {wrong}", instead)


def add_entries(workspace: Path, new: Iterable[Entry], *, replace: bool = False) -> Path:
    """Add entries to the user's file, whose comments stay; return the file.

    Raises:
        UsageError: a name that could not be used, or that is there and is not to be replaced.
        InvalidFile: the file is wrong somewhere: it is left as it is.
    """
    new = list(new)
    for entry in new:
        check_name(entry.name)
    added = {entry.name: entry for entry in new}
    own = load_registry(workspace)
    there = [name for name in added if name in own]
    if there and not replace:
        raise UsageError(f"{', '.join(there)}: you have a model of that name already", "replace it with --replace")
    file = workspace / REGISTRY_FILE
    text = _without(file.read_text(encoding="utf-8") if own else "", there, own)
    if not own and file.exists():
        text = file.read_text(encoding="utf-8")
    glue = "\n" if text.strip() else ""
    _write(file, text.rstrip("\n") + ("\n" if text.strip() else "") + glue + write_specs(added.values()))
    return file


def remove_entry(workspace: Path, name: str) -> None:
    """Take one entry out of the user's file, and leave the rest of the file as it is.

    An entry that is wrong can be taken out too: else one mistake would have to be mended by hand.

    Raises:
        UnknownModel: the user has no entry of that name.
        InvalidFile: the file is wrong somewhere, and not (or not only) in that entry.
    """
    file = workspace / REGISTRY_FILE
    try:
        own = load_registry(workspace)
    except InvalidFile:
        text = _without_wrong(file, name)
        if text is None:
            raise
        _write(file, text)
        return
    if name not in own:
        if name in load_catalogue():
            raise UnknownModel(
                f"{name}: it is in the catalogue that ships with bakeoff, not among your own models",
                "an entry of your own with the same name goes before it:  bakeoff models add",
            )
        near = difflib.get_close_matches(name, own, n=3)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownModel(f"{name}: you have no model of that name", f"{meant}yours:  bakeoff models list --own")
    _write(file, _without(file.read_text(encoding="utf-8"), [name], own))


def _without_wrong(file: Path, name: str) -> str | None:
    """Return the text of a wrong file without the tables of `name`, None where these are not there or not cut so easily."""
    try:
        text = file.read_text(encoding="utf-8")
        before = tomllib.loads(text)
        cut = _cut(text, [name])
        after = tomllib.loads(cut)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        return None
    models = before.get("models")
    if not isinstance(models, dict) or name not in models:
        return None
    rest = {key: value for key, value in models.items() if key != name}
    return cut if after.get("models", {}) == rest else None


def _without(text: str, names: list[str], own: Mapping[str, Entry]) -> str:
    """Return the file's text without some models: their lines cut out, or, where that is not enough, written anew."""
    cut = _cut(text, names)
    rest = {name: entry for name, entry in own.items() if name not in names}
    try:
        return cut if parse_specs(cut, REGISTRY_FILE) == rest else write_specs(rest.values())
    except UsageError:  # tables written in a way that lines do not show: a list that begins a line, an inline table
        return write_specs(rest.values())


def _cut(text: str, names: list[str]) -> str:
    """Return the text without the lines of some models' tables."""
    kept: list[str] = []
    cutting = False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            cutting = bool(_MODEL_HEADER.fullmatch(line.rstrip("\n"))) and _model_of(line) in names
        if not cutting:
            kept.append(line)
    return "".join(kept)


def _model_of(header: str) -> str | None:
    """Return the name of the model whose table a line begins."""
    try:
        models = tomllib.loads(header).get("models")
    except tomllib.TOMLDecodeError:
        return None
    return next(iter(models), None) if isinstance(models, dict) else None


def _write(file: Path, text: str) -> None:
    """Replace the file in one step, so that no reader meets half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)
