"""What `bakeoff convert` writes, as llama.cpp reads it: the same tokens, the same numbers, the same blocks."""

import json
import random

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from bakeoff.catalog.gguf import read_gguf
from bakeoff.catalog.references import bundled_folder, bundled_names, resolve
from bakeoff.engines import onnx_model
from bakeoff.engines.conversion import FORMATS, convert
from bakeoff.engines.gguf_convert import write_model
from bakeoff.engines.text import TextCodec
from tiny_model import SPECIAL, TEXT, make_tiny_model

pytest.importorskip("llama_cpp", reason="the extra [llamacpp] is not installed")

from bakeoff.engines import llamacpp_context, llamacpp_model
from bakeoff.engines.gguf_quantise import find_file_type, quantise

GGUF = FORMATS["gguf"]
HARD = [
    "it's IT'S we'll they'Ve I'M don’t ſ's",
    "  two  spaces   three\n\n\nlines\t\ttabs \t mixed \n ",
    "1 22 333 4444 55555 3.14159 1,000,000 ½ ² ٣٤ १२ 一二三",
    "日本語のテキスト、中文字符。한국어 텍스트 ไทย हिन्दी עברית العربية русский ελληνικά",
    "emoji 🎉👩‍👩‍👧‍👦🇩🇪👍🏽 1️⃣ end",
    "cafe\u0301 na\u0308ive \u0301alone e\u0323\u0302 \u093e",
    "a\u00a0b\u2003c\u200bd\ufeffe\u2028f\u0085g ǅ ŉ ﬁ Ⅷ ᾳ",
    "<|user|>hi<|end|> <|end|>x <|not|>",
    "foo_bar-baz/qux@example.com #tag $5 100% (a) [b] {c} !!!???...,,,;;; --- ___",
    "\r\n\r\n a\rb \r\n\x00\x01\x7f",
    "x" * 300,
]
CUT_AS = {
    "gpt-2": {},
    "smollm": {"digits": True},
    "qwen2": {
        "pattern": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    },
    "llama-bpe": {
        "pattern": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    },
}
RANGES = ((9, 14), (32, 127), (0xA0, 0x180), (0x300, 0x370), (0x5D0, 0x5EA), (0x900, 0x970), (0x2000, 0x2070))
POOL = [chr(code) for bounds in (*RANGES, (0x4E00, 0x4E40), (0x1F600, 0x1F640)) for code in range(*bounds)]


def make_cutting_model(folder, name):
    """A tiny model whose tokenizer cuts words as `name` says, trained on the hard texts themselves."""
    make_tiny_model(folder)
    how = CUT_AS[name]
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex="pattern" not in how)
    first = (
        [pre_tokenizers.Split(Regex(how["pattern"]), "isolated")]
        if "pattern" in how
        else [pre_tokenizers.Digits(individual_digits=True)] * bool(how)
    )
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama-bpe"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*first, level]) if first else level
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=397,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(HARD * 3 + TEXT, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text())
    assert tokenizer.get_vocab_size() <= config["vocab_size"]
    return folder


@pytest.mark.parametrize("name", CUT_AS)
def test_text_becomes_the_same_tokens_and_back(tmp_path, name):
    folder = make_cutting_model(tmp_path / "m", name)
    write_model(folder, tmp_path / "m.gguf", "q8_0")
    assert read_gguf(tmp_path / "m.gguf").text("tokenizer.ggml.pre") == name
    model = llamacpp_model.load(tmp_path / "m.gguf", None, 1)
    ours, theirs = model.codec(), TextCodec.load(folder)
    chooser = random.Random(0)
    texts = HARD + ["".join(chooser.choices(POOL, k=chooser.randint(1, 25))) for _ in range(1000)]
    for text in texts:
        ids = theirs.encode(text)
        assert ours.encode(text) == ids, ascii(text)
        assert ours.decode(ids) == theirs.decode(ids)
        pushed = [(codec.stream(), codec) for codec in (ours, theirs)]
        pieces = [[stream.push(id_) for id_ in ids] + [stream.finish()] for stream, _ in pushed]
        assert pieces[0] == pieces[1]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": HARD[4]}]
    assert ours.encode_chat(messages) == theirs.encode_chat(messages)
    assert ours.eos_ids >= theirs.eos_ids
    model.close()


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_models_read_every_prompt_alike(tmp_path, name):
    folder = bundled_folder() / name
    write_model(folder, tmp_path / "m.gguf", "q8_0")
    model = llamacpp_model.load(tmp_path / "m.gguf", None, 1)
    ours, theirs = model.codec(), TextCodec.load(folder)
    for text in HARD:
        messages = [{"role": "user", "content": text}]
        assert ours.encode_chat(messages) == theirs.encode_chat(messages)
    assert ours.eos_ids >= theirs.eos_ids
    model.close()


def test_our_q8_0_is_llama_cpps_own(tmp_path):
    folder = make_tiny_model(tmp_path / "m")
    write_model(folder, tmp_path / "plain.gguf", "f32")
    write_model(folder, tmp_path / "ours.gguf", "q8_0")
    assert quantise(tmp_path / "plain.gguf", tmp_path / "theirs.gguf", find_file_type("q8_0")) == ()
    ours, theirs = (read_gguf(tmp_path / f"{name}.gguf") for name in ("ours", "theirs"))
    assert sorted(ours.tensors) == sorted(theirs.tensors)
    raw = [(tmp_path / f"{name}.gguf").read_bytes() for name in ("ours", "theirs")]
    sizes = sum(-(-tensor.data_bytes // 32) * 32 for tensor in ours.tensors)
    # llama.cpp puts tensors in its own order: the same blocks, of every tensor.
    assert sorted(block(ours, raw[0], sizes)) == sorted(block(theirs, raw[1], sizes))


def block(header, raw, sizes):
    """Yield each tensor's bytes."""
    at = len(raw) - sizes
    for tensor in header.tensors:
        yield raw[at : at + tensor.data_bytes]
        at += -(-tensor.data_bytes // 32) * 32


def test_types_that_llama_cpp_alone_makes(tmp_path):
    folder = make_tiny_model(tmp_path / "wide", hidden=256)
    sizes = {}
    for kind in ("q8_0", "q6_k", "q4_k_m", "q2_k"):
        out = tmp_path / f"{kind}.gguf"
        assert convert(resolve(str(folder)), GGUF, kind, out, replace=False) == ()
        spec = resolve(str(out))
        assert spec.quantisation == kind.upper()
        sizes[kind] = spec.weight_bytes
        model = llamacpp_model.load(out, None, 1)
        assert model.facts().dtype == kind
        assert np.isfinite(model.prefill([[5, 6, 7]])).all()
        model.close()
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    narrow = make_tiny_model(tmp_path / "narrow")
    (note,) = convert(resolve(str(narrow)), GGUF, "q4_k_m", tmp_path / "n.gguf", replace=False)
    assert note.startswith("100% of the weights are stored as ")
    assert note.endswith("do not fill Q4_K_M's blocks of 256")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Qwen3", "Mistral"])
def test_architectures_give_the_onnx_engines_logits(tmp_path, monkeypatch, kind):
    torch = pytest.importorskip("torch", reason="the extra [transformers] is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra [transformers] is not installed")
    monkeypatch.setenv(llamacpp_context.CACHE_VARIABLE, "f32")
    folder = make_tiny_model(tmp_path / "m")
    settings = (folder / "tokenizer_config.json").read_bytes()
    extra = {
        "Llama": {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 5e3,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
            "attention_bias": True,
            "mlp_bias": True,
        },
        "Qwen2": {"tie_word_embeddings": True},
        "Qwen3": {},
        "Mistral": {
            "sliding_window": None,
            "rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0},
        },
    }[kind]
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32 if kind == "Qwen3" else 16,
        max_position_embeddings=512,
        initializer_range=0.2,
        **extra,
    )
    torch.manual_seed(1)
    made = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    for name, parameter in made.named_parameters():
        if "bias" in name or "norm" in name:
            torch.nn.init.normal_(parameter, 1.0, 0.3)
    made.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_bytes(settings)
    write_model(folder, tmp_path / "m.gguf", "f32")
    ours, theirs = llamacpp_model.load(tmp_path / "m.gguf", None, 1), onnx_model.load(folder, None, 1)
    rng = np.random.default_rng(2)
    prompts = [rng.integers(0, 400, length).tolist() for length in (1, 30, 200)]
    expected = np.stack([theirs.prefill(prompts), theirs.decode([1, 2, 3])])
    assert np.ptp(expected) > 2
    assert np.abs(np.stack([ours.prefill(prompts), ours.decode([1, 2, 3])]) - expected).max() < 2e-3
    ours.close()
