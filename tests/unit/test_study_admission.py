"""Which candidates are let in by their memory, and what is learnt from those that ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.catalog.calibration import FEWEST, Observation
from bakeoff.core.errors import DoesNotFit
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.machine.budget import Budget
from bakeoff.store.db import Store
from bakeoff.store.served_loads import ServedLoad, add_served_load
from bakeoff.study.admission import Budgets, check_fit, expected_memory, expected_place, read_observations
from bakeoff.study.candidates import make_candidates
from bakeoff.study.rows import USUAL_ROOM, Room

TINY = str(Path(__file__).parents[1] / "data" / "tiny_llama")
CANDIDATES = make_candidates([TINY, f"onnx+{TINY}"], Sampling())


def budgets(value: int | None) -> Budgets:
    return Budgets(Budget(value=value, source="set by hand"))


def test_together_one_by_one_and_not_at_all() -> None:
    fit = check_fit(CANDIDATES, budgets(None), 4)
    assert fit.together
    one, two = (need.high for need in fit.needs.values())
    assert one == two
    assert check_fit(CANDIDATES, budgets(2 * one), 4).together
    assert not check_fit(CANDIDATES, budgets(2 * one - 1), 4).together
    with pytest.raises(DoesNotFit, match="set by hand") as caught:
        check_fit(CANDIDATES, budgets(one - 1), 4)
    assert caught.value.exit_code == 2
    # More texts in flight, more cache.
    assert check_fit(CANDIDATES, budgets(None), 16).needs[TINY].kv_bytes > fit.needs[TINY].kv_bytes


def test_there_is_a_row_for_every_text_in_flight_and_cache_for_all_of_them_where_it_fits() -> None:
    sixteen = check_fit(CANDIDATES, budgets(1 << 40), 16)
    many = check_fit(CANDIDATES, budgets(1 << 40), 64)
    assert set(sixteen.rooms.values()) == {USUAL_ROOM}
    assert set(many.rooms.values()) == {Room(64, 4 * USUAL_ROOM.kv_tokens)}
    assert many.needs[TINY].kv_bytes == 4 * sixteen.needs[TINY].kv_bytes


def test_where_more_cache_does_not_fit_or_nobody_knows_the_rows_share_the_usual_one() -> None:
    bound = Room(64, USUAL_ROOM.kv_tokens)
    unknown = check_fit(CANDIDATES[:1], budgets(None), 64)
    need, larger = unknown.needs[TINY], check_fit(CANDIDATES[:1], budgets(1 << 40), 64).needs[TINY]
    assert unknown.rooms == {TINY: bound}
    assert need.kv_bytes < larger.kv_bytes
    assert check_fit(CANDIDATES[:1], budgets(need.high), 64).rooms == {TINY: bound}
    assert check_fit(CANDIDATES[:1], budgets(larger.high - 1), 64).rooms == {TINY: bound}
    assert check_fit(CANDIDATES[:1], budgets(larger.high), 64).rooms == {TINY: Room(64, 4 * USUAL_ROOM.kv_tokens)}
    # Nobody takes turns in memory for the sake of a larger cache.
    shared = check_fit(CANDIDATES, budgets(2 * need.high), 64)
    assert shared.together
    assert set(shared.rooms.values()) == {bound}
    turns = check_fit(CANDIDATES, budgets(2 * need.high - 1), 64)
    assert not turns.together


def test_what_was_measured_here_moves_the_upper_end() -> None:
    seen = [
        Observation(
            model=str(number), engine="onnx", where="cpu", predicted_bytes=100, margin_bytes=10, measured_bytes=130
        )
        for number in range(FEWEST)
    ]
    plain, learnt = (check_fit(CANDIDATES, budgets(None), 4, loads).needs[TINY] for loads in ((), seen))
    assert learnt.high - learnt.estimate == 3 * (plain.high - plain.estimate)


def test_where_a_worker_is_expected_to_compute() -> None:
    card = Budgets(Budget(value=1, source="s"), Budget(value=2, source="card"))
    folder, *_ = CANDIDATES
    torch = folder.model_copy(update={"engine": "transformers"})
    assert expected_place(folder, card) == "cpu"
    assert expected_place(torch, card) == "accelerator"
    assert expected_place(torch.model_copy(update={"device": "cpu:0"}), card) == "cpu"
    assert expected_place(torch, budgets(None)) == "cpu"
    assert card.of("accelerator").source == "card"


def test_what_runs_have_stored_decides_who_is_let_in(tmp_path: Path) -> None:
    """Nine loads that took more than was predicted, read back from a workspace's store: the tenth model stays out."""
    store = Store.open_folder(tmp_path)
    need = check_fit(CANDIDATES, budgets(None), 4).needs[TINY]
    for number in range(FEWEST):
        seen = Observation(
            model=str(number),
            engine="onnx",
            where="cpu",
            predicted_bytes=need.resident_bytes,
            margin_bytes=need.margin_bytes,
            measured_bytes=need.resident_bytes + 4 * need.margin_bytes,
        )
        store.add_observation(str(number), seen.model_dump_json())
        again = read_observations(store, tmp_path)
        if number < FEWEST - 1:  # too few to learn from
            check_fit(CANDIDATES, budgets(need.high), 4, again)
    with pytest.raises(DoesNotFit):
        check_fit(CANDIDATES, budgets(need.high), 4, again)
    check_fit(CANDIDATES, budgets(need.estimate + 4 * need.margin_bytes), 4, again)
    store.close()


def test_a_refusal_tells_every_part_in_units_that_show_it() -> None:
    with pytest.raises(DoesNotFit) as caught:
        check_fit(CANDIDATES, budgets(50 << 20), 4)
    told = caught.value.message
    assert " 0.0" not in told
    for part in ("expected", "weights", "KV cache", "scratch", "runtime", "while it loads", "50.0 MiB (set by hand)"):
        assert part in told


def test_what_gateways_saw_is_taken_into_the_store_once(tmp_path: Path) -> None:
    candidate = CANDIDATES[0]
    load = ServedLoad(candidate=candidate, device="cpu", rows=3, tokens=90, peak_bytes=150 << 20)
    add_served_load(tmp_path, load)
    changed = candidate.model.model_copy(update={"digest": "0" * 64})
    add_served_load(tmp_path, load.model_copy(update={"candidate": candidate.model_copy(update={"model": changed})}))
    with (tmp_path / "served-loads.jsonl").open("a") as file:
        file.write("not of this version\n")
    store = Store.open_folder(tmp_path)
    (seen,) = read_observations(store, tmp_path)
    assert (seen.model, seen.engine, seen.where) == (candidate.model.digest, candidate.engine, "cpu")
    assert seen.measured_bytes == 150 << 20
    assert not list(tmp_path.glob("served-loads*"))
    assert read_observations(store, tmp_path) == [seen]

    add_served_load(tmp_path, load)
    (tmp_path / "served-loads.jsonl").rename(tmp_path / "served-loads.jsonl.taken")  # as a killed command leaves it
    add_served_load(tmp_path, load.model_copy(update={"rows": 1, "peak_bytes": 99 << 20}))
    assert read_observations(store, tmp_path) == [seen]
    assert {one.measured_bytes for one in read_observations(store, tmp_path)} == {150 << 20, 99 << 20}
    store.close()


@pytest.mark.parametrize(
    ("engine", "device", "memory"),
    [
        ("transformers", None, "cuda:0"),
        ("transformers", "cuda", "cuda:0"),
        ("transformers", "cuda:1", "cuda:1"),
        ("transformers", "cuda:9", "cuda:0"),  # refused by the engine; counted somewhere until then
        ("transformers", "cpu", "host"),
        ("onnx", None, "host"),
    ],
)
def test_weights_lie_in_the_memory_of_the_card_that_computes(engine: str, device: str | None, memory: str) -> None:
    told = Budget(value=1, source="s")
    here = Budgets(told, told, {"cuda:0": told, "cuda:1": told})
    asked = CANDIDATES[0].model_copy(update={"engine": engine, "device": device})
    assert expected_memory(asked, here) == memory
    assert expected_memory(asked, Budgets(told, told)) == "host"  # a Mac: one memory, whatever computes


def on(engine: str, device: str | None = None) -> Candidate:
    return CANDIDATES[0].model_copy(update={"engine": engine, "id": f"{engine} on {device}", "device": device})


def told(value: int) -> Budget:
    return Budget(value=value, source="set by hand")


def test_what_lies_in_one_memory_is_added_up_whatever_computes() -> None:
    """`--device mps,cpu`: a Mac's GPU has no memory of its own."""
    both = [on("transformers", "mps"), on("transformers", "cpu")]
    room = 1 << 40
    needed = sum(need.high for need in check_fit(both, Budgets(told(room), told(room)), 4).needs.values())
    assert check_fit(both, Budgets(told(needed), told(needed)), 4).together
    short = told(needed - 1)
    assert not check_fit(both, Budgets(short, short), 4).together
    assert not check_fit(both, Budgets(short, told(room)), 4).together
    # A card has.
    assert check_fit(both, Budgets(short, short, {"cuda:0": short}), 4).together


def test_a_card_that_is_asked_for_bounds_who_asks_for_it() -> None:
    cards = {"cuda:0": told(1 << 40), "cuda:1": told(1)}
    here = Budgets(told(1 << 40), told(1 << 40), cards)
    assert check_fit([on("transformers")], here, 4).together
    with pytest.raises(DoesNotFit):
        check_fit([on("transformers", "cuda:1")], here, 4)


def test_vllm_takes_a_card_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    card = told(1 << 40)
    here = Budgets(card, card, {"cuda:0": card})
    assert check_fit([on("vllm")], here, 4).together
    assert check_fit([on("vllm"), on("onnx")], here, 4).together
    assert not check_fit([on("vllm"), on("transformers")], here, 4).together
    monkeypatch.setenv("BAKEOFF_VLLM_ARGS", "--gpu-memory-utilization 0.3")
    assert check_fit([on("vllm"), on("transformers")], here, 4).together


def test_an_engine_that_was_built_without_the_card_is_held_against_the_machines_memory() -> None:
    large, small = told(1 << 40), told(1)
    here = Budgets(large, small, {"cuda:0": small})
    with pytest.raises(DoesNotFit):
        check_fit([on("llamacpp")], here, 4)
    built_without = here._replace(on_cpu=frozenset({"llamacpp"}))
    assert expected_place(on("llamacpp"), built_without) == "cpu"
    assert check_fit([on("llamacpp")], built_without, 4).together
