"""Candidates out of what people name: references to models, on an engine and on devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bakeoff.catalog.references import resolve, split_engine, without_password
from bakeoff.core.errors import BakeoffError, UsageError
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.engines.local import choose_engine, require_engine
from bakeoff.engines.recorded import read_recorded


def read_devices(text: str | None) -> tuple[str, ...]:
    """Return the devices of a comma-separated list, none for the engines' own choice.

    Raises:
        UsageError: one is named twice, or has no name.
    """
    if text is None:
        return ()
    devices = tuple(part.strip() for part in text.split(","))
    if not all(devices):
        raise UsageError(f"--device {text}: a device has no name", "write, say, --device cpu or --device mps,cpu")
    twice = sorted({device for device in devices if devices.count(device) > 1})
    if twice:
        raise UsageError(f"--device {text}: named twice: {', '.join(twice)}", "name each device once")
    return devices


def make_candidates(
    references: Sequence[str],
    sampling: Sampling,
    devices: Sequence[str] = (),
    *,
    allow_fallback: bool = False,
    elsewhere: bool = False,
) -> tuple[Candidate, ...]:
    """Resolve model references into candidates; with several devices, a candidate `REFERENCE@DEVICE` for each.

    Models that this machine does not run itself (endpoints, recorded texts) compete once, whatever the devices. Where workers run
    `elsewhere`, this machine's GPU chooses no engine.

    Raises:
        UsageError: with every reference that cannot be run; or one named twice.
    """
    candidates: list[Candidate] = []
    errors: dict[str, UsageError] = {}
    for reference in references:
        try:
            candidate = _make_candidate(reference, sampling, devices, elsewhere=elsewhere)
        except UsageError as error:
            errors[reference] = error
        else:
            candidates += _on_devices(candidate, devices, allow_fallback=allow_fallback)
    if errors:
        raise UsageError("\n".join(error.message for error in errors.values()), hints_of(errors))
    names = [candidate.id for candidate in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"named twice: {', '.join(twice)}", "name each candidate once")
    if not candidates:
        raise UsageError("no candidates", "name at least one model")
    return tuple(candidates)


def hints_of(errors: Mapping[str, BakeoffError]) -> str:
    """Return what to do about each reference: a line for every hint, which says whose it is where there is more than one error."""
    whose: dict[str, list[str]] = {}
    for reference, error in errors.items():
        if error.hint:
            whose.setdefault(error.hint, []).append(without_password(reference))
    if len(errors) == 1:
        return "".join(whose)
    return "\n      ".join(f"{', '.join(references)}: {hint}" for hint, references in whose.items())


def _on_devices(candidate: Candidate, devices: Sequence[str], *, allow_fallback: bool) -> list[Candidate]:
    if not candidate.model.is_ours_to_run:
        return [candidate]
    return [
        candidate.model_copy(
            update={
                "id": f"{candidate.id}@{device}" if len(devices) > 1 else candidate.id,
                "device": device,
                "allow_fallback": allow_fallback,
            }
        )
        for device in devices or (None,)
    ]


def _make_candidate(reference: str, sampling: Sampling, devices: Sequence[str], *, elsewhere: bool) -> Candidate:
    engine, rest = split_engine(reference)
    model = resolve(rest)
    if model.is_ours_to_run:
        engine = require_engine(choose_engine(model, engine, devices, elsewhere=elsewhere)).name
    elif engine is not None:
        raise UsageError(f"{reference}: an engine can be forced for a model folder or file only", f"write {rest}")
    if model.source == "recorded":
        read_recorded(Path(model.location))
    return Candidate(
        id=reference,
        model=model,
        engine=engine or model.source,
        quantisation=model.quantisation,
        sampling=sampling,
    )
