"""`bakeoff discover` over a stand-in for the hub, a real cache on disk, stand-ins for Ollama and LM Studio, real model files."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bakeoff.catalog.references import bundled_folder
from contracts import check_discover_document, one_document
from hub_stub import LLAMA_SIZES, HubStub, hub_model
from inside import InsideWorkspace
from made_gguf import KEYS, TENSORS, write_gguf

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    for name in ("HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("bakeoff.catalog.local_servers.LM_STUDIO", "http://127.0.0.1:1")
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStub]:
    pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    stub = HubStub(
        [
            hub_model("big/use", 5_000_000, tags=("base_model:big/base",), card={"base_model": "big/base"}),
            hub_model("second/llama", 4_000_000, 8_030_261_248, "llama3.1"),
            hub_model("made/of-llama", 900_000, card={"base_model": ["meta-llama/Llama-3.1-8B"]}),
            hub_model("facebook/opt-2.7b", 800_000, 2_651_596_800, "other", card={"commercial": False}),
            hub_model("no/licence", 700_000, licence=None),
            hub_model("grand/child", 650_000, card={"base_model": "an/apache-child"}),
            hub_model("of/nobody-knows", 640_000, card={"base_model": "gone/away"}),
            hub_model("of/unlicensed", 630_000, card={"base_model": "no/licence"}),
            hub_model("of/research", 620_000, tags=("base_model:finetune:facebook/opt-2.7b",)),
            hub_model("sees/images", 610_000, family="gemma3", pipeline_tag="image-text-to-text"),
            hub_model("gated/one", 600_000, gated="manual", family="qwen3"),
            hub_model("big/use-gguf", 90_000, tags=("gguf", "base_model:quantized:big/use"), library_name="gguf"),
            hub_model("rarely/used", 100),
            hub_model("never/reached", 99),
        ]
    )
    stub.configs = dict.fromkeys(("big/use", "made/of-llama"), LLAMA_SIZES) | {
        "second/llama": LLAMA_SIZES | {"num_hidden_layers": 32}
    }
    sizes = {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34, "sliding_window": 1024}
    stub.configs["sees/images"] = {"model_type": "gemma3", "text_config": sizes}
    # Below what is asked for, so that nothing lists it; its own card has to be asked for.
    stub.cards["an/apache-child"] = hub_model("an/apache-child", 5, card={"base_model": ["meta-llama/Llama-3.2-3B"]})
    stub.cards["big/base"] = hub_model("big/base", 5, licence="mit")
    import huggingface_hub

    monkeypatch.setattr(
        "bakeoff.catalog.hub._api", lambda endpoint: huggingface_hub.HfApi(endpoint=endpoint or stub.url)
    )
    yield stub
    stub.close()


def discovered(workspace: InsideWorkspace, *arguments: str) -> dict[str, Any]:
    done = workspace.call("discover", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document = one_document(done.stdout)
    check_discover_document(document)
    return document


def test_the_hub(workspace: InsideWorkspace, hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_MEMORY_BUDGET", str(10 << 30))
    workspace.environment["BAKEOFF_MEMORY_BUDGET"] = str(10 << 30)
    document = discovered(workspace, "--source", "hub", "--variants")
    (_, query, images, *variants) = hub.asked
    assert query["num_parameters"] == ["min:1B,max:10B"]
    assert (query["pipeline_tag"], images["pipeline_tag"]) == (["text-generation"], ["image-text-to-text"])
    assert query["sort"] == ["downloads"]
    by_name = {each["name"]: each for each in document["candidates"]}
    assert set(by_name) == {
        *("big/use", "made/of-llama", "gated/one", "second/llama", "grand/child", "of/nobody-knows", "sees/images")
    }
    first = by_name["big/use"]
    assert (first["reference"], first["downloads"], first["local"]) == ("hf:big/use", 5_000_000, False)
    assert (first["weight_bytes"], first["parameters"]) == (6_000_000_000, 3_000_000_000)
    assert first["context_length"] == by_name["sees/images"]["context_length"] == 131072
    # In float32, as an engine on a CPU has it, 3 billion parameters are more than 10 GiB; as a GGUF file in 8 bits they fit.
    assert (first["fit"]["verdict"], first["fit"]["quantised_to"]) == ("fits", "q8_0")
    assert 3_000_000_000 < first["fit"]["need_bytes"] < 6_000_000_000
    assert first["licence"]["commercial"] == "yes"
    assert first["variants"] == [{"name": "big/use-gguf", "format": "gguf", "downloads": 90_000}]
    assert variants
    # A model made of Llama has Llama's conditions, whatever its tag says.
    assert by_name["made/of-llama"]["licence"]["commercial"] == "conditional"
    # So has one that was made of a model that was made of it.
    grandchild = by_name["grand/child"]["licence"]
    assert (grandchild["tag"], grandchild["commercial"]) == ("apache-2.0", "conditional")
    assert "inherited from meta-llama/Llama-3.2-3B" in grandchild["reason"]
    assert any("700 million" in condition for condition in grandchild["conditions"])
    unread = by_name["of/nobody-knows"]["licence"]
    assert unread["commercial"] == "conditional"
    assert any(
        "gone/away, which it was made of: its licence could not be read" in each for each in unread["conditions"]
    )
    assert hub.paths.count("/api/models/an/apache-child") == 1
    assert by_name["gated/one"]["gated"] is True
    assert by_name["gated/one"]["fit"]["verdict"] == "unknown"  # its config.json cannot be had
    reasons = {each["name"]: "; ".join(each["reasons"]) for each in document["rejected"]}
    assert "commercial: false" in reasons["facebook/opt-2.7b"]
    assert "not stated" in reasons["no/licence"]
    assert "inherited from no/licence: the licence is not stated" in reasons["of/unlicensed"]
    assert "inherited from facebook/opt-2.7b" in reasons["of/research"]
    assert "100 downloads" in reasons["rarely/used"]
    assert "never/reached" not in reasons  # sorted by downloads: whoever follows has fewer


def test_what_fits_in_no_form_is_rejected(workspace: InsideWorkspace, hub: HubStub) -> None:
    workspace.environment["BAKEOFF_MEMORY_BUDGET"] = str(3 << 30)
    document = discovered(workspace, "--source", "hub")
    reasons = {each["name"]: "; ".join(each["reasons"]) for each in document["rejected"]}
    assert "does not fit: needs" in reasons["second/llama"]
    assert "3.0 GiB (set by BAKEOFF_MEMORY_BUDGET)" in reasons["second/llama"]
    del hub


def test_any_licence_and_other_sizes(workspace: InsideWorkspace, hub: HubStub) -> None:
    names = {
        each["name"]
        for each in discovered(
            workspace, "--source", "hub", "--any-licence", "--min-downloads", "99", "--max-params", "3.5B"
        )["candidates"]
    }
    assert {"facebook/opt-2.7b", "no/licence", "rarely/used", "never/reached"} <= names
    assert "second/llama" not in names
    assert hub.asked[1]["num_parameters"] == ["min:1B,max:3.5B"]


def test_a_hub_that_is_down_is_a_warning(workspace: InsideWorkspace, hub: HubStub) -> None:
    hub.status = 503
    document = discovered(workspace, "--source", "hub")
    assert document["candidates"] == []
    assert document["warnings"][0].startswith("hub: cannot be asked")
    hub.close()
    assert discovered(workspace, "--source", "hub")["warnings"][0].startswith("hub: cannot be asked")


def cache_model(cache: Path, name: str, files: Path, *, whole: bool = True, card: str = "") -> None:
    """Lay a model out as huggingface_hub does: blobs, a snapshot of links to them, a branch."""
    stored = cache / f"models--{name.replace('/', '--')}"
    snapshot = stored / "snapshots" / COMMIT
    for folder in (stored / "blobs", stored / "refs", snapshot):
        folder.mkdir(parents=True)
    (stored / "refs" / "main").write_text(COMMIT)
    for number, file in enumerate(sorted(files.iterdir())):
        blob = stored / "blobs" / f"{number:040x}"
        if whole or file.suffix != ".safetensors":
            shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(Path("..") / ".." / "blobs" / blob.name)
    (snapshot / "README.md").write_text(f"---\nlicense: apache-2.0\n{card}---\n# A model\n")


def test_the_cache_and_folders(workspace: InsideWorkspace) -> None:
    files = bundled_folder() / "generalist"
    cache_model(workspace.folder / "hf" / "hub", "org/whole", files)
    cache_model(workspace.folder / "hf" / "hub", "org/part", files, whole=False)
    models = workspace.folder / "models"
    shutil.copytree(files, models / "deep" / "copy")
    shutil.copytree(bundled_folder() / "social", models / "social")
    done = workspace.call("convert", "bundled:social", "--to", "gguf", "--out", str(models / "social.gguf"))
    assert done.returncode == 0, done.stderr
    (models / "broken.gguf").write_bytes(b"GGUF\x03\x00")
    (models / "loop").symlink_to(models)
    document = discovered(workspace, "--offline", "--folder", str(models), "--min-params", "1", "--any-licence")
    by_name = {each["name"]: each for each in document["candidates"]}
    # The copy in the folder is the cached model again.
    assert set(by_name) == {"org/whole", "social"}
    cached = by_name["org/whole"]
    assert (cached["reference"], cached["revision"], cached["local"]) == ("hf:org/whole", COMMIT, True)
    assert cached["also_at"] == [f"folder: {models / 'deep' / 'copy'}"]
    assert cached["licence"]["tag"] == "apache-2.0"
    assert cached["fit"]["verdict"] == "fits"
    assert len([each for each in document["candidates"] if each["name"] == "social"]) >= 1
    warnings = "\n".join(document["warnings"])
    assert "org/part was not downloaded to its end: model.safetensors is missing" in warnings
    assert warnings.count("broken.gguf") == 1
    assert "ollama: does not answer" in warnings
    assert "lmstudio: does not answer" in warnings


def test_a_family_that_is_not_known_here_has_an_unknown_fit(workspace: InsideWorkspace) -> None:
    models = workspace.folder / "models"
    models.mkdir()
    keys = {key.replace("llama", "gemma4"): of for key, of in KEYS.items()} | {"general.architecture": "gemma4"}
    write_gguf(models / "new.gguf", keys)
    silent = {key: of for key, of in keys.items() if key != "tokenizer.chat_template"}
    write_gguf(models / "embeds.gguf", silent, TENSORS | {"more.weight": ("F32", (64,))})
    workspace.environment["BAKEOFF_MEMORY_BUDGET"] = str(10 << 30)
    document = discovered(workspace, "--source", "folder", "--folder", str(models), "--min-params", "1")
    (new,) = document["candidates"]
    assert (new["name"], new["architecture"], new["fit"]["verdict"]) == ("new", "gemma4", "unknown")
    (rejected,) = document["rejected"]
    assert rejected["reasons"] == ["nothing says that its architecture gemma4 writes text"]


def test_a_models_card_in_the_cache_names_what_it_was_made_of(workspace: InsideWorkspace) -> None:
    cache = workspace.folder / "hf" / "hub"
    cards = {
        "fine/tune": "base_model:\n- meta-llama/Llama-3.1-8B-Instruct\n",
        "not/free": "commercial: false\n",
        "named/otherwise": "license_name: x\nbase_model: facebook/opt-2.7b\n",
    }
    for number, (name, card) in enumerate(cards.items()):
        files = workspace.folder / f"files-{number}"
        shutil.copytree(bundled_folder() / ("generalist", "social", "technical")[number], files)
        cache_model(cache, name, files, card=card)
    document = discovered(workspace, "--source", "cache", "--min-params", "1")
    (tuned,) = document["candidates"]
    assert (tuned["name"], tuned["licence"]["tag"], tuned["licence"]["commercial"]) == (
        "fine/tune",
        "apache-2.0",
        "conditional",
    )
    reasons = {each["name"]: "; ".join(each["reasons"]) for each in document["rejected"]}
    assert "commercial: false" in reasons["not/free"]
    assert "inherited from facebook/opt-2.7b" in reasons["named/otherwise"]


class Server:
    """Answers by path; what is not there is 404."""

    def __init__(self, answers: dict[str, Any]) -> None:
        stub = self
        self.answers = answers

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(stub.answers.get(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.reply(stub.answers.get(f"{self.path} {body['model']}"))

            def reply(self, value: Any) -> None:
                if callable(value):
                    value(self)
                    return
                data = json.dumps(value).encode() if value is not None else b"not found"
                self.send_response(200 if value is not None else 404)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


QWEN_INFO = {
    "general.architecture": "qwen3",
    "general.parameter_count": 8_190_735_360,
    "qwen3.block_count": 36,
    "qwen3.attention.head_count": 32,
    "qwen3.attention.head_count_kv": 8,
    "qwen3.attention.key_length": 128,
    "qwen3.embedding_length": 4096,
    "qwen3.context_length": 40960,
}


def test_ollama_and_what_it_only_passes_on(workspace: InsideWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = [
        {"name": "qwen3:8b", "size": 5_200_000_000, "digest": "abc", "details": {"quantization_level": "Q4_K_M"}},
        {
            "name": "gpt-oss:120b-cloud",
            "size": 384,
            "remote_host": "https://ollama.com:443",
            "details": {"parameter_size": "117B"},
        },
        {"name": "strange", "size": 2_000_000_000, "details": {"family": "llama", "parameter_size": "3.2B"}},
        {"size": 1},
    ]
    info = QWEN_INFO | {"general.license": "other"}  # a tag that names nothing does not hide the text
    shown = {"license": "Apache License\n   Version 2.0, January 2004", "model_info": info, "details": {}}
    server = Server({"/api/tags": {"models": tags}, "/api/show qwen3:8b": shown})
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    workspace.environment["BAKEOFF_MEMORY_BUDGET"] = str(16 << 30)
    document = discovered(workspace, "--source", "ollama")
    (qwen,) = document["candidates"]
    assert (qwen["reference"], qwen["parameters"], qwen["local"]) == ("ollama:qwen3:8b", 8_190_735_360, True)
    assert (qwen["licence"]["tag"], qwen["licence"]["commercial"]) == ("apache-2.0", "yes")
    assert qwen["fit"]["verdict"] == "fits"
    assert qwen["fit"]["need_bytes"] > 5_200_000_000
    reasons = {each["name"]: "; ".join(each["reasons"]) for each in document["rejected"]}
    assert "runs on https://ollama.com:443, not on this machine" in reasons["gpt-oss:120b-cloud"]
    assert "the licence is not stated" in reasons["strange"]
    assert any("strange: answered with status 404" in line for line in document["warnings"])


def test_lm_studio(workspace: InsideWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        {
            "id": "qwen/qwen3-8b",
            "type": "llm",
            "arch": "qwen3",
            "compatibility_type": "mlx",
            "quantization": "4bit",
            "max_context_length": 40960,
        },
        {"id": "nomic-embed", "type": "embeddings", "arch": "nomic-bert"},
    ]
    server = Server({"/api/v0/models": {"data": listed}})
    monkeypatch.setattr("bakeoff.catalog.local_servers.LM_STUDIO", server.url)
    document = discovered(workspace, "--source", "lmstudio", "--any-licence")
    (qwen,) = document["candidates"]
    assert (qwen["reference"], qwen["stored"]) == (f"openai:qwen/qwen3-8b@{server.url}/v1", "mlx")
    (embedding,) = document["rejected"]
    assert "is for embeddings" in embedding["reasons"][0]


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Accept, and never answer."""
    handler.rfile.read(1)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Promise an answer, and send a byte of it now and then."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for _ in range(200):
            handler.wfile.write(b" ")
            time.sleep(0.1)


def fail(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(500)


def babble(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"<html>" + bytes(range(256)))


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (hang, "does not answer within"),
        (drip, "does not end its answer within"),
        (fail, "answered with status 500"),
        (babble, "answered with something that is not JSON"),
        ([1, 2], "answered with something else than an object"),
        ({"models": 5, "data": "x"}, "its answer has no list of models"),
    ],
)
def test_a_server_that_is_slow_or_talks_nonsense_is_a_warning(
    workspace: InsideWorkspace, monkeypatch: pytest.MonkeyPatch, behaviour: Any, said: str
) -> None:
    monkeypatch.setattr("bakeoff.catalog.local_servers._TIMEOUT_S", 1.0)
    monkeypatch.setattr("bakeoff.catalog.local_servers._PATIENCE_S", 1.5)
    server = Server({"/api/tags": behaviour, "/api/v0/models": behaviour})
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    monkeypatch.setattr("bakeoff.catalog.local_servers.LM_STUDIO", server.url)
    started = time.monotonic()
    document = discovered(workspace, "--source", "ollama,lmstudio")
    assert time.monotonic() - started < 15
    assert document["candidates"] == []
    ollama, studio = document["warnings"]
    assert ollama.startswith(f"ollama: {said}")
    assert studio.startswith(f"lmstudio: {said}")


def test_an_ollama_that_falls_silent_is_not_asked_on_and_on(
    workspace: InsideWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakeoff.catalog.local_servers._TIMEOUT_S", 0.5)
    tags = [{"name": f"m{number}", "details": {"parameter_size": "3B"}} for number in range(30)]
    server = Server({"/api/tags": {"models": tags}, **{f"/api/show m{number}": hang for number in range(30)}})
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    document = discovered(workspace, "--source", "ollama", "--any-licence", "--limit", "50")
    assert len(document["candidates"]) == 30
    assert len(document["warnings"]) == 3
    assert "it keeps silent" in document["warnings"][-1]


def test_an_address_of_ollama_that_is_none_is_a_warning(
    workspace: InsideWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://[::1")
    document = discovered(workspace, "--source", "ollama")
    assert document["candidates"] == []
    (warning,) = document["warnings"]
    assert "OLLAMA_HOST is 'http://[::1'" in warning


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "hubb"], "did you mean hub?"),
        (["--source", "folder"], "no folder is named"),
        (["--source", "folder", "--folder", "nowhere"], "there is no such folder"),
        (["--offline", "--source", "hub"], "contradict"),
        (["--min-params", "-1B"], "is no count"),
        (["--min-params", "20B", "--offline"], "--min-params is above --max-params"),
        (["--limit", "0"], "0"),
        (["--context", "-5"], "-5"),
    ],
)
def test_what_cannot_be_asked(workspace: InsideWorkspace, arguments: list[str], said: str) -> None:
    done = workspace.call("discover", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_registry_that_is_wrong_names_its_line(workspace: InsideWorkspace) -> None:
    workspace.home.mkdir(parents=True)
    (workspace.home / "models.toml").write_text('[models."a/b"]\nreference = \n')
    done = workspace.call("discover", "--source", "registry")
    assert done.returncode == 2
    assert "models.toml:2" in done.stderr


def test_a_table_for_people(workspace: InsideWorkspace, hub: HubStub) -> None:
    workspace.environment["COLUMNS"] = "80"
    shown = workspace.call("discover", "--source", "hub").stdout
    assert "hf:big/use" in shown
    assert "Rejected" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    del hub


def test_a_search_that_finds_nothing_says_what_to_do_next(workspace: InsideWorkspace, hub: HubStub) -> None:
    here = workspace.call("discover", "--offline").stdout
    assert here.startswith("No candidate.")
    assert "leave out --offline" in here
    assert "--folder path/to/models" in here
    asked = ("discover", "--source", "hub", "--min-downloads", "900M")
    there = workspace.call(*asked).stdout
    assert "No candidate." in there
    assert "leave out --offline" not in there
    wider = " ".join(there.split()).partition("other sizes: bakeoff ")[2].partition(" - ")[0].split()[:7]
    assert wider == ["discover", "--min-params", "100M", "--max-params", "30B", "--min-downloads", "90M"]
    assert "No candidate." in workspace.call(*wider, "--source", "hub").stdout  # it is taken as printed
    del hub
