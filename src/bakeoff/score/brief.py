"""What can be checked about a text: a brief as the scoring room sees it.

Everything here is declared by the author of the brief. Nothing is guessed from the prompt, except where a dimension
says so.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from bakeoff.core.spec import Record
from bakeoff.score.normal import require_searchable
from bakeoff.score.norms import ContentNorms, PartName, canonical_content_type, norms_for


class Limits(Record):
    """Bounds that the brief states, each inclusive; None where it states none. Unknown keys are refused.

    Words are runs of non-space that hold a letter or digit; characters are code points; paragraphs are separated by a
    blank line.
    """

    min_words: int | None = Field(default=None, ge=0, strict=True)
    max_words: int | None = Field(default=None, ge=1, strict=True)
    min_characters: int | None = Field(default=None, ge=0, strict=True)
    max_characters: int | None = Field(default=None, ge=1, strict=True)
    min_sentences: int | None = Field(default=None, ge=0, strict=True)
    max_sentences: int | None = Field(default=None, ge=1, strict=True)
    min_hashtags: int | None = Field(default=None, ge=0, strict=True)
    max_hashtags: int | None = Field(default=None, ge=0, strict=True)
    max_emoji: int | None = Field(default=None, ge=0, strict=True)
    max_paragraphs: int | None = Field(default=None, ge=1, strict=True)

    @model_validator(mode="after")
    def _ordered(self) -> Limits:
        for what in ("words", "characters", "sentences", "hashtags"):
            low, high = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{what} {low} is above max_{what} {high}")
        return self


class BriefChecks(Record):
    """One brief: the request and what can be checked about its answers.

    `must_include` holds one tuple per fact, of alternatives any of which counts; `source` is the text that a
    source-grounded brief works on (numbers and wording may come from it); `language` is an ISO 639-1 code. `norms`
    default to those of the content type. A plain string among `must_include` stands for its only alternative, one in the place of a
    list for its only entry.
    """

    prompt: str
    content_type: str = Field(min_length=1)
    must_include: tuple[tuple[str, ...], ...] = ()
    must_not_include: tuple[str, ...] = ()
    limits: Limits = Limits()
    parts: tuple[PartName, ...] = ()
    source: str | None = None
    language: str = Field(default="en", min_length=2)
    norms: ContentNorms = ContentNorms(content_type="default")

    @model_validator(mode="before")
    @classmethod
    def _fill_norms(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("content_type"), str):
            return data
        name = canonical_content_type(data["content_type"])
        norms = data.get("norms")
        return {**data, "content_type": name, "norms": norms_for(name) if norms is None else norms}

    @field_validator("must_include", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if isinstance(value, str):
            return ((value,),)
        if not isinstance(value, list | tuple):
            return value
        return tuple((item,) if isinstance(item, str) else item for item in value)

    @field_validator("must_not_include", "parts", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("must_include")
    @classmethod
    def _facts_say_something(cls, value: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for alternatives in value:
            if not alternatives:
                raise ValueError("a fact must be a text, or a non-empty list of them")
            for text in alternatives:
                require_searchable(text)
        return value

    @field_validator("must_not_include")
    @classmethod
    def _bans_say_something(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            require_searchable(text)
        return value

    @field_validator("language")
    @classmethod
    def _short_code(cls, value: str) -> str:
        code = value.replace("_", "-").casefold()
        first = code.split("-")[0]
        return first if len(first) > 1 else code  # x-pirate and i-klingon have no code of two letters


def make_checks(prompt: str, content_type: str, **declared: Any) -> BriefChecks:
    """Build checks from what a file gives: lists or tuples, plain strings or alternatives, `limits` as a mapping.

    Raises:
        pydantic.ValidationError: an unknown key, part or limit, or a value of the wrong kind.
    """
    return BriefChecks.model_validate({"prompt": prompt, "content_type": content_type, **declared})
