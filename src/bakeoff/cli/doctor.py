"""`bakeoff doctor`: what this machine is, its memory budget, which engines work, and why not."""

from __future__ import annotations

import asyncio
import json
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.engines.local import EngineState

_LABEL = 18


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
    from bakeoff.machine.bandwidth import measure_bandwidth
    from bakeoff.machine.budget import accelerator_budget, memory_budget
    from bakeoff.machine.detect import detect_machine, sources_of
    from bakeoff.measure.energy_sources import find_energy_sources

    machine = detect_machine()
    accelerators = find_accelerators(machine)
    own = accelerator_budget(machine, accelerators)
    facts = machine.model_dump(mode="json")
    facts["ram_bytes"] = {"value": machine.ram_bytes, "source": "reported by the operating system"}
    facts["accelerators"] = [found.model_dump(mode="json") for found in accelerators]
    facts["accelerator_budget_bytes"] = None if own is None else own.model_dump(mode="json")
    facts["memory_bandwidth_bytes_per_s"] = measure_bandwidth(machine).model_dump(mode="json")
    facts["sources"] = sources_of(machine)
    return {
        "schema": "bakeoff.doctor/1",
        "machine": facts,
        "budget_bytes": memory_budget(machine).model_dump(mode="json"),
        "engines": asyncio.run(_engines()),
        "energy": [found.model_dump(mode="json") for found in find_energy_sources(machine.system, accelerators)],
    }


async def _engines() -> list[dict[str, Any]]:
    """Return every engine's state; each is imported by a process of its own, all at once, for an import keeps one core busy."""
    from bakeoff.engines.local import inspect_engines

    return list(await asyncio.gather(*(_state(engine) for engine in inspect_engines())))


async def _state(engine: EngineState) -> dict[str, Any]:
    from bakeoff.engines.device_probe import Probe, probe_device

    probe = await probe_device(engine.name) if engine.available else Probe(None, engine.reason)
    works = not probe.problem
    return {
        "name": engine.name,
        "available": works,
        "version": engine.version or probe.version,
        "device": probe.device,
        "reason": probe.problem,
        "install": None if works else engine.install,
    }


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    from bakeoff.core.plain import printable
    from bakeoff.core.units import bytes_text

    machine, budget = document["machine"], document["budget_bytes"]
    limit, speed = machine["memory_limit_bytes"], machine["memory_bandwidth_bytes_per_s"]
    kinds = [f"{machine[f'{kind}_cores']} {kind}" for kind in ("performance", "efficiency") if machine[f"{kind}_cores"]]
    split = f" ({', '.join(kinds)})" if kinds else ""
    cores = f"{machine['cores']}{split}, of which {machine['allowed_cores']} may be used ({_source(machine, 'cores')})"
    memory = f"{bytes_text(machine['ram_bytes']['value'])} ({machine['ram_bytes']['source']})"
    free = f"{bytes_text(machine['available_bytes'])} ({_source(machine, 'available_bytes')})"
    lines = [
        ("Machine", f"{machine['chip'] or 'unknown chip'}, {machine['system']} {machine['architecture']}"),
        ("Cores", cores),
        ("Memory", memory),
        ("Available", free),
    ]
    if limit:
        lines.append(("Container limit", f"{bytes_text(limit)} ({_source(machine, 'memory_limit_bytes')})"))
    lines += [
        ("Memory speed", "-" if speed["value"] is None else f"{speed['value'] / 1e9:.1f} GB/s ({speed['source']})"),
        ("Budget for models", f"{bytes_text(budget['value'])} ({budget['source']})"),
    ]
    lines += [("Accelerator", _accelerator_line(found)) for found in machine["accelerators"]] or [
        ("Accelerator", "none found")
    ]
    lines += [line for engine in document["engines"] for line in _engine_lines(engine)]
    lines += [
        ("Energy", f"{found['source']}: {'can be read' if found['available'] else 'not available'}, {found['reason']}")
        for found in document["energy"]
    ]
    if not any(found["available"] for found in document["energy"]):
        lines.append(("", "  none: watts are assumed, and what rests on them says so"))
    console = Console()
    for name, told in lines:
        # A command stays on its line whatever the width, so that it can be copied.
        rows = [told] if name == "" else wrap(printable(told), max(20, console.width - _LABEL), break_on_hyphens=False)
        for number, row in enumerate(rows):
            label = f"{'' if number else name:<{_LABEL}}"
            console.print(Text(label, style="bold") + Text(printable(row), style="not bold"), soft_wrap=True)


def _source(machine: dict[str, Any], name: str) -> str:
    """Return where a value of the machine comes from; its unit stands beside it already."""
    told = machine["sources"].get(name, "not told")
    return str(told.removeprefix("bytes, ").removeprefix("logical cores, "))


def _accelerator_line(found: dict[str, Any]) -> str:
    from bakeoff.core.units import bytes_text

    memory = "the machine's own memory" if found["unified"] else f"memory {bytes_text(found['memory_bytes'])}"
    budget = (
        f"; for models {bytes_text(found['budget_bytes'])} ({found['budget_source']})" if found["budget_bytes"] else ""
    )
    return f"{found['name']}, {memory} ({found['source']}){budget}"


def _engine_lines(engine: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a line for an engine that works; for one that does not, the reason, and a line with what would add it."""
    if engine["available"]:
        version = f" {engine['version']}" if engine["version"] else ""
        return [("Engine", f"{engine['name']}{version}: works, on {engine['device'] or 'a device of its choice'}")]
    return [("Engine", f"{engine['name']}: {engine['reason']}"), ("", f"  add it with:  {engine['install']}")]
