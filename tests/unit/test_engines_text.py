"""Chat templates, special tokens and end-of-text ids as model folders spell them."""

import json

import pytest
from tokenizers import processors

from bakeoff.core.errors import InvalidFile, UsageError
from bakeoff.engines.requests import PromptTooLong
from bakeoff.engines.text import LONG_TEXT, MOST_CHARACTERS_A_TOKEN, TextCodec
from tiny_model import make_tokenizer

USER = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def write(tmp_path):
    def make(tokenizer=None, **files):
        (tokenizer or make_tokenizer()).save(str(tmp_path / "tokenizer.json"))
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / name.replace("__", ".")).write_text(text)
        return tmp_path

    return make


def rendered(folder, messages=USER):
    codec = TextCodec.load(folder)
    return codec._template.render(messages)


def test_the_template_of_its_own_file_comes_first(write):
    folder = write(
        tokenizer_config__json={"chat_template": "config"}, chat_template__jinja="{{ messages[0]['content'] }}!"
    )
    assert rendered(folder) == "Hi!"


def test_of_several_templates_the_default_is_taken(write):
    templates = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "{{ bos_token }}yes"}]
    folder = write(tokenizer_config__json={"chat_template": templates, "bos_token": {"content": "<s>"}})
    assert rendered(folder) == "<s>yes"


def test_without_a_template_the_plain_form_is_used(write):
    messages = [{"role": "system", "content": "Be brief."}, *USER]
    assert rendered(write(), messages) == "System: Be brief.\n\nUser: Hi\n\nAssistant:"


def test_a_template_may_refuse_and_cannot_reach_out_of_its_sandbox(write):
    folder = write(
        chat_template__jinja="{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    )
    with pytest.raises(UsageError, match="no system"):
        rendered(folder, [{"role": "system", "content": "x"}])
    folder = write(chat_template__jinja="{{ messages.__class__.__mro__ }}")
    with pytest.raises(UsageError, match="unsafe"):
        rendered(folder)


def test_a_template_that_loops_for_ever_is_stopped_and_one_that_counts_is_not(write):
    many = "{% for i in range(99999) %}"
    with pytest.raises(UsageError, match="counts beyond"):
        rendered(write(chat_template__jinja=many + many + "x{% endfor %}{% endfor %}"))
    codec = TextCodec.load(write(chat_template__jinja=many + "{% endfor %}{{ range(1) | list }}"))
    assert [codec._template.render(USER) for _ in range(2)] == ["[0]"] * 2  # each rendering counts from 0


def test_a_template_that_is_none_is_named_with_its_line(write):
    with pytest.raises(InvalidFile) as caught:
        TextCodec.load(write(chat_template__jinja="a\n{% if %}"))
    assert (caught.value.problems[0].line, caught.value.problems[0].field) == (2, "chat_template")


def test_the_date_is_told_only_to_templates_that_cannot_do_without(write):
    folder = write(chat_template__jinja="{% if strftime_now is defined %}today{% else %}timeless{% endif %}")
    assert rendered(folder) == "timeless"
    assert rendered(write(chat_template__jinja="{{ strftime_now('%Y') }}")).startswith("20")


def test_there_is_never_a_second_begin_of_text(write):
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens(["<s>"])
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)])
    config = {"bos_token": "<s>", "chat_template": "{{ bos_token }}{{ messages[0]['content'] }}"}
    codec = TextCodec.load(write(tokenizer, tokenizer_config__json=config))
    assert codec.encode_chat(USER).count(bos) == 1
    assert codec.encode("<s>Hi").count(bos) == 1
    assert codec.encode("Hi").count(bos) == 1
    (write(tokenizer) / "tokenizer_config.json").write_text('{"bos_token": "<s>"}')
    assert TextCodec.load(write(tokenizer)).encode_chat(USER).count(bos) == 1


def test_a_text_that_cannot_fit_is_not_encoded(write):
    codec = TextCodec.load(write())
    hopeless = "a " * (MOST_CHARACTERS_A_TOKEN * 5)
    for encode in (codec.encode, lambda text, context: codec.encode_chat([{"role": "user", "content": text}], context)):
        with pytest.raises(PromptTooLong, match="characters, and the context holds 8 tokens"):
            encode(hopeless, 8)
        assert len(encode(hopeless, 16)) > 16  # who counts tokens says so


def test_a_long_text_has_the_ids_of_its_parts(write):
    codec = TextCodec.load(write())
    assert codec.encode(" The cat sat." * LONG_TEXT) == codec.encode(" The cat sat.") * LONG_TEXT


def test_every_file_may_name_an_end_of_text(write):
    folder = write(
        generation_config__json={"eos_token_id": [7, 8]},
        config__json={"eos_token_id": 9},
        tokenizer_config__json={"eos_token": {"content": "<|end|>"}},
    )
    assert TextCodec.load(folder).eos_ids == {0, 7, 8, 9}
    assert TextCodec.load(write(generation_config__json={"eos_token_id": None}, config__json={})).eos_ids == {0}


@pytest.mark.parametrize(("name", "content"), [("tokenizer.json", "{}"), ("config.json", "[]"), ("config.json", "{")])
def test_files_that_are_not_what_they_should_be(write, name, content):
    folder = write()
    (folder / name).write_text(content)
    with pytest.raises(InvalidFile, match=name):
        TextCodec.load(folder)


def test_a_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(InvalidFile, match="no such file"):
        TextCodec.load(tmp_path)


def test_how_a_tokenizer_file_was_last_cut_or_filled_changes_no_prompt(write):
    """Training code leaves it in the file: a prompt was cut to so many tokens, its marker of the assistant's turn with it."""
    whole = TextCodec.load(write()).encode("The quick brown fox " * 40)
    tokenizer = make_tokenizer()
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=512)
    codec = TextCodec.load(write(tokenizer))
    assert codec.encode("The quick brown fox " * 40) == whole
    assert len(whole) > 40
    assert len(codec.encode("Hi")) < 5


def test_what_surrounds_thoughts_is_text_though_a_tokenizer_calls_it_special(write):
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens(["<think>", "</think>", "<|tool|>"])
    codec = TextCodec.load(write(tokenizer))
    ids = codec.encode("<think>Hm.</think> Hello<|tool|>")
    assert codec.decode(ids) == "<think>Hm.</think> Hello"
    stream = codec.stream()
    assert "".join([*(stream.push(id_) for id_ in ids), stream.finish()]) == "<think>Hm.</think> Hello"


def test_whether_a_prompt_opens_a_thought_is_seen_at_its_end(write):
    template = "{{ messages[0]['content'] }}<|assistant|><think>\n"
    thinks, others = TextCodec.load(write(chat_template__jinja=template)), TextCodec.load(write())
    assert thinks.opens_thought(thinks.encode_chat(USER))
    speaks = [{"role": "user", "content": "What does <think> mean?"}]
    assert not any(codec.opens_thought(codec.encode("Hi")) for codec in (thinks, others))
    assert not others.opens_thought(others.encode(speaks[0]["content"]))
