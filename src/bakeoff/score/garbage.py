"""Text that is no text: hidden characters, control characters, broken tokens, shuffled words."""

from __future__ import annotations

import re
import unicodedata

from bakeoff.score.brief import BriefChecks
from bakeoff.score.norms import EMOJI
from bakeoff.score.odd_words import EDGES, is_odd_token
from bakeoff.score.text import EMAIL, HASHTAG, Text

_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_JOINERS = "\u200c\u200d"
_MARKS = "\u200e\u200f"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
# UTF-8 read as Windows-1252: a typographic mark, an accented letter, a sign, an emoji. Left out is what capitals of Portuguese and
# French may stand before ("MANHÃ»").
_MOJIBAKE = re.compile(
    "â€[\u2122\u0153\u009d\u02dc\u00a6\u00a2\u201c\u201d\u2013\u2014\u009c\u0099\u0093\u0094]"
    "|Ã[\u00a1-\u00a9\u00ac\u00ae-\u00b9\u00bc-\u00be\u0178\u0153\u0161\u2013\u2014\u201e\u2030]"
    "|Â[£§©®°±·€]|ðŸ"
)
_BROKEN = re.compile("[\ufffd\ue000-\uf8ff]")


def find_hidden(raw: str) -> tuple[str, str] | None:
    """Return (rule, span) for characters that a reader cannot see: zero-width, bidirectional controls, tags.

    Allowed: a byte-order mark at the start, joiners within an emoji or between letters of a script that needs them,
    direction marks in text that holds right-to-left letters.
    """
    if raw.isascii():
        return None
    right_to_left = re.search("[\u0590-\u08ff]", raw) is not None
    inside_emoji: set[int] | None = None
    for match in _HIDDEN.finditer(raw):
        at, character = match.start(), match.group()
        if character == "\ufeff" and at == 0:
            continue
        if character in _MARKS and right_to_left:
            continue
        if character in _JOINERS and ord(raw[at - 1 : at] or "a") >= 0x600 and ord(raw[at - 1]) < 0x1E00:
            continue
        if inside_emoji is None:
            inside_emoji = {index for emoji in EMOJI.finditer(raw) for index in range(*emoji.span())}
        if at in inside_emoji:
            continue
        name = unicodedata.name(character, "tag character" if ord(character) >= 0xE0000 else "unnamed")
        return f"U+{ord(character):04X} {name}", raw[max(0, at - 20) : at + 20].encode("unicode_escape").decode()[:120]
    return None


def find_garbage(text: Text, checks: BriefChecks) -> tuple[str, str] | None:
    """Return (rule, span) for control characters, undecodable or wrongly decoded bytes, broken tokens or shuffled words, else None."""
    if not _is_plain(text.raw):
        found = _find_broken(text.raw) or _find_mojibake(text, f"{checks.prompt}\n{checks.source or ''}")
        if found is not None:
            return found
    tags = len(text.hashtags) + len(text.emoji)
    if tags >= 10 and tags > len(text.words) - len(text.hashtags):
        return f"{tags} hashtags and emoji, more than words", text.raw[:120]
    if text.may_be_odd and (odd := _find_odd(text, checks.language)) is not None:
        return odd
    if checks.language == "en":
        return _find_salad(text)
    return None


def _is_plain(raw: str) -> bool:
    return raw.isascii() and raw.replace("\n", "").isprintable()


def _find_broken(raw: str) -> tuple[str, str] | None:
    control = _CONTROL.search(raw)
    if control is not None:
        return f"control character U+{ord(control.group()):04X}", ascii(
            raw[max(0, control.start() - 20) : control.end() + 20]
        )
    broken = _BROKEN.findall(raw)
    if len(broken) >= 3 or (broken and len(raw) < 100):
        return f"{len(broken)} characters that are no text", ascii(raw[:60])
    return None


_SPEAKS_OF_BYTES = re.compile(r"mojibake|encod|utf|character set|charset|latin-1|windows-1252", re.IGNORECASE)


def _find_mojibake(text: Text, asked: str) -> tuple[str, str] | None:
    """Characters that were decoded wrongly; not where the brief is about that, or has them itself."""
    match = _MOJIBAKE.search(text.no_code)
    if match is None or match.group() in asked or _SPEAKS_OF_BYTES.search(asked):
        return None
    return "UTF-8 read as another encoding", text.no_code[max(0, match.start() - 20) : match.end() + 20]


def _find_odd(text: Text, language: str) -> tuple[str, str] | None:
    tokens = [
        token.strip(EDGES) for token in text.no_links.split() if "@" not in token or not EMAIL.fullmatch(token[:200])
    ]
    tokens = [token for token in tokens if len(token) > 1 or (token and not HASHTAG.fullmatch(f"#{token}"))]
    odd = [token for token in tokens if is_odd_token(token, language)]
    if len(odd) >= 4 and len(odd) > 0.2 * len(tokens):
        return f"{len(odd)} of {len(tokens)} words are no words", " ".join(odd[:8])[:120]
    return None


def _find_salad(text: Text) -> tuple[str, str] | None:
    """Shuffled real words: function words meet that never meet. Edited English has fewer than one in 400 words."""
    pairs = text.impossible_pairs
    if len(pairs) >= 4 and len(pairs) >= 0.02 * len(text.words):
        return f"{len(pairs)} impossible word pairs in {len(text.words)} words", ", ".join(pairs[:6])
    return None
