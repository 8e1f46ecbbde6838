"""Which candidates fit into memory, predicted before they are loaded and learnt from afterwards.

A candidate is admitted on the upper bound of what it needs, with the largest room for texts (`study.rows`) that fits. When a run
is over, what each worker really took at its peak is stored beside what is predicted for the texts that it wrote, and so is
what a gateway's workers took; later predictions rest on that (`catalog.calibration`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.catalog.calibration import Observation, calibrate
from bakeoff.catalog.engine_memory import ENGINES, Where
from bakeoff.catalog.fit import Load, Need, predict
from bakeoff.catalog.fit_subject import subject_of_files
from bakeoff.catalog.references import look_again
from bakeoff.core.errors import BakeoffError, DoesNotFit
from bakeoff.core.spec import Candidate, content_hash
from bakeoff.core.units import bytes_text
from bakeoff.machine.budget import HOST, Budget
from bakeoff.measure.memory import summarise_loads
from bakeoff.store.served_loads import forget_served_loads, read_served_loads
from bakeoff.study.rows import TOKENS_A_ROW, USUAL_ROOM, Room, rooms_for

if TYPE_CHECKING:
    from bakeoff.store.db import Store
    from bakeoff.study.plan import Plan


class Budgets(NamedTuple):
    """Bytes for workers: of the machine, and of its accelerator, None where it has none. `cards` are those of each card that has
    memory of its own, by its name, the one first that engines take by themselves; without any, the accelerator's is the machine's.
    `on_cpu` are engines that compute on the processor although there is an accelerator: their libraries were built without it.
    """

    host: Budget
    accelerator: Budget | None = None
    cards: Mapping[str, Budget] = MappingProxyType({})
    on_cpu: frozenset[str] = frozenset()

    def of(self, where: Where) -> Budget:
        """Return the one that a worker there takes from."""
        return self.accelerator if where == "accelerator" and self.accelerator is not None else self.host


class Fit(NamedTuple):
    """Whether all workers fit into their budgets at once, what each is expected to need, and the room for texts in that."""

    together: bool
    needs: dict[str, Need]
    rooms: dict[str, Room]


def check_fit(
    candidates: Sequence[Candidate], budgets: Budgets, concurrency: int, seen: Sequence[Observation] = ()
) -> Fit:
    """Predict what each worker needs for so many texts in flight; `seen` are earlier loads on this machine.

    The cache grows with the texts only where a budget is known to hold it, and nobody has to take turns in memory for that.

    Raises:
        DoesNotFit: a candidate whose upper bound alone is more than the budget.
    """
    rooms = rooms_for(concurrency)
    fit = _fit(candidates, budgets, rooms, concurrency, seen)
    if fit.together or len(rooms) == 1:
        return fit
    least = _fit(candidates, budgets, rooms[-1:], concurrency, seen)
    return least if least.together else fit


def _fit(
    candidates: Sequence[Candidate],
    budgets: Budgets,
    choice: Sequence[Room],
    concurrency: int,
    seen: Sequence[Observation],
) -> Fit:
    """Give each the first room of the `choice` that its budget is known to hold, or else the last one.

    Raises:
        DoesNotFit: as `check_fit`.
    """
    needs: dict[str, Need] = {}
    rooms: dict[str, Room] = {}
    totals: dict[str, int] = {}
    for candidate in candidates:
        where, memory = expected_place(candidate, budgets), expected_memory(candidate, budgets)
        budget = budgets.cards.get(memory) or budgets.of(where)
        for room in choice:
            rooms[candidate.id], need = room, _predict(candidate, where, room.shapes(concurrency), seen)
            if need is not None and budget.value is not None and need.high <= budget.value:
                break
        if need is None:
            continue
        needs[candidate.id] = need
        totals[memory] = totals.get(memory, 0) + reserved_bytes(candidate, need, budgets.cards.get(memory))
        if budget.value is not None and need.high > budget.value:
            raise DoesNotFit(
                f"{candidate.id} may need {bytes_text(need.high)} (expected {bytes_text(need.estimate)}: weights "
                f"{bytes_text(need.weights_bytes)}, KV cache {bytes_text(need.kv_bytes)}, scratch "
                f"{bytes_text(need.graph_bytes)}, runtime {bytes_text(need.runtime_bytes)}; "
                f"{bytes_text(need.load_peak_bytes)} while it loads), and the budget is {bytes_text(budget.value)} "
                f"({budget.source})",
                "see: bakeoff fit; leave it out, free memory, or set BAKEOFF_MEMORY_BUDGET if you know better",
            )
    # What lies in one memory is added up, wherever it is computed: a Mac's GPU has none of its own.
    bounds = {memory: (budgets.cards.get(memory) or budgets.host).value for memory in totals}
    together = all(bound is None or totals[memory] <= bound for memory, bound in bounds.items())
    return Fit(together, needs, rooms)


def reserved_bytes(candidate: Candidate, need: Need, card: Budget | None) -> int:
    """Return the bytes that nobody else may have: vLLM takes nine tenths of a card, whatever the model needs, unless it is told a share."""
    told = "--gpu-memory-utilization" in os.environ.get("BAKEOFF_VLLM_ARGS", "")
    if candidate.engine != "vllm" or told or card is None or card.value is None:
        return need.high
    return max(need.high, card.value)


def predict_high(candidate: Candidate, concurrency: int, room: Room) -> int | None:
    """Return the most bytes that a worker on a CPU of another machine is expected to need; None if nothing is known."""
    need = _predict(candidate, "cpu", room.shapes(concurrency), ())
    return None if need is None else need.high


def expected_place(candidate: Candidate, budgets: Budgets) -> Where:
    """Return where a worker will compute: on the accelerator if there is one and its engine would choose it."""
    on_cpu = candidate.engine == "onnx" or candidate.engine in budgets.on_cpu
    on_cpu = on_cpu or (candidate.device or "").partition(":")[0] == "cpu"
    return "cpu" if on_cpu or budgets.accelerator is None else "accelerator"


def expected_memory(candidate: Candidate, budgets: Budgets) -> str:
    """Return which memory its weights will lie in: the machine's, or that of the card that is asked for, else of the first one."""
    if expected_place(candidate, budgets) == "cpu" or not budgets.cards:
        return HOST
    asked = candidate.device or ""
    return asked if asked in budgets.cards else next(iter(budgets.cards))


def observe(plan: Plan, store: Store, rooms: Mapping[str, Room]) -> None:
    """Store what the workers of a finished run, with these `rooms`, took beside what is predicted for the texts that they wrote.

    What is learnt is of this machine: nothing, where they ran on a cluster.

    Raises:
        StoreError: the store refuses.
    """
    if plan.placement is not None:
        return
    longest: dict[str, int] = {}
    rows: dict[str, int] = {}
    for batch in store.generation_batches(plan.run_id):
        for text in batch:
            used = (text.timings.prompt_tokens or 0) + (text.timings.completion_tokens or 0)
            longest[text.candidate] = max(used, longest.get(text.candidate, 0))
            rows[text.candidate] = max(text.concurrency or 1, rows.get(text.candidate, 1))
    for candidate in plan.candidates:
        loads = [load for load in store.loads(plan.run_id) if load.candidate == candidate.id]
        taken = summarise_loads(loads)
        if not candidate.model.is_ours_to_run or not longest.get(candidate.id) or taken.peak_memory_bytes is None:
            continue
        where: Where = "cpu" if taken.device == "cpu" else "accelerator"
        most = rooms.get(candidate.id, USUAL_ROOM).rows_of(longest[candidate.id])
        load = Load(candidate.engine, where, longest[candidate.id], min(rows[candidate.id], most))
        _add_observation(store, candidate, load, taken.peak_memory_bytes, plan.run_id)


def read_observations(store: Store, folder: Path) -> list[Observation]:
    """Return all earlier loads that were held against a prediction; those that gateways of the workspace saw are stored first.

    Raises:
        StoreError: the store refuses.
    """
    served = read_served_loads(folder)
    for load in served:
        try:
            unchanged = look_again(load.candidate.model).digest == load.candidate.model.digest
        except BakeoffError:  # its files are gone
            continue
        if unchanged:
            where: Where = "cpu" if load.device == "cpu" else "accelerator"
            used = Load(load.candidate.engine, where, load.tokens, min(load.rows, USUAL_ROOM.rows))
            _add_observation(store, load.candidate, used, load.peak_bytes, f"served {load.rows} x {load.tokens}")
    if served:
        forget_served_loads(folder)
    return [Observation.model_validate_json(record) for record in store.observations()]


def _add_observation(store: Store, candidate: Candidate, load: Load, peak_bytes: int, source: str) -> None:
    """Store a peak beside what is predicted for what was used; `source` tells a candidate's observations apart."""
    need = _predict(candidate, load.where, [(load.rows, load.tokens or TOKENS_A_ROW)], ())
    if need is None:
        return
    seen = Observation(
        model=candidate.model.digest,
        engine=candidate.engine,
        where=load.where,
        predicted_bytes=need.resident_bytes,
        margin_bytes=need.margin_bytes,
        measured_bytes=peak_bytes,
    )
    store.add_observation(content_hash([candidate.digest, load.where, source]), seen.model_dump_json())


def _predict(
    candidate: Candidate, where: Where, shapes: Sequence[tuple[int, int]], seen: Sequence[Observation]
) -> Need | None:
    """Return the most that a worker of ours needs for any of so many texts of so many tokens.

    None for other endpoints, and for engines that nothing is known about.
    """
    if not candidate.model.is_ours_to_run or candidate.engine not in ENGINES:
        return None
    subject = subject_of_files(candidate.model)
    most, bound = subject.architecture.max_context, calibrate(seen, candidate.engine, where)
    loads = [Load(candidate.engine, where, min(tokens, most or tokens), rows) for rows, tokens in shapes]
    needs = [need for load in loads if (need := predict(subject, load, None, bound).need) is not None]
    return max(needs, key=lambda need: need.high, default=None)
