"""Whether the facts beside this file still hold in the full schema that they were read in: OURS THEIRS.

Looks at every key that ours names: it is there, with the same type, the same bounds and values; and all that theirs requires
ours requires. What ours requires or refuses beyond theirs (unknown keys) is no difference. Exit code 1 if anything is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SAME = ("type", "minimum", "minLength", "maxLength", "minItems")
"""What must be word for word the same; `enum` may be a part of theirs."""


def differences(ours: Any, theirs: Any, whole: Any, at: str = "") -> Iterator[str]:
    """Yield what ours says and theirs does not; `whole` is the document that theirs refers into."""
    while isinstance(theirs, dict) and "$ref" in theirs:
        names, theirs = theirs["$ref"].removeprefix("#/").split("/"), whole
        for name in names:
            theirs = theirs[name]
    if not isinstance(theirs, dict):
        yield f"{at or 'the document'}: is not there"
        return
    for word in SAME:
        if word in ours and ours[word] != theirs.get(word):
            yield f"{at}: {word} is {theirs.get(word)!r}, not {ours[word]!r}"
    if "enum" in theirs and not set(ours.get("enum", ())) <= set(theirs["enum"]):
        yield f"{at}: {ours.get('enum')} is not among {theirs['enum']}"
    if missing := set(theirs.get("required", ())) - set(ours.get("required", ())):
        yield f"{at}: {', '.join(sorted(missing))} must be there"
    for name, inner in ours.get("properties", {}).items():
        yield from differences(inner, theirs.get("properties", {}).get(name), whole, f"{at}.{name}")
    for word, mark in (("additionalProperties", ".*"), ("items", "[]")):
        if isinstance(ours.get(word), dict):
            yield from differences(ours[word], theirs.get(word), whole, at + mark)


def schema_in(document: Any) -> Any:
    """The schema of a file: its own, or a custom resource's of version v1."""
    if not (isinstance(document, dict) and document.get("kind") == "CustomResourceDefinition"):
        return document
    return next(each for each in document["spec"]["versions"] if each["name"] == "v1")["schema"]["openAPIV3Schema"]


if __name__ == "__main__":
    ours, theirs = (schema_in(yaml.safe_load(Path(file).read_text(encoding="utf-8"))) for file in sys.argv[1:3])
    found = list(differences(ours, theirs, theirs))
    print(*found, sep="\n", end="\n" if found else "")  # noqa: T201 - what it is for
    sys.exit(1 if found else 0)
