"""From what a user writes to what can be run, and what is said when it is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bakeoff.catalog.hub_cache import hub_cache
from bakeoff.catalog.references import bundled_names, look_again, resolve, split_engine, without_password
from bakeoff.core.errors import InvalidFile, UnknownModel, UnsupportedModel, UsageError

TINY = Path(__file__).parents[1] / "data" / "tiny_llama"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a real model folder, to be changed."""
    return Path(shutil.copytree(TINY, tmp_path / "My Model"))


def refused(reference: str) -> UsageError:
    with pytest.raises((UnknownModel, UnsupportedModel)) as caught:
        resolve(reference)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("written", "engine", "rest"),
    [
        ("transformers+some/folder", "transformers", "some/folder"),
        ("onnx+bundled:baseline", "onnx", "bundled:baseline"),
        ("bundled:baseline", None, "bundled:baseline"),
        ("./a+b/folder", None, "./a+b/folder"),
        ("openai:m@http://h/v1", None, "openai:m@http://h/v1"),
        ("+x", None, "+x"),
    ],
)
def test_an_engine_can_be_forced(written: str, engine: str | None, rest: str) -> None:
    assert split_engine(written) == (engine, rest)


def test_a_folder_is_read(folder: Path) -> None:
    spec = resolve(str(folder))
    config = json.loads((folder / "config.json").read_text())
    assert (spec.source, spec.name, spec.location) == ("folder", "My Model", str(folder))
    assert spec.architecture == config["architectures"][0]
    assert spec.context_length == config["max_position_embeddings"]
    assert spec.parameters
    assert spec.weight_bytes


@pytest.mark.parametrize("architectures", ["LlamaForCausalLM", [], {}, [5], None])
def test_odd_architectures_are_unknown_ones(folder: Path, architectures: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"architectures": architectures}
    (folder / "config.json").write_text(json.dumps(config))
    assert resolve(str(folder)).architecture is None


def test_bundled_models_have_names() -> None:
    assert bundled_names() == sorted(bundled_names())
    for name in bundled_names():
        assert resolve(f"bundled:{name}").name == name
    assert "no bundled model" in refused("bundled:nothing").message


@pytest.mark.parametrize("file", ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
def test_the_digest_changes_with_every_file_that_counts(folder: Path, file: str) -> None:
    before = resolve(str(folder))
    path = folder / file
    old = path.read_text() if path.exists() else None
    path.write_text((old or "{}") + "\n")
    after = resolve(str(folder))
    assert after.digest != before.digest
    assert look_again(before).digest == after.digest
    if old is None:
        path.unlink()
    else:
        path.write_text(old)
    assert resolve(str(folder)).digest == before.digest


@pytest.mark.parametrize(
    "file",
    [
        "chat_template.jinja",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "tokenizer.model",
    ],
)
def test_files_that_may_be_there_count_as_well(folder: Path, file: str) -> None:
    (folder / file).unlink(missing_ok=True)
    before = resolve(str(folder)).digest
    (folder / file).write_text("one")
    one = resolve(str(folder)).digest
    (folder / file).write_text("two")
    assert len({before, one, resolve(str(folder)).digest}) == 3


def test_the_digest_changes_with_a_weight_and_not_with_a_readme(folder: Path) -> None:
    before = resolve(str(folder)).digest
    (folder / "README.md").write_text("hello")
    (folder / "chat_template").mkdir()
    assert resolve(str(folder)).digest == before
    weights = next(folder.glob("*.safetensors"))
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    assert resolve(str(folder)).digest != before


def test_two_folders_with_equal_files_have_one_digest(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    assert resolve(str(other)).digest == resolve(str(folder)).digest


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"config\.json"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("reference", "model", "url"),
    [
        ("openai:m@http://127.0.0.1:8080/v1", "m", "http://127.0.0.1:8080/v1"),
        ("openai:org/m@2024@https://host/v1/", "org/m@2024", "https://host/v1"),
        ("openai:qwen2:7b@http://[::1]:11434/v1", "qwen2:7b", "http://[::1]:11434/v1"),
    ],
)
def test_endpoints(reference: str, model: str, url: str) -> None:
    spec = resolve(reference)
    assert (spec.source, spec.name, spec.remote_model, spec.location) == ("endpoint", model, model, url)
    assert resolve(f"{reference}x").digest != spec.digest


@pytest.mark.parametrize(
    "reference",
    [
        "openai:", "openai:m", "openai:m@", "openai:@http://h/v1", "openai:m@h/v1", "openai:m@ftp://h/v1", "openai:m@http://",
        "openai:m@http://[::1", "openai:m@http://h:port/v1", "openai:m@http://h:99999/v1", "openai:m@http:///v1",
    ],
)  # fmt: skip
def test_endpoints_that_are_none(reference: str) -> None:
    assert "openai:MODEL@http://host:port/v1" in refused(reference).hint


@pytest.mark.parametrize(
    "reference",
    [
        "openai:m@http://me:hunter2@host/v1",
        "openai:m@http://me:hunt@hunter2@host/v1",
        "openai:m@https://hunter2@host/v1",
        "openai:@http://me:hunter2@host/v1",
        "openai:m@ftp://me:hunter2@host/v1",
        "openai:m@http://me:hunter2@host:port/v1",
        "opnai:m@http://me:hunter2@host/v1",
        "http://me:hunter2@host/v1",
        "ollama:m@http://me:hunter2@host/v1",
        "recorded:http://me:hunter2@host/v1",
    ],
)
def test_passwords_are_never_echoed(reference: str) -> None:
    error = refused(reference)
    assert "hunter2" not in error.message + error.hint


def test_passwords_are_pointed_to_their_place() -> None:
    assert "OPENAI_API_KEY" in refused("openai:m@http://me:hunter2@host/v1").hint
    assert without_password("no url@at all") == "no url@at all"


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("bundeld:x", "did you mean bundled:x?"),
        ("openi:m@http://h/v1", "did you mean openai:m@http://h/v1?"),
        ("record:a.jsonl", "did you mean recorded:a.jsonl?"),
        ("texts.jsonl", "did you mean recorded:texts.jsonl?"),
        ("some/where", ""),
        ("http://host/v1", ""),
        ("x" * 5000, ""),
        ("~nosuchuser/model", ""),
    ],
)
def test_references_that_name_nothing(reference: str, meant: str) -> None:
    hint = refused(reference).hint
    assert meant in hint
    assert ("did you mean" in hint) == bool(meant)
    assert "recorded:FILE.jsonl" in hint


def test_a_gguf_file_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    asked = str(tmp_path / "smal.gguf")
    assert (
        refused(asked).hint
        == f"it was looked for in {tmp_path}, and there is none in that folder: name the file by its path"
    )
    for name in ("small.gguf", "other.GGUF", "notes.txt"):
        (tmp_path / name).touch()
    assert refused(asked).hint == f"did you mean small.gguf? GGUF files in {tmp_path}: other.GGUF, small.gguf"
    for number in range(20):
        (tmp_path / f"x{number:02}.gguf").touch()
    assert refused(asked).hint.endswith("x05.gguf and 14 more")
    assert "there is no such folder" in refused(str(tmp_path / "none" / "a.gguf")).hint
    assert refused("~nosuchuser/a.gguf").hint == "name it by its path"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A hub cache as huggingface_hub leaves it: links to blobs, and the commit that a branch stood at."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    stored = tmp_path / "hub" / "models--acme--Tiny-1.0"
    for part in ("blobs", "refs", f"snapshots/{COMMIT}"):
        (stored / part).mkdir(parents=True)
    for number, file in enumerate(sorted(folder.iterdir())):
        (stored / "blobs" / str(number)).write_bytes(file.read_bytes())
        (stored / "snapshots" / COMMIT / file.name).symlink_to(f"../../blobs/{number}")
    (stored / "refs" / "main").write_text(COMMIT)
    return stored


COMMIT = "a" * 40


def test_a_model_in_the_hubs_cache(hub: Path, folder: Path) -> None:
    for reference in ("hf:acme/Tiny-1.0", f"hf:acme/Tiny-1.0@{COMMIT}", "hf:acme/Tiny-1.0@main"):
        spec = resolve(reference)
        assert (spec.source, spec.name, spec.revision, spec.reference) == ("folder", "Tiny-1.0", COMMIT, reference)
        assert spec.digest == resolve(str(folder)).digest
        assert look_again(spec).digest == spec.digest


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("acme/other", "hf download acme/other"),
        ("acme/Tiny-1.0@old", "hf download acme/Tiny-1.0 --revision old"),
        ("", "write hf:ORG/NAME"),
        ("a/b/c", "write hf:ORG/NAME"),
        ("../../etc", "write hf:ORG/NAME"),
        ("acme/x@../../../y", "write hf:ORG/NAME"),
    ],
)
def test_models_that_were_not_downloaded(hub: Path, rest: str, said: str) -> None:
    error = refused(f"hf:{rest}")
    assert said in error.hint
    assert rest in error.message


def test_where_the_hubs_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hub_cache() == tmp_path / ".cache/huggingface/hub"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert hub_cache() == Path("/x/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "~/h")
    assert hub_cache() == tmp_path / "h/hub"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        (":8000", "http://127.0.0.1:8000/v1"),
        ("box:9", "http://box:9/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("https://box/", "https://box:11434/v1"),
    ],
)
def test_ollama_is_an_endpoint(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    spec = resolve("ollama:qwen2.5:0.5b")
    assert (spec.source, spec.location, spec.remote_model) == ("endpoint", url, "qwen2.5:0.5b")


@pytest.mark.parametrize("host", ["nonsense:x:y", "http://[::1", "ftp://box", "box:99999", "me:word@box:x"])
def test_an_address_of_ollama_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    with pytest.raises(UsageError, match="OLLAMA_HOST") as told:
        resolve("ollama:x")
    assert "HOST:PORT" in told.value.hint
    assert "word" not in str(told.value)


def test_recorded_files(tmp_path: Path) -> None:
    file = tmp_path / "by hand.jsonl"
    file.write_text('{"brief_id": "a", "text": "x"}\n')
    spec = resolve(f"recorded:{file}")
    assert (spec.source, spec.name, spec.location) == ("recorded", "by hand", str(file))
    file.write_text('{"brief_id": "a", "text": "y"}\n')
    assert look_again(spec).digest != spec.digest
    file.unlink()
    with pytest.raises(UnknownModel, match="cannot be read"):
        look_again(spec)


@pytest.mark.parametrize("rest", ["", "nowhere.jsonl", "/", "~nosuchuser/a.jsonl", "x" * 5000])
def test_recorded_files_that_are_not_there(rest: str) -> None:
    assert "brief_id" in refused(f"recorded:{rest}").hint
