"""The documents that `--json` prints, checked field by field: what others build on must not change by accident."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

OUTCOMES = {"winner", "best_within_eps", "no_clear_winner", "insufficient_data", "none_qualified"}
PROVENANCES = {"measured", "reported", "derived", "assumed"}
STATES = {"running", "interrupted", "failed", "done"}


def one_document(stdout: str) -> dict[str, Any]:
    """Return the one JSON document that is the whole of `stdout`; NaN and Infinity are no JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in a JSON document")

    document = json.loads(stdout, parse_constant=refuse)
    assert isinstance(document, dict)
    return document


def _number(value: Any, where: str, low: float = -math.inf, high: float = math.inf) -> None:
    assert isinstance(value, int | float), f"{where} is {value!r}"
    assert not isinstance(value, bool), f"{where} is {value!r}"
    assert low <= value <= high, f"{where} is {value!r}"


def _unknown_or(value: Any, where: str, low: float = -math.inf, high: float = math.inf) -> None:
    if value is not None:
        _number(value, where, low, high)


def _text(value: Any, where: str) -> None:
    assert isinstance(value, str), f"{where} is {value!r}"
    assert value, f"{where} is empty"


def _texts(value: Any, where: str) -> None:
    assert isinstance(value, list), f"{where} is {value!r}"
    for index, item in enumerate(value):
        _text(item, f"{where}[{index}]")


def _fields(value: Any, where: str, names: Sequence[str]) -> Mapping[str, Any]:
    assert isinstance(value, dict), f"{where} is {value!r}"
    missing = set(names) - set(value)
    assert not missing, f"{where} lacks {missing}"
    return value


def _count(value: Any, where: str) -> None:
    assert type(value) is int, f"{where} is {value!r}"
    assert value >= 0, f"{where} is {value!r}"


def check_estimate(value: Any, where: str, low: float = -math.inf, high: float = math.inf) -> None:
    """`Estimate`: all three numbers, or none of them."""
    found = _fields(value, where, ["estimate", "low", "high", "level", "method", "briefs"])
    _number(found["level"], f"{where}.level", 0.5, 1)
    _text(found["method"], f"{where}.method")
    _count(found["briefs"], f"{where}.briefs")
    if found["estimate"] is None:
        assert found["low"] is None, where
        assert found["high"] is None, where
        return
    _number(found["estimate"], f"{where}.estimate", low, high)
    if found["low"] is not None:
        assert low <= found["low"] <= found["estimate"] <= found["high"] <= high, f"{where}: {found}"


def _percentiles(value: Any, where: str) -> None:
    found = _fields(value, where, ["p50", "p95", "p99"])
    for name in ("p50", "p95", "p99"):
        _unknown_or(found[name], f"{where}.{name}", 0)
    if found["p50"] is not None:
        assert found["p50"] <= found["p95"] <= found["p99"], where
    if found["p50_low"] is not None:
        assert found["p50_low"] <= found["p50"] <= found["p50_high"], where


def _candidate(value: Any, where: str, types: set[str]) -> None:
    names = [
        "id", "model", "engine", "device", "dtype", "quality", "by_content_type", "publishable_rate", "success_rate",
        "generations", "failures", "gated", "latency_s", "ttft_s", "tpot_s", "tokens_per_s", "load_s", "peak_memory_bytes",
        "energy_j_per_generation", "cost_per_generation",
    ]  # fmt: skip
    found = _fields(value, where, names)
    for name in ("id", "model", "engine"):
        _text(found[name], f"{where}.{name}")
    for name in ("device", "dtype"):
        if found[name] is not None:
            _text(found[name], f"{where}.{name}")
    check_estimate(found["quality"], f"{where}.quality", 0, 10)
    assert set(found["by_content_type"]) == types, where
    for name, estimate in found["by_content_type"].items():
        check_estimate(estimate, f"{where}.by_content_type.{name}", 0, 10)
    for name in ("publishable_rate", "success_rate"):
        check_estimate(found[name], f"{where}.{name}", 0, 1)
    for name in ("generations", "failures", "gated"):
        _count(found[name], f"{where}.{name}")
    assert found["failures"] + found["gated"] <= found["generations"], where
    for name in ("latency_s", "ttft_s", "itl_s", "tpot_s"):
        _percentiles(found[name], f"{where}.{name}")
    if found["tokens_per_s_low"] is not None:
        assert found["tokens_per_s_low"] <= found["tokens_per_s"] <= found["tokens_per_s_high"], where
    for name in ("tokens_per_s", "load_s", "load_cold_s", "load_warm_s", "peak_memory_bytes"):
        _unknown_or(found[name], f"{where}.{name}", 0)
    for name, fields in {
        "energy_j_per_generation": ["value", "provenance"],
        "cost_per_generation": ["value", "currency", "provenance"],
    }.items():
        inner = _fields(found[name], f"{where}.{name}", fields)
        _unknown_or(inner["value"], f"{where}.{name}.value", 0)
        # A number says where it comes from; what is unknown does not.
        assert (inner["value"] is None) == (inner["provenance"] is None), f"{where}.{name}"
        assert inner["provenance"] in {None, *PROVENANCES}, f"{where}.{name}"


def _comparison(value: Any, where: str, ids: set[str]) -> None:
    found = _fields(value, where, ["a", "b", "difference", "low", "high", "briefs", "correlation"])
    assert {found["a"], found["b"]} <= ids, where
    assert found["a"] != found["b"], where
    assert "p_adjusted" in found or "e_value" in found, where
    for name in ("difference", "low", "high"):
        _unknown_or(found[name], f"{where}.{name}", -10, 10)
    _unknown_or(found.get("p_adjusted"), f"{where}.p_adjusted", 0, 1)
    _unknown_or(found["correlation"], f"{where}.correlation", -1.000001, 1.000001)
    _count(found["briefs"], f"{where}.briefs")


def _decision(value: Any, ids: set[str]) -> None:
    found = _fields(value, "decision", ["outcome", "choice", "equivalent", "reasons", "next"])
    assert found["outcome"] in OUTCOMES
    assert found["choice"] in {None, *ids}
    assert (found["choice"] is not None) == (found["outcome"] in {"winner", "best_within_eps"})
    assert set(found["equivalent"]) <= ids
    _texts(found["reasons"], "decision.reasons")
    assert found["reasons"]
    _texts(found["next"], "decision.next")


def _route(value: Any, where: str, ids: set[str]) -> None:
    found = _fields(value, where, ["candidate", "outcome", "evidence", "fallbacks"])
    assert found["candidate"] in {None, *ids}, where
    assert found["outcome"] in OUTCOMES, where
    check_estimate(found["evidence"], f"{where}.evidence", 0, 10)
    assert set(found["fallbacks"]) <= ids - {found["candidate"]}, where


def check_run_document(document: Mapping[str, Any]) -> None:
    """Check a `bakeoff.run/1` document: every promised field, its kind, its range, and that the parts agree."""
    names = [
        "schema", "run_id", "suite", "mode", "machine", "elapsed_s", "report", "candidates", "comparisons", "decision",
        "routes", "validity",
    ]  # fmt: skip
    found = _fields(document, "document", names)
    assert found["schema"] == "bakeoff.run/1"
    _text(found["run_id"], "run_id")
    suite = _fields(found["suite"], "suite", ["name", "hash", "briefs"])
    _text(suite["name"], "suite.name")
    _text(suite["hash"], "suite.hash")
    _count(suite["briefs"], "suite.briefs")
    assert found["mode"] in {"race", "fixed"}
    _fields(found["machine"], "machine", ["cores", "ram_bytes"])
    _number(found["elapsed_s"], "elapsed_s", 0)
    if found["report"] is not None:
        _text(found["report"], "report")
    ids = {candidate["id"] for candidate in found["candidates"]}
    assert len(ids) == len(found["candidates"]) > 0
    types = set(found["routes"])
    assert types
    for index, candidate in enumerate(found["candidates"]):
        _candidate(candidate, f"candidates[{index}]", types)
    assert len(found["comparisons"]) == len(ids) * (len(ids) - 1) // 2
    for index, comparison in enumerate(found["comparisons"]):
        _comparison(comparison, f"comparisons[{index}]", ids)
    _decision(found["decision"], ids)
    for name, route in found["routes"].items():
        _route(route, f"routes.{name}", ids)
    for index, line in enumerate(found["validity"]):
        fields = ["scorer", "content_type", "agreement", "against", "baseline_longer_wins"]
        validity = _fields(line, f"validity[{index}]", fields)
        check_estimate(validity["agreement"], f"validity[{index}].agreement", 0, 1)


def check_runs_document(document: Mapping[str, Any]) -> None:
    """Check a `bakeoff.runs/1` document: newest first."""
    assert document["schema"] == "bakeoff.runs/1"
    for index, row in enumerate(document["runs"]):
        found = _fields(row, f"runs[{index}]", ["run_id", "suite", "started", "state"])
        for name in ("run_id", "suite", "started"):
            _text(found[name], f"runs[{index}].{name}")
        assert found["state"] in STATES
    started = [row["started"] for row in document["runs"]]
    assert started == sorted(started, reverse=True)


def _told(value: Any, where: str, low: float = 0) -> None:
    """`{value, source}`: a number, or null with the reason."""
    found = _fields(value, where, ["value", "source"])
    _unknown_or(found["value"], f"{where}.value", low)
    _text(found["source"], f"{where}.source")


def check_fit_document(document: Mapping[str, Any]) -> None:
    """Check a `bakeoff.fit/1` document: parts that add up, a verdict that follows from them, and where each is from."""
    found = _fields(document, "document", ["schema", "budget_bytes", "models"])
    assert found["schema"] == "bakeoff.fit/1"
    _told(found["budget_bytes"], "budget_bytes")
    assert found["models"]
    parts = ["weights_bytes", "kv_bytes", "graph_bytes", "runtime_bytes"]
    for index, each in enumerate(found["models"]):
        where = f"models[{index}]"
        model = _fields(
            each, where, ["model", "need_bytes", "breakdown", "provenance", "verdict", "max_context", "budget_bytes"]
        )
        _text(model["model"], f"{where}.model")
        _told(model["budget_bytes"], f"{where}.budget_bytes")
        need = _fields(model["need_bytes"], f"{where}.need_bytes", ["estimate", "low", "high"])
        breakdown = _fields(model["breakdown"], f"{where}.breakdown", parts)
        provenance = _fields(model["provenance"], f"{where}.provenance", [*breakdown, "high"])
        for name, said in provenance.items():
            _text(said, f"{where}.provenance.{name}")
        assert model["verdict"] in {"fits", "tight", "no", "unknown"}, where
        budget, longest = model["budget_bytes"]["value"], model["max_context"]
        assert longest is None or (type(longest) is int and longest > 0), where
        if need["estimate"] is None:
            assert set(need.values()) == {None} == set(breakdown.values()), where
            assert (model["verdict"], longest) == ("unknown", None), where
            continue
        for name in (*need, *breakdown):
            _count(need.get(name, breakdown.get(name)), f"{where}.{name}")
        assert need["low"] <= need["estimate"] <= need["high"], where
        together = sum(breakdown[part] for part in parts)
        assert need["estimate"] == max(together, breakdown["load_peak_bytes"]), where
        if model["verdict"] != "unknown":
            fits = "fits" if need["high"] <= budget else "tight" if need["estimate"] <= budget else "no"
            assert model["verdict"] == fits, where
            assert (longest is not None and longest >= model["context"]) == (fits == "fits"), where


def _answer(value: Any, where: str) -> None:
    """One candidate's part of `bakeoff.cost/1`."""
    names = ["local", "cloud", "saving_percent", "annual_saving", "break_even_per_day", "assumptions"]
    found = _fields(value, where, names)
    costs = ["energy_j", "electricity_cost", "idle_cost", "hardware_cost", "total"]
    local = _fields(found["local"], f"{where}.local", costs)
    for name in costs:
        _unknown_or(local[name], f"{where}.local.{name}", 0)
    known = [local[name] for name in costs[1:-1] if local[name] is not None]
    assert math.isclose(local["total"], sum(known), rel_tol=1e-9), where
    assert local["energy_provenance"] in PROVENANCES, where
    check_estimate(local["interval"], f"{where}.local.interval", 0)
    cloud = _fields(found["cloud"], f"{where}.cloud", ["cost", "catalogue", "date"])
    _number(cloud["cost"], f"{where}.cloud.cost", 0)
    _text(cloud["catalogue"], f"{where}.cloud.catalogue")
    assert (found["saving_percent"] is None) == (cloud["cost"] == 0), where
    if cloud["cost"]:
        percent = 100 * (cloud["cost"] - local["total"]) / cloud["cost"]
        assert math.isclose(found["saving_percent"], percent, rel_tol=1e-9, abs_tol=1e-9), where
    check_estimate(found["annual_saving"], f"{where}.annual_saving")
    if found["break_even_per_day"] != "never":
        _unknown_or(found["break_even_per_day"], f"{where}.break_even_per_day", 0)
    by_name = {}
    for index, each in enumerate(found["assumptions"]):
        inside = f"{where}.assumptions[{index}]"
        assumption = _fields(
            each, inside, ["name", "value", "low", "high", "unit", "provenance", "note", "flips_sign_at"]
        )
        by_name[assumption["name"]] = assumption
        for name in ("value", "low", "high"):
            _number(assumption[name], f"{inside}.{name}")
        assert assumption["low"] <= assumption["value"] <= assumption["high"], inside
        assert assumption["provenance"] in PROVENANCES, inside
        _unknown_or(assumption["flips_sign_at"], f"{inside}.flips_sign_at", 0)
    assert len(by_name) == len(found["assumptions"]), where
    # No saving a year that nobody's volume stands behind, or that one machine cannot write.
    enough = found["capacity"]["one_machine_is_enough"]
    assert (enough is not None) == ("requests_per_day" in by_name), where
    assert (found["annual_saving"]["estimate"] is not None) == bool(enough), where


def check_cost_document(document: Mapping[str, Any]) -> None:
    """Check a `bakeoff.cost/1` document, and each candidate in it."""
    assert document["schema"] == "bakeoff.cost/1"
    _text(document["currency"], "currency")
    _answer(document, "document")
    for index, each in enumerate(document.get("candidates", ())):
        where = f"candidates[{index}]"
        candidate = _fields(each, where, ["candidate", "missing", "by_content_type"])
        _text(candidate["candidate"], f"{where}.candidate")
        if candidate["missing"] is not None:
            assert (candidate["local"], candidate["annual_saving"], candidate["assumptions"]) == (None, None, []), where
            continue
        _answer(candidate, where)
        for kind, answer in candidate["by_content_type"].items():
            if answer["local"] is not None:
                _answer(answer, f"{where}.by_content_type.{kind}")


def check_doctor_document(document: Mapping[str, Any]) -> None:
    """Check a `bakeoff.doctor/1` document: every value with where it comes from."""
    found = _fields(document, "document", ["schema", "machine", "budget_bytes", "engines", "energy"])
    assert found["schema"] == "bakeoff.doctor/1"
    names = ["chip", "cores", "ram_bytes", "memory_limit_bytes", "accelerators", "sources"]
    machine = _fields(found["machine"], "machine", names)
    _told(machine["ram_bytes"], "machine.ram_bytes")
    _told(machine["memory_bandwidth_bytes_per_s"], "machine.memory_bandwidth_bytes_per_s")
    _count(machine["cores"], "machine.cores")
    apart = {"accelerators", "accelerator_budget_bytes", "memory_bandwidth_bytes_per_s", "sources"}
    known = {name for name, value in machine.items() if value is not None} - apart
    assert set(machine["sources"]) == known
    for name, said in machine["sources"].items():
        _text(said, f"machine.sources.{name}")
    for index, accelerator in enumerate(machine["accelerators"]):
        _fields(
            accelerator, f"machine.accelerators[{index}]", ["kind", "name", "memory_bytes", "budget_bytes", "source"]
        )
        _text(accelerator["source"], f"machine.accelerators[{index}].source")
    _told(found["budget_bytes"], "budget_bytes")
    for index, each in enumerate(found["engines"]):
        engine = _fields(each, f"engines[{index}]", ["name", "available", "version", "device", "reason", "install"])
        assert type(engine["available"]) is bool
        assert engine["available"] or engine["reason"]
    for index, each in enumerate(found["energy"]):
        source = _fields(each, f"energy[{index}]", ["source", "available", "reason"])
        assert type(source["available"]) is bool
        _text(source["reason"], f"energy[{index}].reason")


def check_discover_document(document: Mapping[str, Any]) -> None:
    """Check a `bakeoff.discover/1` document: every model that is none has a reason, and none of the rest hides one."""
    found = _fields(document, "document", ["schema", "criteria", "candidates", "rejected", "warnings"])
    assert found["schema"] == "bakeoff.discover/1"
    for index, each in enumerate(found["candidates"]):
        where = f"candidates[{index}]"
        candidate = _fields(each, where, ["name", "reference", "source", "licence", "fit", "local", "remote_host"])
        licence = _fields(candidate["licence"], f"{where}.licence", ["commercial", "conditions", "source", "reason"])
        assert licence["commercial"] in {"yes", "conditional", "no", "unknown"}, where
        assert not found["criteria"]["commercial"] or licence["commercial"] in {"yes", "conditional"}, where
        assert candidate["remote_host"] is None, where
        assert candidate["fit"] is None or candidate["fit"]["verdict"] != "no", where
        _unknown_or(candidate["parameters"], f"{where}.parameters", 1)
    for index, each in enumerate(found["rejected"]):
        rejected = _fields(each, f"rejected[{index}]", ["name", "source", "reasons"])
        _texts(rejected["reasons"], f"rejected[{index}].reasons")
        assert rejected["reasons"]
    _texts(found["warnings"], "warnings")
