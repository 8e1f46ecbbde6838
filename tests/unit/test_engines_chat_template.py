"""Whether a model brings a chat template, and what one that brings none is asked in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bakeoff.engines.chat_template import FALLBACK, ChatTemplate, brings_template
from made_gguf import KEYS, write_gguf


def test_what_a_model_without_a_template_reads() -> None:
    assert "\n" not in FALLBACK
    template = ChatTemplate.parse(None, {}, Path("tokenizer_config.json"))
    assert template.is_fallback
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello {{ 1 }}\\n"}]
    assert template.render(messages) == "System: Be brief.\n\nUser: Hello {{ 1 }}\\n\n\nAssistant:"


@pytest.mark.parametrize(
    ("settings", "jinja", "brings"),
    [
        ({}, None, False),
        ({"chat_template": None}, None, False),
        ({"chat_template": [{"name": "tools", "template": "x"}]}, None, False),
        ({"chat_template": [{"name": "default", "template": "x"}]}, None, True),
        ({"chat_template": "x"}, None, True),
        ({}, "x", True),
    ],
)
def test_a_folder_brings_one_in_its_settings_or_in_a_file(
    tmp_path: Path, settings: object, jinja: str | None, brings: bool
) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    if jinja is not None:
        (tmp_path / "chat_template.jinja").write_text(jinja)
    assert brings_template(tmp_path) is brings


def test_a_folder_without_settings_brings_none(tmp_path: Path) -> None:
    assert not brings_template(tmp_path)


def test_an_encoder_decoder_model_wants_nothing_around_its_one_message(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"is_encoder_decoder": true}')
    assert brings_template(tmp_path)


def test_a_gguf_file_brings_one_in_its_header(tmp_path: Path) -> None:
    assert brings_template(write_gguf(tmp_path / "own.gguf"))
    bare = {key: value for key, value in KEYS.items() if key != "tokenizer.chat_template"}
    assert not brings_template(write_gguf(tmp_path / "bare.gguf", bare))


def test_of_what_cannot_be_read_nothing_is_said(tmp_path: Path) -> None:
    assert brings_template(tmp_path / "gone")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    assert brings_template(tmp_path / "broken.gguf")
    (tmp_path / "tokenizer_config.json").write_text("{")
    assert brings_template(tmp_path)


MARKED = (
    "{% for message in messages %}{{ '<' ~ message.role ~ '>' }}\n"
    "{% if message.role == 'assistant' %}{% generation %}{% set end = '</s>' %}{{ message.content ~ end }}"
    "{% endgeneration %}{% else %}{{ message.content }}{% endif %}{{ end }}\n{% endfor %}"
    "{% if tools is not none %}tools!{% endif %}{% if documents is not none %}documents!{% endif %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""As SmolLM3's, Phi-4-reasoning-plus's and LFM2.5's mark what to train on."""


def test_a_template_that_marks_what_to_train_on_says_what_it_says_in_transformers() -> None:
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Go on"},
    ]
    said = ChatTemplate.parse(MARKED, {}, Path("chat_template.jinja")).render(messages)
    assert said == "<user>\nHello\n<assistant>\nYes?</s>\n<user>\nGo on\n<assistant>"
    transformers = pytest.importorskip("transformers.utils.chat_template_utils")
    (theirs,), _ = transformers.render_jinja_template([messages], chat_template=MARKED, add_generation_prompt=True)
    assert said == theirs
