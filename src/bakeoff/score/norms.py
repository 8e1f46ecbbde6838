"""What each content type asks of a text when the brief says nothing else.

Platform limits are facts: X counts a weighted 280 (twitter-text v3 configuration: code points U+0000-10FF, U+2000-200D,
U+2010-201F and U+2032-2037 weigh 1, all others 2; a URL weighs 23; an emoji sequence weighs 2), LinkedIn refuses posts
above 3,000 characters. Soft word ranges are this project's convention: a text inside is never rewarded for its length.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, get_args

from pydantic import Field, model_validator

from bakeoff.core.spec import Record

PartName = Literal[
    "hook",
    "question",
    "call_to_action",
    "hashtags",
    "paragraphs",
    "subject",
    "greeting",
    "sign_off",
    "recipient",
    "sender",
    "title",
    "headings",
    "numbered_steps",
    "bullets",
    "code_block",
    "warning",
    "prerequisites",
    "headline",
]
PART_NAMES: tuple[str, ...] = get_args(PartName)


class ContentNorms(Record):
    """Norms of a content type. `hard_limit` is a platform's (None: none); `soft_words` is an inclusive word range.

    `hard_unit` says how the limit counts: plain code points or X's weighted characters. `soft_max_*` None: no opinion.
    """

    content_type: str
    hard_limit: int | None = Field(default=None, ge=1)
    hard_unit: Literal["characters", "weighted"] = "characters"
    soft_words: tuple[int, int] | None = None
    default_parts: tuple[PartName, ...] = ()
    markdown: bool = True
    soft_max_hashtags: int | None = Field(default=None, ge=0)
    soft_max_emoji: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _range_is_a_range(self) -> ContentNorms:
        if self.soft_words is not None and not 0 <= self.soft_words[0] <= self.soft_words[1]:
            raise ValueError(f"soft_words {self.soft_words}: the first number must not exceed the second")
        return self


NORMS: Mapping[str, ContentNorms] = MappingProxyType(
    {
        norms.content_type: norms
        for norms in (
            ContentNorms(
                content_type="linkedin_post",
                hard_limit=3000,
                soft_words=(40, 300),
                default_parts=("hook", "paragraphs"),
                markdown=False,
                soft_max_hashtags=5,
                soft_max_emoji=3,
            ),
            ContentNorms(
                content_type="tweet",
                hard_limit=280,
                hard_unit="weighted",
                soft_words=(6, 60),
                markdown=False,
                soft_max_hashtags=2,
                soft_max_emoji=3,
            ),
            ContentNorms(
                content_type="business_email",
                soft_words=(30, 250),
                default_parts=("subject", "greeting", "sign_off"),
                markdown=False,
                soft_max_hashtags=0,
                soft_max_emoji=0,
            ),
            ContentNorms(
                content_type="technical_doc",
                soft_words=(40, 600),
                default_parts=("headings",),
                soft_max_hashtags=0,
                soft_max_emoji=0,
            ),
            ContentNorms(
                content_type="marketing_copy",
                soft_words=(15, 200),
                default_parts=("call_to_action",),
                soft_max_hashtags=2,
                soft_max_emoji=2,
            ),
        )
    }
)

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "linkedin": "linkedin_post",
        "linkedin_posts": "linkedin_post",
        "x": "tweet",
        "x_post": "tweet",
        "tweets": "tweet",
        "twitter": "tweet",
        "twitter_post": "tweet",
        "email": "business_email",
        "e_mail": "business_email",
        "mail": "business_email",
        "business_e_mail": "business_email",
        "business_emails": "business_email",
        "emails": "business_email",
        "technical_docs": "technical_doc",
        "technical_documentation": "technical_doc",
        "tech_doc": "technical_doc",
        "tech_docs": "technical_doc",
        "doc": "technical_doc",
        "docs": "technical_doc",
        "documentation": "technical_doc",
        "marketing": "marketing_copy",
        "ad": "marketing_copy",
        "ad_copy": "marketing_copy",
        "copy": "marketing_copy",
        "product_copy": "marketing_copy",
    }
)


_NEAR = 0.84


@lru_cache(maxsize=256)
def canonical_content_type(name: str) -> str:
    """Return the name used everywhere for `name`: aliases resolved, lower case, underscores.

    A user's own type comes back as it is written, in that form.

    >>> canonical_content_type("LinkedIn"), canonical_content_type("E-Mail"), canonical_content_type("Press release")
    ('linkedin_post', 'business_email', 'press_release')
    """
    key = "_".join(name.replace("-", " ").replace("_", " ").split()).casefold()
    return _ALIASES.get(key, key)


def near_content_type(name: str) -> str | None:
    """Return the built-in type that an unknown `name` was probably meant to be; None for a known one and for others.

    >>> near_content_type("twet"), near_content_type("emial"), near_content_type("tweet"), near_content_type("press release")
    ('tweet', 'business_email', None, None)
    """
    own = canonical_content_type(name)
    if own in NORMS:
        return None
    known = [*NORMS, *_ALIASES]
    swapped = [each for each in known if sorted(each) == sorted(own)]
    near = swapped or difflib.get_close_matches(own, known, n=1, cutoff=_NEAR)
    return canonical_content_type(near[0]) if near else None


def norms_for(content_type: str) -> ContentNorms:
    """Return the norms of a built-in type or alias; any other type gets norms that demand nothing."""
    name = canonical_content_type(content_type)
    return NORMS.get(name) or ContentNorms(content_type=name)


# Emoji as sequences: flags, keycaps, and a pictograph with modifiers, joined by ZWJ to further ones. Every alternative
# consumes at least one character and none overlaps with what may follow, so matching is linear.
_PICTOGRAPH = (
    "[\u231a-\u23ff\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff]"
)
_TAGS = "(?:[\U000e0020-\U000e007e]{1,16}\U000e007f)?"
_ONE = f"{_PICTOGRAPH}[\U0001f3fb-\U0001f3ff]?\ufe0f?{_TAGS}"
EMOJI = re.compile(
    f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{_ONE}(?:\u200d{_ONE})*|[\u00a9\u00ae\u203c\u2049\u2122\u2139]\ufe0f"
)

# Bare domains are links on X only below a registered top-level domain; these are the ones business texts use.
_TLDS = "com|org|net|io|co|app|dev|ai|eu|uk|de|fr|es|it|nl|pt|ch|at|be|us|ca|au|nz|in|info|biz|shop|store|tech|me|ly|tv"
_X_URL = re.compile(
    rf"https?://[^\s]{{1,4000}}|(?<![\w@.-])(?:[a-z0-9](?:[a-z0-9-]{{0,61}})\.){{1,4}}(?:{_TLDS})(?![\w-])(?:/[^\s]{{0,4000}})?",
    re.IGNORECASE,
)
_LIGHT = re.compile("[\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]+")
_URL_WEIGHT = 23
_EMOJI_WEIGHT = 2


def weighted_length(text: str) -> int:
    """Return the length of `text` as X counts it (twitter-text v3, see the module docstring).

    >>> weighted_length("a"), weighted_length("語"), weighted_length("👩‍👩‍👧"), weighted_length("see https://example.com/a/b")
    (1, 2, 2, 27)
    """
    text = unicodedata.normalize("NFC", text)
    total = 0
    for piece in _split_out(_X_URL, text):
        if isinstance(piece, re.Match):
            trailing = len(piece.group()) - len(piece.group().rstrip(".,;:!?)\"'"))
            total += _URL_WEIGHT + trailing
            continue
        for part in (piece,) if piece.isascii() else _split_out(EMOJI, piece):
            if isinstance(part, re.Match):
                total += _EMOJI_WEIGHT
            else:
                light = len(part) if part.isascii() else sum(map(len, _LIGHT.findall(part)))
                total += light + 2 * (len(part) - light)
    return total


def _split_out(pattern: re.Pattern[str], text: str) -> list[re.Match[str] | str]:
    pieces: list[re.Match[str] | str] = []
    end = 0
    for match in pattern.finditer(text):
        pieces.append(text[end : match.start()])
        pieces.append(match)
        end = match.end()
    pieces.append(text[end:])
    return pieces
