"""From a model folder's tokenizer to the keys by which llama.cpp makes the same tokens of the same text.

llama.cpp knows byte-level BPE under the name "gpt2", and how text is cut into words before it by name too
(`tokenizer.ggml.pre`, llama-vocab.cpp): a few such ways have a name there, and a tokenizer that cuts otherwise is
refused, because it would run and read every prompt a little wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from bakeoff.core.errors import InvalidFile, Problem, UnsupportedModel
from bakeoff.engines.gguf_file import Value
from bakeoff.engines.text import TextCodec, read_json

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5
_ELSEWHERE = "llama.cpp's own convert_hf_to_gguf.py knows more tokenizers"

_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# How words are cut: the steps of tokenizer.json, and whether a whole word in the vocabulary is taken without merging.
_PRE: dict[tuple[tuple[str, ...], bool], str] = {
    (("bytes, cut as GPT-2",), False): "gpt-2",
    (("single digits", "bytes, cut as GPT-2"), False): "smollm",
    ((_QWEN2, "bytes"), False): "qwen2",
    ((_LLAMA3, "bytes"), True): "llama-bpe",
}


def vocabulary_keys(folder: Path, vocab_size: int) -> dict[str, Value]:
    """Return the `tokenizer.*` keys for a model folder; ids up to `vocab_size` that the tokenizer lacks are unused.

    Raises:
        InvalidFile: a file of the tokenizer is missing or broken, or has tokens that the model has not.
        UnsupportedModel: llama.cpp would read text otherwise.
    """
    codec = TextCodec.load(folder)  # checks all files
    path = folder / "tokenizer.json"
    described: dict[str, Any] = json.loads(path.read_bytes())
    pre = _name_pre(path, described)
    tokenizer = Tokenizer.from_file(str(path))
    settings = read_json(folder / "tokenizer_config.json")
    ids = {id_: token for token, id_ in tokenizer.get_vocab(with_added_tokens=True).items()}
    if max(ids) >= vocab_size:
        wrong = f"has token {max(ids)}, and the model's vocab_size is {vocab_size}"
        raise InvalidFile((Problem(str(path), None, "", wrong, "the tokenizer that the model was trained with"),))
    added = tokenizer.get_added_tokens_decoder()
    for token in added.values():
        if token.lstrip or token.rstrip or token.single_word:
            raise _unsupported(path, f"its token {token.content!r} looks at what is beside it")
    types = {id_: _CONTROL if token.special else _USER_DEFINED for id_, token in added.items()}
    keys: dict[str, Value] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [ids.get(id_, f"[UNUSED{id_}]") for id_ in range(vocab_size)],
        "tokenizer.ggml.token_type": [types.get(id_, _NORMAL if id_ in ids else _UNUSED) for id_ in range(vocab_size)],
        "tokenizer.ggml.merges": [
            merge if isinstance(merge, str) else " ".join(merge) for merge in described["model"]["merges"]
        ],
    }
    keys |= _special_keys(tokenizer, settings, codec.eos_ids)
    template = _template(folder, settings)
    return keys | ({"tokenizer.chat_template": template} if template is not None else {})


def _special_keys(tokenizer: Tokenizer, settings: Mapping[str, object], eos_ids: frozenset[int]) -> dict[str, Value]:
    named = {}
    for name in ("bos", "eos", "unk", "pad"):
        value = settings.get(f"{name}_token")
        text = value.get("content") if isinstance(value, dict) else value
        id_ = tokenizer.token_to_id(text) if isinstance(text, str) else None
        if id_ is not None:
            named[name] = id_
    # llama.cpp has room for two ends of text, and knows the usual ones by their spelling.
    ends = sorted(eos_ids, key=lambda id_: id_ != named.get("eos"))
    if ends:
        named["eos"] = ends[0]
    if len(ends) > 1:
        named["eot"] = ends[1]
    names = {"bos": "bos", "eos": "eos", "eot": "eot", "unk": "unknown", "pad": "padding"}
    keys: dict[str, Value] = {f"tokenizer.ggml.{names[name]}_token_id": id_ for name, id_ in named.items()}
    around = list(tokenizer.encode("a", add_special_tokens=True).ids)
    plain = list(tokenizer.encode("a", add_special_tokens=False).ids)
    return keys | {
        "tokenizer.ggml.add_bos_token": "bos" in named and around[:1] == [named["bos"]] != plain[:1],
        "tokenizer.ggml.add_eos_token": "eos" in named and around[-1:] == [named["eos"]] != plain[-1:],
    }


def _name_pre(path: Path, described: Mapping[str, Any]) -> str:
    """Return llama.cpp's name for how this tokenizer cuts text into words.

    Raises:
        UnsupportedModel: it has none, or the tokenizer is no byte-level BPE.
    """
    model = described.get("model") or {}
    if model.get("type") != "BPE" or model.get("byte_fallback") or model.get("continuing_subword_prefix"):
        raise _unsupported(path, "it is no byte-level BPE")
    normalizer = (described.get("normalizer") or {}).get("type")
    if normalizer not in {None, "NFC"}:
        raise _unsupported(path, f"it changes text before it cuts it ({normalizer})")
    steps = _steps(described.get("pre_tokenizer") or {})
    ignores_merges = bool(model.get("ignore_merges"))
    name = _PRE.get((steps, ignores_merges))
    if name is None:
        raise _unsupported(path, f"it cuts text into words in a way that has no name there: {', then '.join(steps)}")
    return name


def _steps(described: Mapping[str, Any]) -> tuple[str, ...]:
    kind = described.get("type")
    if kind == "Sequence":
        return tuple(step for each in described.get("pretokenizers", ()) for step in _steps(each))
    if kind == "ByteLevel" and not described.get("add_prefix_space"):
        return ("bytes, cut as GPT-2",) if described.get("use_regex", True) else ("bytes",)
    if kind == "Digits" and described.get("individual_digits"):
        return ("single digits",)
    if kind == "Split" and described.get("behavior") == "Isolated" and not described.get("invert"):
        return (str((described.get("pattern") or {}).get("Regex")),)
    return (json.dumps(described)[:80],)


def _template(folder: Path, settings: Mapping[str, object]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    found = settings.get("chat_template")
    if isinstance(found, list):
        found = {item.get("name"): item.get("template") for item in found if isinstance(item, dict)}.get("default")
    return found if isinstance(found, str) else None


def _unsupported(path: Path, why: str) -> UnsupportedModel:
    return UnsupportedModel(f"{path}: llama.cpp would make other tokens of a text: {why}", _ELSEWHERE)
