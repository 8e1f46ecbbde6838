"""Turning a model folder into another format: which formats there are, and how one is made without half of it left behind.

A format is a program (`run_program`), so that what it imports stays out of the command's process, and so that a library
that crashes takes nothing with it. The program writes beside the place where the result will be, and what it wrote is
moved there only when it has said that all went well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bakeoff.core import errors
from bakeoff.core.errors import BakeoffError, UsageError, WorkerError
from bakeoff.core.programs import program_of
from bakeoff.core.spec import ModelSpec

Make = Callable[[Path, Path, str, Mapping[str, str]], tuple[str, ...]]
"""(folder, out, kind, what is known of the model) -> what is worth telling; `out` is not there yet."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format by name: `program` is the module that makes it, `engine` runs it, `kinds` are how weights may be stored.

    A model is a folder in it, or one file.
    """

    name: str
    program: str
    engine: str
    kinds: tuple[str, ...]
    is_folder: bool


FORMATS = {
    "gguf": Format(
        "gguf",
        "bakeoff.engines.gguf_convert",
        "llamacpp",
        ("f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q4_k_m", "q4_k_s", "q4_0", "q3_k_m", "q2_k"),
        is_folder=False,
    ),
    "mlx": Format(
        "mlx",
        "bakeoff.engines.mlx_convert",
        "mlx",
        ("8bit", "6bit", "5bit", "4bit", "3bit", "2bit"),
        is_folder=True,
    ),
}


def convert(model: ModelSpec, to: Format, kind: str | None, out: Path, *, replace: bool) -> tuple[str, ...]:
    """Make `out` of a model folder; `kind` None stores weights as they are. Return what is worth telling.

    Raises:
        UsageError: `model` is no folder, `out` is there and may not be replaced, or the format's program refuses.
        WorkerError: the program failed.
    """
    if model.source != "folder":
        raise UsageError(f"{model.reference}: only a model folder can be converted", "name bundled:NAME or a folder")
    _check_place(model, to, out, replace=replace)
    scratch = Path(tempfile.mkdtemp(dir=out.absolute().parent, prefix=".convert-"))
    try:
        made = scratch / out.name
        notes = _run(to, model, made, kind)
        if out.is_dir():
            shutil.rmtree(out)
        made.replace(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return notes


def _check_place(model: ModelSpec, to: Format, out: Path, *, replace: bool) -> None:
    """Make sure that `out` can be written, and that nothing goes but what was made by the same way.

    Raises:
        UsageError: it cannot; a folder is replaced by a folder alone, and only one that was made here.
    """
    if out.is_dir():
        instead = f"name a new one, or a file such as {out / model.name}"
        if not replace:
            raise UsageError(f"{out} is a folder that is there", instead)
        if Path(model.location).resolve().is_relative_to(out.resolve()):
            raise UsageError(f"{out} is, or holds, the model that is to be converted", instead)
        if not to.is_folder or out.is_symlink() or not _was_converted(out):
            raise UsageError(f"{out} is a folder that --replace does not replace: convert did not make it", instead)
    elif out.exists() and not replace:
        raise UsageError(f"{out} is there", "name another file, or add --replace")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.absolute().parent} is no folder", "make it first")


def _was_converted(folder: Path) -> bool:
    """Whether a folder is what `convert` made, and nothing was put into it since but files."""
    try:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        return "made_from" in facts and not any(found.is_dir() for found in folder.iterdir())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _run(to: Format, model: ModelSpec, made: Path, kind: str | None) -> tuple[str, ...]:
    line = program_of(to.program, "--model", model.location, "--out", str(made), "--kind", kind or "")
    line += ["--name", model.name, "--licence", model.licence or "", "--made-from", model.weights_digest]
    done = subprocess.run(line, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = json.loads(done.stdout)
        if said["done"] and done.returncode == 0:
            return tuple(str(note) for note in said["notes"])
        kind_of_error = getattr(errors, str(said["error"]), None)
        if isinstance(kind_of_error, type) and issubclass(kind_of_error, UsageError):
            raise UsageError(str(said["message"]), str(said["hint"]))
        raise WorkerError(str(said["message"]), str(said["hint"]))
    words = "".join(f"\n  | {line}" for line in done.stderr.splitlines()[-8:])
    raise WorkerError(f"the conversion ended with exit code {done.returncode}{words}")


def run_program(name: str, make: Make) -> NoReturn:
    """Be the program of a format: read the command line, make the file, say with a line of JSON how it went."""
    parser = argparse.ArgumentParser(prog=f"bakeoff-convert-{name}")
    for option in ("--model", "--out"):
        parser.add_argument(option, type=Path, required=True)
    for option in ("--kind", "--name", "--licence", "--made-from"):
        parser.add_argument(option, default="")
    options = parser.parse_args()
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    about = {"name": options.name, "license": options.licence, "made_from": options.made_from}
    about = {key: value for key, value in about.items() if value}
    code = 0
    try:
        said: dict[str, object] = {"done": True, "notes": make(options.model, options.out, options.kind, about)}
    except BakeoffError as error:
        said = {"done": False, "error": type(error).__name__, "message": error.message, "hint": error.hint}
        code = error.exit_code
    except OSError as error:
        said = {"done": False, "error": "OSError", "message": str(error), "hint": ""}
        code = 1
    report.write(json.dumps(said) + "\n")
    report.close()
    sys.exit(code)
