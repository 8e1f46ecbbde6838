"""Detectors for the named parts a brief can ask for: is there a greeting, a call to action, a numbered list?

Each looks for the part's usual form in English. A part in an unusual form is missed; a form without substance passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from bakeoff.score.brief import BriefChecks
from bakeoff.score.language import words_in
from bakeoff.score.lexicon import CLICHES, CTA_PHRASES, CTA_VERBS
from bakeoff.score.text import Text, is_heading, is_list_item

SUBJECT = re.compile(r"\**(?:subject|betreff|objet|asunto|oggetto|onderwerp|assunto)\**\s?:\**\s?\S", re.IGNORECASE)
GREETING = re.compile(
    r"(?<!\w)(?:dear|hi|hello|hey|good (?:morning|afternoon|evening|day)|greetings|to whom it may concern|to the team|team|"
    r"liebe[rs]?|sehr geehrte[r]?|hallo|moin|servus|grüß gott|guten (?:tag|morgen|abend)|"
    r"bonjour|bonsoir|chers?|chères?|madame|mesdames|monsieur|messieurs|"
    r"hola|estimad[oa]s?|querid[oa]s?|muy señor(?:es)?|buen[oa]s (?:días|tardes|noches)|señor(?:a|es|as)?|"
    r"buongiorno|buonasera|gentil[ei]|gentilissim[oaie]|egregi[oa]|spettabile|caro|cara|cari|"
    r"beste|geachte|goede(?:morgen|middag|navond|ndag)|olá|bom dia|boa tarde|prezad[oa]s?)\b",
    re.IGNORECASE,
)
SIGN_OFF = re.compile(
    r"(?:(?:best|kind|warm|warmest|kindest)(?: (?:regards|wishes))?|regards|with (?:best|kind|warm) (?:regards|wishes)|(?:yours )?(?:sincerely|faithfully|truly)|"
    r"yours|all the best|many thanks|thanks(?: again| and (?:best|kind) regards| so much| in advance)?|thank you(?: again| so much)?|cheers|respectfully|warmly|cordially|"
    r"with (?:thanks|gratitude|appreciation)|see you (?:there|then|soon)|talk soon|"
    r"(?:mit )?(?:freundliche|beste|viele|liebe|herzliche|schöne)n? grü(?:ß|ss)en?(?: (?:aus|an|von) [^\n]{1,40})?|mit freundlichem gru(?:ß|ss)|hochachtungsvoll|"
    r"(?:bien |très )?cordialement|bien à vous|(?:avec )?(?:mes |nos )?(?:sincères|meilleures|cordiales|respectueuses) salutations|"
    r"(?:je vous prie|nous vous prions|veuillez)[^\n]{1,120}(?:salutations|sentiments|considération)[^\n]{0,40}|"
    r"(?:muy )?atentamente|(?:un )?(?:cordial |atento )?saludo|saludos(?: cordiales)?|"
    r"(?:un )?cordial[ei] saluti?|distinti saluti|cordialmente|"
    r"(?:met )?(?:vriendelijke|hartelijke) groet(?:en)?|hoogachtend|"
    r"atenciosamente|(?:com os )?(?:melhores |nossos )?cumprimentos|abraços)[,.!]?$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"^\s{0,12}(?:\*\*)?(?:step )?\d{1,2}(?:[.)]|:)(?:\*\*)?\s", re.IGNORECASE)
_BULLET = re.compile(r"^\s{0,12}(?:[-*•–+▪✅✔➡])\ufe0f?\s")
_WARNING = re.compile(
    r"\b(?:warning|caution|important|note|beware|careful|attention|do not|don't|never|cannot be (?:undone|restored|reversed)|will be lost)\b|⚠",
    re.IGNORECASE,
)
_PREREQUISITES = re.compile(
    r"\b(?:prerequisites?|requirements?|before you (?:begin|start)|you(?:'ll| will)? need|what you need|make sure (?:that )?you have)\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?<![\w'’.-])([A-Z][a-zà-öø-ÿ'’]{1,30}(?:-[A-Z][a-zà-öø-ÿ]{1,30})?(?: [A-Z][a-zà-öø-ÿ'’]{1,30}){0,2})"
)
_SENDER = re.compile(
    r"(?:\b[Ff]rom|[Ss]ign(?: it| off)?(?: as| with)?|[Ss]igned(?: by| as)?|[Ss]ender(?: is|:)?|[Oo]n behalf of|\bI am|\bI'm|[Mm]y name is|\bby) "
    r"((?:[A-Z][\w'’-]{1,30} ?){1,3})"
)
_NOT_A_PERSON = frozenset(
    [
        "write",
        "send",
        "email",
        "draft",
        "mention",
        "include",
        "say",
        "tell",
        "ask",
        "apologise",
        "apologize",
        "offer",
        "keep",
        "sign",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "easter",
        "christmas",
        "noon",
        "midnight",
        "tomorrow",
        "the",
        "subject",
        "dear",
        "hello",
        "hi",
    ]
)


_TITLES = frozenset(
    str.split("Mr Ms Mrs Miss Dr Prof Sir Sirs Madam Herr Frau Madame Monsieur Señor Señora Signor Signora")
)


def missing_parts(wanted: tuple[str, ...], text: Text, checks: BriefChecks) -> tuple[str, ...]:
    """Return those of `wanted` that the text does not have, in order. Names are those of `norms.PART_NAMES`."""
    return tuple(name for name in wanted if not DETECTORS[name](text, checks))


def closing_lines(text: Text) -> tuple[str, ...]:
    """Return the lines after the sign-off, or the last two lines where there is none; the signature lives there."""
    for back in range(1, min(8, len(text.lines)) + 1):
        if SIGN_OFF.match(text.lines[-back]):
            return text.lines[len(text.lines) - back + 1 :]
    return text.lines[-2:]


def _hook(text: Text, _checks: BriefChecks) -> bool:
    """The first line fits above LinkedIn's fold (about 210 characters) and is neither a label nor a stock opening."""
    if not text.lines or not text.sentences:
        return False
    first = text.lines[0]
    opening = text.sentences[0]
    if first.startswith("#") or GREETING.match(first) or len(text.sentence_words[0]) < 2:
        return False
    return len(opening) <= 210 and not CLICHES.occur(opening.lower().replace("’", "'"))


def _question(text: Text, _checks: BriefChecks) -> bool:
    return any(sentence.rstrip(" \"'”’)*_").endswith("?") for sentence in text.sentences)


_CLAUSE = re.compile(r"[:,;–—-] |\band ")


def _call_to_action(text: Text, _checks: BriefChecks) -> bool:
    """A sentence of the second half that starts with an imperative, or holds a stock phrase that asks for something."""
    sentences = text.sentences
    for sentence in sentences[len(sentences) // 2 :]:
        lowered = sentence.lower().replace("’", "'")
        if CTA_PHRASES.occur(lowered):
            return True
        for clause in _CLAUSE.split(lowered):
            words = words_in(clause)
            while words and words[0] in {"please", "so", "just", "then", "now", "today", "do", "always"}:
                words = words[1:]
            if words and words[0] in CTA_VERBS:
                return True
    return False


def _headline(text: Text, _checks: BriefChecks) -> bool:
    """A first line of at most 14 words that stands alone, with text below it."""
    if len(text.lines) < 2:
        return False
    first = text.lines[0]
    return 1 <= len(words_in(first)) <= 14 and not is_list_item(first) and not GREETING.match(first)


def _title(text: Text, checks: BriefChecks) -> bool:
    if not text.lines:
        return False
    first = text.lines[0]
    bold = first.startswith("**") and first.rstrip(":").endswith("**")
    plain = len(text.lines) > 1 and len(words_in(first)) <= 10 and not first.endswith((".", ":", "?", "!", ","))
    return is_heading(first) or bold or (plain and _headline(text, checks))


def _headings(text: Text, _checks: BriefChecks) -> bool:
    """A heading below the title, or a bold line that stands for one."""
    marks = [
        line for line in text.lines if is_heading(line) or (line.startswith("**") and line.rstrip(":").endswith("**"))
    ]
    return len(marks) >= 2 or any(line.startswith("##") for line in marks)


def _greeting_line(text: Text) -> str | None:
    for line in text.lines[:4]:
        if GREETING.match(line) and not SUBJECT.match(line):
            return line[:120]
    return None


def _names(text: str) -> set[str]:
    words = {word for match in _NAME.finditer(text) for word in match.group(1).split()}
    return {word.removesuffix("'s").removesuffix("’s") for word in words if word.casefold() not in _NOT_A_PERSON}


def _sender_names(prompt: str) -> set[str]:
    found = {word.rstrip(".,") for match in _SENDER.finditer(prompt) for word in match.group(1).split()}
    return {word for word in found if word.casefold() not in _NOT_A_PERSON}  # "by Friday" is no sender


def addressed_names(text: Text) -> set[str]:
    """Return the names in the greeting, empty where there is none."""
    line = _greeting_line(text)
    return _names(GREETING.sub(" ", line, count=1)) - _TITLES if line is not None and "[" not in line else set()


def signed_names(text: Text) -> set[str]:
    """Return the names below the sign-off, empty where there is none."""
    if not any(SIGN_OFF.match(line) for line in text.lines[-8:]):
        return set()
    signed = " \n ".join(line[:200] for line in closing_lines(text)[:1])
    return set() if "[" in signed else _names(signed)


@lru_cache(maxsize=256)
def brief_parties(prompt: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the words of the sender's name, as far as the prompt gives it, and those of all other names in it."""
    senders = _sender_names(prompt)
    return frozenset(senders), frozenset(_names(prompt) - senders)


def _recipient(text: Text, checks: BriefChecks) -> bool:
    """The greeting addresses somebody the prompt names, other than the sender."""
    line = _greeting_line(text)
    if line is None:
        return False
    addressed = _names(GREETING.sub(" ", line))
    candidates = _names(checks.prompt) - _sender_names(checks.prompt)
    prompt = checks.prompt.casefold()
    # "Dear team" answers a prompt that writes to the team.
    plain = any(word in prompt for word in words_in(GREETING.sub(" ", line).casefold()) if len(word) > 3)
    return bool(addressed & candidates) or (plain and not addressed)


def _sender(text: Text, checks: BriefChecks) -> bool:
    """The signature holds the sender the prompt names; without such a name, any name that is not the addressee's."""
    signed = _names(" \n ".join(line[:200] for line in closing_lines(text)))
    wanted = _sender_names(checks.prompt)
    if wanted:
        return bool(signed & wanted)
    line = _greeting_line(text)
    return bool(signed - (_names(GREETING.sub(" ", line)) if line else set()))


DETECTORS: Mapping[str, Callable[[Text, BriefChecks], bool]] = MappingProxyType(
    {
        "hook": _hook,
        "question": _question,
        "call_to_action": _call_to_action,
        "hashtags": lambda text, _checks: bool(text.hashtags),
        "paragraphs": lambda text, _checks: len(text.paragraphs) >= 2,
        "subject": lambda text, _checks: bool(text.lines) and SUBJECT.match(text.lines[0]) is not None,
        "greeting": lambda text, _checks: _greeting_line(text) is not None,
        "sign_off": lambda text, _checks: any(SIGN_OFF.match(line) for line in text.lines[-7:]),
        "recipient": _recipient,
        "sender": _sender,
        "title": _title,
        "headings": _headings,
        "numbered_steps": lambda text, _checks: sum(_NUMBERED.match(line) is not None for line in text.lines) >= 2,
        "bullets": lambda text, _checks: sum(_BULLET.match(line) is not None for line in text.lines) >= 2,
        "code_block": lambda text, _checks: any(block.closed and block.body.strip() for block in text.code_blocks),
        "warning": lambda text, _checks: _WARNING.search(text.without_blocks) is not None,
        "prerequisites": lambda text, _checks: _PREREQUISITES.search(text.without_blocks) is not None,
        "headline": _headline,
    }
)
