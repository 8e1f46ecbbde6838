"""`bakeoff doctor` on the machine that runs the tests."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from bakeoff.engines.device_probe import computing_on_cpu
from bakeoff.machine.detect import Machine
from bakeoff_command import Workspace
from contracts import check_doctor_document, one_document
from stand_in_vllm import write_vllm


def test_the_document_tells_this_machine_and_its_engines(tmp_path: Path) -> None:
    done = Workspace(tmp_path).call("doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = one_document(done.stdout)
    assert set(document) == {"schema", "machine", "budget_bytes", "engines", "energy"}
    check_doctor_document(document)
    assert document["machine"]["ram_bytes"]["value"] == psutil.virtual_memory().total
    assert 0 < document["budget_bytes"]["value"] <= document["machine"]["ram_bytes"]["value"]
    assert document["budget_bytes"]["source"]
    machine = document["machine"]
    speed = machine["memory_bandwidth_bytes_per_s"]
    assert speed["value"] is None or 1e8 < speed["value"] < 1e13
    assert "measured" in speed["source"]
    # Every value says where it comes from, and nothing that was reported passes for measured.
    told = {name for name, value in machine.items() if value is not None and name in Machine.model_fields}
    assert set(machine["sources"]) == told
    assert all("reported" in source for source in machine["sources"].values())
    engines = {engine["name"]: engine for engine in document["engines"]}
    assert (engines["onnx"]["available"], engines["onnx"]["device"]) == (True, "cpu")
    for engine in engines.values():
        assert set(engine) == {"name", "available", "version", "device", "reason", "install"}
        assert engine["available"] == (engine["reason"] == "") == (engine["install"] is None)
    assert not (tmp_path / ".bakeoff").exists()  # looking leaves nothing behind


def test_engines_say_themselves_who_computes_on_the_processor() -> None:
    # Others than onnx compute where their libraries were built for; a server of its own knows once it runs.
    assert asyncio.run(computing_on_cpu(["onnx", "vllm"])) == {"onnx"}
    assert asyncio.run(computing_on_cpu([])) == frozenset()


def test_an_engine_whose_import_kills_the_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site"
    (package / "fatal-1.0.dist-info").mkdir(parents=True)
    (package / "fatal-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: fatal\nVersion: 1.0\n")
    (package / "fatal-1.0.dist-info" / "entry_points.txt").write_text("[bakeoff.engines]\nfatal = fatal_engine:load\n")
    (package / "fatal_engine.py").write_text("import os\nos._exit(9)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]))
    done = Workspace(tmp_path).call("doctor")
    assert done.returncode == 0
    assert "fatal: its import ended the process (exit code 9)" in done.stdout
    assert "add it with:  pip install fatal\n" in done.stdout
    assert "onnx" in done.stdout


def test_a_server_of_its_own_is_found_by_its_command(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    # At 80 columns only a command may be longer, and it is whole.
    workspace.environment |= {"PATH": str(tmp_path), "COLUMNS": "80"}
    said = workspace.call("doctor").stdout
    assert "vllm: not installed: the command vllm\n" in said
    assert "add it with:  pip install vllm\n" in said
    lines = said.splitlines()
    assert all(len(line) <= 80 or "add it with:" in line for line in lines)
    told = " ".join(" ".join(lines).split())
    for source in (
        "(reported by the operating system)",
        "(reported by Linux (/proc/meminfo))",
        "(assumed) for the system",
    ):
        assert source in told
    write_vllm(tmp_path / "bin")
    workspace.environment["PATH"] = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    assert "vllm 0.32.0: works, on a device of its choice\n" in workspace.call("doctor").stdout
    (tmp_path / "bin" / "vllm").write_text("#!/bin/sh\nexit 7\n")
    (vllm,) = (
        each for each in one_document(workspace.call("doctor", "--json").stdout)["engines"] if each["name"] == "vllm"
    )
    assert (vllm["available"], vllm["install"]) == (False, "pip install vllm")
    assert vllm["reason"].endswith("bin/vllm --version ended with exit code 7")
