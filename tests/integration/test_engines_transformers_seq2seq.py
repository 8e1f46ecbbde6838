"""Encoder-decoder models: a random T5 made with the library, against the library's own `generate`."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra [transformers] is not installed")
pytest.importorskip("transformers", reason="the extra [transformers] is not installed")

from bakeoff.core.errors import UnsupportedModel
from bakeoff.engines import transformers_model
from bakeoff.engines.text import TextCodec
from tiny_model import make_tokenizer

PROMPTS = [[10, 11, 12, 1], [20] * 17 + [1], [30, 31, 1], [*range(40, 60), 1]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("t5")
    torch.manual_seed(5)
    config = T5Config(
        vocab_size=400,
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=3,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
        initializer_factor=3.0,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    make_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>"}))
    return folder


def library_greedy(folder, prompt, tokens):
    import torch
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    ids = torch.tensor([prompt])
    mask = torch.ones_like(ids)
    # Nothing ends it, as our own loop has no end token.
    out = model.generate(
        ids, attention_mask=mask, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, eos_token_id=-1
    )
    return out[0, 1:].tolist()


def test_greedy_text_is_the_librarys_whatever_joins_and_leaves(folder):
    model = transformers_model.load(folder, "cpu", 1)
    wanted = [library_greedy(folder, prompt, 12) for prompt in PROMPTS]
    texts = {number: [] for number in range(len(PROMPTS))}
    active = []
    for number, prompt in enumerate(PROMPTS):  # one joins every second step
        texts[number].append(int(model.prefill([prompt])[0].argmax()))
        active.append(number)
        for _ in range(2):
            for row, logits in zip(active, model.decode([texts[row][-1] for row in active]), strict=True):
                texts[row].append(int(logits.argmax()))
    while active:
        kept = [index for index, row in enumerate(active) if len(texts[row]) < 12]
        model.keep(kept)
        active = [active[index] for index in kept]
        if active:
            for row, logits in zip(active, model.decode([texts[row][-1] for row in active]), strict=True):
                texts[row].append(int(logits.argmax()))
    assert [texts[number][:12] for number in range(len(PROMPTS))] == wanted
    assert len({tuple(text) for text in wanted}) > 1, "the texts say nothing: all prompts give the same one"


def test_equal_prompts_of_one_call_are_equal_rows(folder):
    model = transformers_model.load(folder, "cpu", 1)
    first = model.prefill([PROMPTS[0], PROMPTS[1], PROMPTS[0]])
    assert model.rows == 3
    assert np.array_equal(first[0], first[2])
    after = model.decode([7, 8, 7])
    assert np.abs(after[0] - after[2]).max() < 1e-5
    model.keep([1, 2])
    alone = transformers_model.load(folder, "cpu", 1)
    alone.prefill([PROMPTS[1]])
    alone.decode([8])
    assert np.abs(model.decode([9, 9])[0] - alone.decode([9])[0]).max() < 1e-3


def test_a_prompt_that_cannot_be_computed_leaves_the_other_rows_alone(folder):
    model = transformers_model.load(folder, "cpu", 1)
    model.prefill([PROMPTS[0]])
    with pytest.raises(ValueError, match="outside the vocabulary"):
        model.prefill([PROMPTS[1], [5000]])
    assert model.rows == 1
    assert model.decode([4]).shape == (1, 400)


def test_facts(folder):
    facts = transformers_model.load(folder, None, 1).facts()
    assert (facts.device, facts.dtype, facts.context_length, facts.vocab_size) == ("cpu", "float32", 1024, 400)


def test_without_a_template_the_last_users_words_are_the_prompt(folder):
    codec = TextCodec.load(folder)
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Translate: yes"},
        {"role": "assistant", "content": "Ja."},
        {"role": "user", "content": "Translate: no"},
    ]
    assert codec.encode_chat(messages) == codec.encode("Translate: no")


def test_absolute_positions_are_refused_and_not_computed_wrongly(tmp_path):
    import torch
    from transformers import BartConfig, BartForConditionalGeneration

    torch.manual_seed(2)
    config = BartConfig(
        vocab_size=100,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=64,
        init_std=0.5,
    )
    BartForConditionalGeneration(config).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModel, match="counts its positions absolutely"):
        transformers_model.load(tmp_path, "cpu", 1)


def test_an_operator_that_the_device_lacks_is_the_users_own_error_though_the_rows_meet_it_first(folder, monkeypatch):
    from transformers.models.t5.modeling_t5 import T5LayerFF

    def fail(*_arguments, **_options):  # as torch says it on Metal
        raise NotImplementedError("The operator 'aten::_foo' is not currently implemented for the MPS device.")

    monkeypatch.setattr(T5LayerFF, "forward", fail)
    with pytest.raises(UnsupportedModel, match="torch cannot compute aten::_foo on cpu") as refused:
        transformers_model.load(folder, "cpu", 1)
    assert "--allow-fallback" in refused.value.hint


def test_logits_that_are_no_numbers_are_not_taken_for_a_wrong_position(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    sick = tmp_path / "sick"
    sick.mkdir()
    for file in folder.iterdir():
        (sick / file.name).write_bytes(file.read_bytes())
    weights = load_file(sick / "model.safetensors")
    weights["decoder.final_layer_norm.weight"][:] = float("nan")
    save_file(weights, sick / "model.safetensors", {"format": "pt"})
    with pytest.raises(UnsupportedModel, match="in float32 on cpu, the model's logits are not finite"):
        transformers_model.load(sick, "cpu", 1)
