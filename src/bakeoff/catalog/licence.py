"""May a model be used commercially? A policy over what model cards say. No legal advice.

A tag is metadata, and no grant: what is unknown stays unknown, and a model that was made of another one inherits the
stricter of the two licences. Each row of the table says where it is from; a row that was not read in the licence itself
says that, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from bakeoff.core.spec import Record

Commercial = Literal["yes", "conditional", "no", "unknown"]

_STRICTNESS: tuple[Commercial, ...] = ("yes", "conditional", "unknown", "no")
"""From the mildest; unknown is above conditional, since it is excluded where commercial use is asked for."""


class Licence(Record):
    """What a card, a file or a server says of a model's licence. `commercial_use` is the card's own `commercial:`.

    `unread` is a base model's that nobody could be asked about: no reason to leave a model out, and a condition to see to.
    """

    model: str = ""
    tag: str | None = None
    name: str | None = None
    link: str | None = None
    commercial_use: bool | None = None
    unread: bool = False

    @property
    def is_named(self) -> bool:
        """Whether a licence is named at all, by tag or by name, known here or not."""
        return not {_normal(self.tag), _normal(self.name)} <= _NAMELESS


class LicenceVerdict(Record):
    """Whether commercial use is allowed, under which conditions, why, and where that is from."""

    commercial: Commercial
    conditions: tuple[str, ...] = ()
    source: str
    reason: str


class _Row(NamedTuple):
    pattern: re.Pattern[str]
    commercial: Commercial
    conditions: tuple[str, ...]
    source: str


_LIST = "the tag list of Hugging Face (hub-docs: docs/hub/repositories-licenses.md)"
_BY_TITLE = f"its title in {_LIST}"
_NOTICES = ("keep the copyright and licence notices",)
_USES = ("restrictions on use, which pass on to whoever receives the model or what is made of it",)
_LLAMA = (
    "the licence's acceptable use policy",
    "a licence of its own is needed above 700 million monthly users at the release",
    'show "Built with Llama"; names of models made of it begin with "Llama"',
)
_LLAMA_SOURCE = "meta-llama/llama-models: models/llama3_1/LICENSE"
_EU = "its multimodal versions are not licensed to those in the European Union (from memory)"


def _row(pattern: str, commercial: Commercial, conditions: tuple[str, ...], source: str) -> _Row:
    return _Row(re.compile(pattern), commercial, conditions, source)


_TABLE = (
    _row(r"apache-2\.0|mit|bsd(-.*)?|isc", "yes", _NOTICES, _LIST),
    _row(r"unlicense|cc0-1\.0", "yes", (), _LIST),
    _row(r"openmdw-1\.[01]", "yes", _NOTICES, "its name; not read"),
    _row(r"cc-by-nc-.*|cc-by-nc", "no", (), _BY_TITLE),
    _row(
        r"fair-noncommercial-research-license|apple-amlr|intel-research|h-research|deepfloyd-if-license",
        "no",
        (),
        _BY_TITLE,
    ),
    _row(r"cc-by-[\d.]+", "conditional", ("name the author, and what was changed",), _LIST),
    _row(
        r"cc-by-sa-.*",
        "conditional",
        ("name the author, and what was changed", "what is made of it and passed on has the same licence"),
        _LIST,
    ),
    _row(
        r"(a|l)?gpl(-.*)?|mpl-2\.0",
        "conditional",
        ("copyleft: what is made of it and passed on has the same licence",),
        _LIST,
    ),
    _row(
        r"bigscience-bloom-rail-1\.0|bigscience-openrail-m|bigcode-openrail-m|openrail|openrail\+\+|creativeml-openrail-m",
        "conditional",
        (*_USES, "among them no medical advice, no law enforcement and no asylum procedures (BigScience RAIL)"),
        "BigScience RAIL License v1.0",
    ),
    _row(r"llama2|llama3|llama3\.1", "conditional", _LLAMA, _LLAMA_SOURCE),
    _row(r"llama3\.[23]|llama4", "conditional", (*_LLAMA, _EU), f"{_LLAMA_SOURCE}; later versions from memory"),
    _row(
        r"gemma",
        "conditional",
        ("the Gemma Prohibited Use Policy", "Google may restrict use that it finds to break the terms"),
        "Gemma Terms of Use (for Gemma 1 to 3; Gemma 4 is apache-2.0)",
    ),
    _row(
        r"lfm1\.0|lfm-?open.*",
        "conditional",
        ("free below 10 million dollars of revenue a year",),
        "Liquid AI's documentation",
    ),
    _row(
        r"qwen-?research.*|mrl(-.*)?|mistral-(ai-)?research.*|mnpl.*|exaone.*",
        "no",
        (),
        "secondary sources and memory; read the licence",
    ),
    _row(
        r"qwen|tongyi-qianwen.*|qwen-license.*",
        "conditional",
        ("a licence of its own is needed above 100 million monthly users",),
        "secondary sources; read the licence",
    ),
    _row(
        r"modified-mit",
        "conditional",
        (
            "what was modified, which differs: Kimi's has its name shown above 100 million monthly users or 20 million dollars of monthly revenue",
        ),
        "Kimi K2's LICENSE; of others not read",
    ),
    _row(
        r"deepseek(-license)?",
        "conditional",
        (*_USES, "among them no military use (Attachment A)"),
        "DeepSeek License Agreement v1.0, from memory; read the licence",
    ),
    _row(
        r"falcon-llm-license|falcon-mamba-7b-license|tii-falcon.*",
        "conditional",
        (
            "the acceptable use policy of the Technology Innovation Institute, as it is changed from time to time",
            "say that what is made of it is built with Falcon technology of that institute",
            "the TII Falcon LLM License 1.0 of 2023 wants a share of revenue above a million dollars",
        ),
        "Falcon 2 11B TII License 1.0; its other versions from memory; read the licence",
    ),
    _row(
        r"nvidia-open-model-license(-agreement)?",
        "conditional",
        (
            'pass on the licence and the notice "Licensed by NVIDIA Corporation under the NVIDIA Open Model License"',
            "the rights end for whoever gets round its guardrails without others as good, or sues over it",
        ),
        "NVIDIA Open Model License Agreement, partly from memory; read the licence",
    ),
    _row(
        r"stabilityai-ai-community|stabilityai-community",
        "conditional",
        ("free below a million dollars of revenue a year, after registering", 'show "Powered by Stability AI"'),
        "Stability AI Community License, from memory; read the licence",
    ),
    _row(
        r"jamba-open-model-license",
        "conditional",
        ("free below 50 million dollars of revenue a year",),
        "Jamba Open Model License, from memory; read the licence",
    ),
    _row(
        r"tencent-hunyuan-community",
        "conditional",
        (
            "it does not apply in the European Union, the United Kingdom and South Korea",
            "a licence of its own is needed above 100 million monthly users",
            "its acceptable use policy; no other models may be improved with it",
        ),
        "Tencent Hunyuan Community License Agreement; its limits partly from memory; read the licence",
    ),
    _row(r"(.*[-_ (])?non-?commercial.*|.*-nc(-.*)?", "no", (), "its own name"),
)
"""The first row that matches counts. Tags are those of Hugging Face; `license_name` is looked up where the tag is `other`."""

_ALIASES = {
    "apache 2.0": "apache-2.0",
    "apache-2": "apache-2.0",
    "apache license 2.0": "apache-2.0",
    "apache license, version 2.0": "apache-2.0",
    "mit license": "mit",
    "llama-2": "llama2",
    "llama-3": "llama3",
}
_NAMELESS = frozenset({"", "other", "unknown", "none", "n/a"})

_APACHE = "apache-2.0"
_MIT = "mit"
_TEXTS = tuple(
    (re.compile(pattern.replace(" ", r"\s+")), tag)
    for pattern, tag in (
        (r"apache license version 2\.0", _APACHE),
        (r"permission is hereby granted, free of charge, to any person obtaining a copy", _MIT),
        (r"modified mit license|our only modification part is that", "modified-mit"),
        (r"llama (\d(?:\.\d)?) community license", "llama"),
        (r"gemma terms of use", "gemma"),
        (r"qwen research license", "qwen-research"),
        (r"tongyi qianwen license|qwen license agreement", "qwen"),
        (r"mistral ai research license", "mistral-research"),
        (r"mistral ai non-production license", "mnpl"),
        (r"exaone ai model license", "exaone"),
        (r"bigscience (?:rail|openrail-m)|bigscience.{0,20}rail license", "bigscience-openrail-m"),
        (r"creative commons attribution-noncommercial", "cc-by-nc-4.0"),
        (r"lfm open license", "lfm1.0"),
        (r"tii falcon (?:llm )?license|falcon 2 11b tii license", "tii-falcon-license"),
        (r"deepseek license agreement", "deepseek"),
        (r"nvidia open model license", "nvidia-open-model-license"),
        (r"stability ai community license", "stabilityai-ai-community"),
        (r"jamba open model license", "jamba-open-model-license"),
        (r"tencent hunyuan community license", "tencent-hunyuan-community"),
    )
)
"""What stands near the beginning of a licence's text, and the tag that it goes by."""

_PREFACE = re.compile(r"\W*|(?:the )?mit license(?: \(mit\))?|\W*(?:copyright\b|\(c\)|©).*|all rights reserved\.?")
"""The lines that may stand above a licence that asks for nothing but notices; after any other it is part of another licence."""
_MIT_END = re.compile(r"other\s+dealings\s+in\s+the\s+software\W*")


def judge_licence(
    tag: str | None,
    name: str | None = None,
    link: str | None = None,
    commercial_flag: bool | None = None,
    base_licences: Sequence[Licence] = (),
) -> LicenceVerdict:
    """Judge a licence by its tag, or by its name where the tag says `other`, and by those of the models it was made of.

    `commercial_flag` is the card's `commercial:`; False decides, True grants nothing. Of several licences the strictest
    counts, and all conditions hold.

    >>> judge_licence("other", commercial_flag=False).commercial, judge_licence(None).commercial
    ('no', 'unknown')
    >>> judge_licence("apache-2.0", base_licences=[Licence(model="a/b", tag="llama3.1")]).commercial
    'conditional'
    """
    verdict = _judge_one(tag, name, link, commercial_flag)
    for base in base_licences:
        inherited = (
            _unread(base.model) if base.unread else _judge_one(base.tag, base.name, base.link, base.commercial_use)
        )
        verdict = _stricter(verdict, inherited, base.model)
    return verdict


def _unread(model: str) -> LicenceVerdict:
    return LicenceVerdict(
        commercial="conditional",
        conditions=(f"those of {model}, which it was made of: its licence could not be read",),
        source="the model card",
        reason="its licence could not be read",
    )


def _judge_one(tag: str | None, name: str | None, link: str | None, flag: bool | None) -> LicenceVerdict:
    written = _normal(tag)
    called = _normal(name)
    if flag is False:
        shown = name or tag or "its licence"
        return LicenceVerdict(
            commercial="no", source="the model card", reason=f"the card says commercial: false ({shown})"
        )
    wanted = called if written in _NAMELESS else written
    for row in _TABLE:
        if wanted not in _NAMELESS and row.pattern.fullmatch(wanted):
            return LicenceVerdict(
                commercial=row.commercial,
                conditions=row.conditions,
                source=row.source,
                reason=_REASONS[row.commercial].format(licence=wanted),
            )
    where = f"; read it at {link}" if link else ""
    if wanted in _NAMELESS:
        reason = (
            f"the licence is {'of a kind of its own, without a name' if written == 'other' else 'not stated'}{where}"
        )
    else:
        reason = f"the licence {wanted} is none that bakeoff knows{where}"
    return LicenceVerdict(commercial="unknown", source="the model card", reason=reason)


_REASONS: dict[Commercial, str] = {
    "yes": "{licence} allows commercial use",
    "conditional": "{licence} allows commercial use under conditions",
    "no": "{licence} does not allow commercial use",
}


def _stricter(own: LicenceVerdict, base: LicenceVerdict, model: str) -> LicenceVerdict:
    conditions = tuple(dict.fromkeys((*own.conditions, *base.conditions)))
    if _STRICTNESS.index(base.commercial) <= _STRICTNESS.index(own.commercial):
        return own.model_copy(update={"conditions": conditions})
    reason = f"inherited from {model or 'the model it was made of'}: {base.reason}"
    return base.model_copy(update={"reason": reason, "conditions": conditions})


def _normal(text: str | None) -> str:
    plain = " ".join((text or "").split()).lower()
    return _ALIASES.get(plain, plain)


def recognise_text(text: str) -> str | None:
    r"""Return the tag of a licence whose text this is (Ollama gives the text, and a tag only at times), or None.

    Apache's and MIT's licence are what others are made of: they count only where the text begins with them, and MIT's only
    where nothing follows.

    >>> recognise_text("LLAMA 3.2 COMMUNITY LICENSE AGREEMENT"), recognise_text("Apache License\n  Version 2.0, 2004")
    ('llama3.2', 'apache-2.0')
    """
    lines = (" ".join(line.split()) for line in text[:20_000].lower().splitlines())
    plain = "\n".join(line for line in lines if line)
    found = [(match, tag) for pattern, tag in _TEXTS if (match := pattern.search(plain)) and _stands(match, tag)]
    if not found:
        named = _normal(plain)
        return named if any(row.pattern.fullmatch(named) for row in _TABLE) else None
    match, tag = min(found, key=lambda each: each[0].start())
    return f"llama{match[1].removesuffix('.0')}" if tag == "llama" else tag


def _stands(match: re.Match[str], tag: str) -> bool:
    """Whether what was found is the licence itself, and not named by another one."""
    if tag not in {_APACHE, _MIT}:
        return True
    *above, before = match.string[: match.start()].split("\n")
    if not all(_PREFACE.fullmatch(line) for line in above) or re.search(r"\w", before):
        return False
    end = _MIT_END.search(match.string) if tag == _MIT else None
    return end is None or end.end() == len(match.string)
