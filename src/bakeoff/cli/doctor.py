"""`bakeoff doctor`: what this machine is, its memory budget, which engines work, and why not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def doctor(*, as_json: bool) -> None:
    """Say what this machine is, and which engines work here, or why not.

    Every engine that is installed is imported once, in a process of its own.
    """
    document = _examine()
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        _print(document)


def _examine() -> dict[str, Any]:
    """Return the `bakeoff.doctor/1` document."""
    from bakeoff.machine.accelerators import find_accelerators
    from bakeoff.machine.budget import memory_budget
    from bakeoff.machine.detect import detect_machine
    from bakeoff.measure.energy_sources import find_energy_sources

    machine = detect_machine()
    accelerators = find_accelerators(machine)
    facts = machine.model_dump(mode="json")
    facts["ram_bytes"] = {"value": machine.ram_bytes, "source": "reported by the operating system"}
    facts["accelerators"] = [found.model_dump(mode="json") for found in accelerators]
    return {
        "schema": "bakeoff.doctor/1",
        "machine": facts,
        "budget_bytes": memory_budget(machine).model_dump(mode="json"),
        "engines": asyncio.run(_engines()),
        "energy": [found.model_dump(mode="json") for found in find_energy_sources(machine.system, accelerators)],
    }


async def _engines() -> list[dict[str, Any]]:
    """Return every engine's state. One at a time: two imports at once would only slow each other down."""
    from bakeoff.engines.device_probe import Probe, probe_device
    from bakeoff.engines.local import inspect_engines

    found = []
    for state in inspect_engines():
        probe = await probe_device(state.name) if state.available else Probe(None, state.reason)
        works = not probe.problem
        found.append(
            {
                "name": state.name,
                "available": works,
                "version": state.version or probe.version,
                "device": probe.device,
                "reason": probe.problem,
                "install": None if works else state.install,
            }
        )
    return found


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    from bakeoff.core.plain import printable
    from bakeoff.core.units import bytes_text

    machine, budget = document["machine"], document["budget_bytes"]
    limit = machine["memory_limit_bytes"]
    lines = [
        ("Machine", f"{machine['chip'] or 'unknown chip'}, {machine['system']} {machine['architecture']}"),
        ("Cores", f"{machine['cores']}, of which {machine['allowed_cores']} may be used"),
        ("Memory", bytes_text(machine["ram_bytes"]["value"]) + (f", limited to {bytes_text(limit)}" if limit else "")),
        ("Budget for models", f"{bytes_text(budget['value'])} ({budget['source']})"),
    ]
    lines += [
        ("Accelerator", f"{found['name']}, memory {bytes_text(found['memory_bytes'])} ({found['source']})")
        for found in machine["accelerators"]
    ] or [("Accelerator", "none found")]
    lines += [("Engine", _engine_line(engine)) for engine in document["engines"]]
    lines += [
        ("Energy", f"{found['source']}: {'can be read' if found['available'] else 'not available'}, {found['reason']}")
        for found in document["energy"]
    ]
    console = Console()
    for name, told in lines:
        console.print(Text(f"{name:<18}", style="bold") + Text(printable(told), style="not bold"), soft_wrap=True)


def _engine_line(engine: dict[str, Any]) -> str:
    if engine["available"]:
        version = f" {engine['version']}" if engine["version"] else ""
        return f"{engine['name']}{version}: works, on {engine['device'] or 'a device of its choice'}"
    return f"{engine['name']}: {engine['reason']}. Add it with:  {engine['install']}"
