"""May it be used commercially: the table, the card's word, and what a base model hands on."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.catalog.licence import Licence, judge_licence, recognise_text
from bakeoff.catalog.model_card import licence_in_gguf, read_card
from bakeoff.catalog.registry import find_entry

TAGS = {
    "yes": [
        "apache-2.0",
        "mit",
        "bsd-3-clause",
        "bsd",
        "isc",
        "unlicense",
        "cc0-1.0",
        "openmdw-1.1",
        "Apache 2.0",
        " MIT ",
    ],
    "conditional": [
        *("cc-by-4.0", "cc-by-sa-4.0", "gpl-3.0", "agpl-3.0", "lgpl", "mpl-2.0", "bigscience-bloom-rail-1.0"),
        *("bigcode-openrail-m", "openrail++", "openrail", "llama2", "llama3.1", "llama4", "gemma"),
    ],
    "no": ["cc-by-nc-4.0", "cc-by-nc-sa-4.0", "apple-amlr", "intel-research", "deepfloyd-if-license"],
    "unknown": ["grok2-community", "unknown", "other", "", None, "cc-by-nd-4.0", "mitx", "my-own-licence", "\x00"],
}


@pytest.mark.parametrize(("commercial", "tag"), [(word, tag) for word, tags in TAGS.items() for tag in tags])
def test_a_tag_is_judged_by_the_table(commercial: str, tag: str | None) -> None:
    verdict = judge_licence(tag)
    assert verdict.commercial == commercial
    assert verdict.source
    assert verdict.reason
    assert commercial != "conditional" or verdict.conditions


@pytest.mark.parametrize(
    ("name", "commercial"),
    [
        *(
            ("lfm1.0", "conditional"),
            ("qwen-research", "no"),
            ("mrl", "no"),
            ("mistral-research", "no"),
            ("exaone", "no"),
        ),
        *(
            ("qwen", "conditional"),
            ("llama3", "conditional"),
            ("some-noncommercial-licence", "no"),
            ("their-own", "unknown"),
        ),
        *(
            (name, "conditional")
            for name in (
                *("modified-mit", "deepseek", "falcon-llm-license", "nvidia-open-model-license"),
                *("stabilityai-ai-community", "jamba-open-model-license", "tencent-hunyuan-community"),
            )
        ),
    ],
)
def test_a_licence_of_its_own_kind_is_judged_by_its_name(name: str, commercial: str) -> None:
    assert judge_licence("other", name).commercial == commercial


def test_a_row_from_memory_says_so() -> None:
    assert "memory" in judge_licence("other", "qwen-research").source
    assert any("memory" in condition for condition in judge_licence("llama3.2").conditions)
    assert "secondary" in judge_licence("other", "qwen").source


@pytest.mark.parametrize(
    ("model", "commercial"),
    [
        ("TinyLlama-1.1B-Chat-v1.0", "yes"),
        ("bloom-560m", "conditional"),
        ("opt-2.7b", "no"),
        ("DialoGPT-medium", "yes"),
        ("gpt-neo-1.3B", "yes"),
        ("flan-t5-large", "yes"),
    ],
)
def test_the_seeds_six(model: str, commercial: str) -> None:
    entry = find_entry(model)
    assert judge_licence(entry.licence, entry.licence_name, None, entry.commercial_use).commercial == commercial


def test_the_cards_no_decides_and_its_yes_grants_nothing() -> None:
    assert judge_licence("apache-2.0", commercial_flag=False).commercial == "no"
    assert "commercial: false" in judge_licence("other", commercial_flag=False).reason
    assert judge_licence("other", commercial_flag=True).commercial == "unknown"
    assert judge_licence("cc-by-nc-4.0", commercial_flag=True).commercial == "no"


def test_what_it_was_made_of_hands_its_licence_on() -> None:
    verdict = judge_licence("apache-2.0", base_licences=[Licence(model="meta-llama/Llama-3.1-8B", tag="llama3.1")])
    assert verdict.commercial == "conditional"
    assert "meta-llama/Llama-3.1-8B" in verdict.reason
    assert any("700 million" in condition for condition in verdict.conditions)
    milder = judge_licence("llama3.1", base_licences=[Licence(model="a/b", tag="mit")])
    assert (milder.commercial, "Built with" in str(milder.conditions), "notices" in str(milder.conditions)) == (
        "conditional",
        True,
        True,
    )
    assert judge_licence("mit", base_licences=[Licence(model="a/b")]).commercial == "unknown"


def test_an_unknown_licence_says_where_it_can_be_read() -> None:
    assert "https://example.org/licence" in judge_licence("other", "theirs", "https://example.org/licence").reason


licences = st.builds(
    Licence,
    tag=st.sampled_from(list(itertools.chain(*TAGS.values()))),
    commercial_use=st.sampled_from([None, True, False]),
)


@given(licences, st.lists(licences, max_size=3))
def test_no_base_makes_a_licence_milder_and_their_order_does_not_matter(own: Licence, bases: list[Licence]) -> None:
    order = ["yes", "conditional", "unknown", "no"]
    alone = judge_licence(own.tag, commercial_flag=own.commercial_use)
    verdict = judge_licence(own.tag, commercial_flag=own.commercial_use, base_licences=bases)
    turned = judge_licence(own.tag, commercial_flag=own.commercial_use, base_licences=bases[::-1])
    assert order.index(verdict.commercial) >= order.index(alone.commercial)
    assert verdict.commercial == turned.commercial
    assert set(verdict.conditions) == set(turned.conditions)


MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy ... OR THE USE OR OTHER DEALINGS IN THE\nSOFTWARE."


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        (
            "                Apache License\n          Version 2.0, January 2004\n http://www.apache.org/licenses/\n",
            "apache-2.0",
        ),
        (
            "MIT License\n\nCopyright (c) Microsoft\n\nPermission is hereby granted, free of charge, to any person\nobtaining a copy of",
            "mit",
        ),
        ("LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\nLlama 3.2 Version Release Date: September 25, 2024", "llama3.2"),
        ("META LLAMA 3 COMMUNITY LICENSE AGREEMENT", "llama3"),
        ("Gemma Terms of Use\n\nLast modified: February 21, 2024", "gemma"),
        (
            "Qwen RESEARCH LICENSE AGREEMENT\n\nQwen RESEARCH LICENSE AGREEMENT Release Date: September 19, 2024",
            "qwen-research",
        ),
        (
            "Falcon 3 TII Falcon License\n\nThis license is, in part, based on the Apache License\nVersion 2.0 (available at ...)",
            "tii-falcon-license",
        ),
        ("Falcon 2 11B TII License Version 1.0\nbased on the Apache License Version 2.0", "tii-falcon-license"),
        ("# Apache License\n\nVersion 2.0, January 2004", "apache-2.0"),
        ("Copyright 2025 Them: based on the Apache License Version 2.0", None),
        ("Their Licence\n\nThis is the Apache License Version 2.0 with restrictions", None),
        ("Their Licence\nApache License\nVersion 2.0\nholds for the code alone", None),
        ("Copyright 2024 Alibaba Cloud\n\n   Apache License\n   Version 2.0, January 2004", "apache-2.0"),
        (f"The MIT License (MIT)\n\n(c) 2025 A. Author\n\n{MIT}", "mit"),
        (
            f"Modified MIT License\n\nCopyright (c) 2025 Moonshot AI\n\n{MIT}\n\nOur only modification part is that",
            "modified-mit",
        ),
        (f"Copyright (c) 2025 A. Author\n\n{MIT}\n\nNobody may sell it.", None),
        ("DEEPSEEK LICENSE AGREEMENT\n\nVersion 1.0, 23 October 2023", "deepseek"),
        ("NVIDIA Open Model License Agreement\nLast Modified: October 24, 2025", "nvidia-open-model-license"),
        ("TENCENT HUNYUAN COMMUNITY LICENSE AGREEMENT\nTencent Hunyuan-MT Release Date", "tencent-hunyuan-community"),
        ("mit", "mit"),
        ("Nobody may do anything.", None),
        ("", None),
    ],
)
def test_a_licence_is_known_by_its_text(text: str, tag: str | None) -> None:
    assert recognise_text(text) == tag


@pytest.mark.parametrize(
    ("header", "text", "commercial"),
    [
        ({"general.license": "other", "general.license.name": "lfm1.0"}, None, "conditional"),
        ({"general.license": "other", "general.license.name": "qwen-research"}, None, "no"),
        ({"general.license": "other"}, None, "unknown"),
        ({"general.license": "other"}, "Gemma Terms of Use", "conditional"),
        ({"general.license": "other", "general.license.name": "theirs"}, "Gemma Terms of Use", "conditional"),
        ({"general.license": "cc-by-nc-4.0"}, "Gemma Terms of Use", "no"),
        ({"general.license": 7}, "Nobody may do anything.", "unknown"),
        ({}, "Apache License\nVersion 2.0", "yes"),
    ],
)
def test_a_gguf_header_is_read_with_the_name_and_a_text_where_it_names_nothing_known(
    header: dict[str, object], text: str | None, commercial: str
) -> None:
    found = licence_in_gguf("a/b", header.get, text)
    assert judge_licence(found.tag, found.name, found.link).commercial == commercial


def test_a_gguf_headers_link_says_where_an_unknown_licence_can_be_read() -> None:
    found = licence_in_gguf("m", {"general.license": "other", "general.license.link": "https://example.org/l"}.get)
    assert "https://example.org/l" in judge_licence(found.tag, found.name, found.link).reason


@pytest.mark.parametrize("odd", [7, True, {"a": "b"}, [7, None], 2.5])
def test_a_card_that_names_its_base_oddly_names_none(odd: object) -> None:
    assert read_card("m", {"base_model": odd}).bases == ()
