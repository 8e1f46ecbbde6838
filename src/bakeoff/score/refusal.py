"""An assistant that declines to write, in place of the text."""

from __future__ import annotations

import re

from bakeoff.score.brief import BriefChecks
from bakeoff.score.parts import GREETING, SUBJECT
from bakeoff.score.telltales import KIND, THING, Telltale, first_of, lowered_for, plain_apostrophes
from bakeoff.score.text import Text

_CANNOT = r"i (?:cannot|can't|can not|am unable to|am not able to|won't)"
_OF_A_MODEL = (
    Telltale(
        (" ai", " artificial intelligence", " large"),
        r"\bas an? (?:responsible |ethical |helpful )?(?:(?:ai|artificial intelligence|large)(?: language)?(?: model| assistant)?)\b[, ]{1,2}(?:i|my)\b",
    ),
    Telltale(
        ("as a language model",),
        # One that goes on with "I have no hands, but here is how" has not declined.
        r"\bas a language model[, ]{1,2}i(?:'m| am)? (?:cannot|can't|can not|unable|not able|won't|must)\b",
    ),
    Telltale(
        ("an ai", "a ai", " artificial intelligence", " large"),
        r"\bi(?:'m| am) (?:just |only )?an? (?:ai|artificial intelligence|large)(?: language)? (?:model|assistant)\b",
    ),
)
# What a person may well write to a client, so that it counts in no letter.
_OF_A_TASK = (
    Telltale(
        ("sorry", "afraid", "apologi"),
        (
            rf"\bi(?:(?:'m| am) (?:sorry|afraid)| apologi[sz]e)[^.\n]{{0,60}}\b{_CANNOT} "
            r"(?:assist|help(?! (?:but|it|myself|[a-z]{1,20}ing)\b)|fulfil|fulfill|comply|complete|write|create|generate|provide|do that|produce)\b"
        ),
    ),
    Telltale(
        ("assist ", "help ", "comply "),
        rf"\b{_CANNOT} (?:assist|help|comply) (?:you )?with (?:that|this|your) (?:request|task|topic|prompt)\b",
    ),
    Telltale(
        ("fulfil", "complete ", "comply with ", "carry out "),
        rf"\b{_CANNOT} (?:fulfil|fulfill|complete|comply with|carry out) (?:that|this|your|the) (?:request|task|instruction|prompt)",
    ),
)
# With these words a text begins only where they stand in its place. What many a hook begins with ("I can't write ...", "I can't help
# but ...", "I can't create content that ...") is told from them by what follows.
_START = (
    r"^\W{0,20}(?:(?:i(?:'m| am) (?:very |so |really |truly )?sorry|i apologi[sz]e(?: for [^.\n]{1,40})?|(?:my )?apologies|sorry|unfortunately|regrettably)"
    r"[,.!:; –—-]{0,3}(?:but )?)?"
)
_CANNOT_FIRST = r"i(?: cannot| can't| can not|(?:'m| am) (?:unable|not able) to)"
_AT_START = (
    Telltale(
        ("i cannot ", "i can't ", "i can not ", "i am unable ", "i am not able ", "i'm unable ", "i'm not able "),
        rf"{_START}{_CANNOT_FIRST} (?:write|create|generate|draft|produce|compose|provide) (?:an? |the |this |that |your )?(?:{KIND} )?{THING}\b",
    ),
    Telltale(
        ("assist ", "help "),
        rf"{_START}(?:{_CANNOT_FIRST}|i won't|i will not) (?:assist(?: you)? (?:with|in)\b|help(?: you)? (?:with|in) (?:(?:creating|writing|generating|drafting|composing|producing)\b"
        r"|(?:this|that)(?=[.,;!\n]|$)|(?:this|that|such|your) (?:kind of |type of |sort of |particular |specific )?(?:content|request|task|topic|prompt)))",
    ),
    Telltale(
        ("content", "material"),
        rf"{_START}{_CANNOT_FIRST} (?:(?:write|create|generate|draft|produce|compose|provide) (?:(?:any|this|that|such|this kind of|that kind of|this type of) )?promotional (?:content|material)s?"
        r"|generate (?:(?:any|this|that|such|the) )?(?:\w{1,20} )?content"
        r"|(?:write|create|draft|produce|compose|provide) (?:(?:this|that|such|(?:this|that) (?:kind|type|sort) of) content|content (?:of|like) (?:this|that)))\b",
    ),
    Telltale(
        ("information", "detail", "context"),
        rf"{_START}i(?: (?:do not|don't) have (?:enough|sufficient|the necessary)|(?: would|'d)? need (?:(?:some|a bit|a little) )?more) (?:\w{{1,20}} )?(?:information|details?|context)\b[^.\n]{{0,60}}"
        r"\b(?:to|before i can|before i) (?:write|create|generate|draft|compose|produce)\b",
    ),
)
_MUST_DECLINE = Telltale(
    ("decline",),
    rf"{_START}i (?:must|have to|need to|will have to) (?:respectfully |politely )?decline(?: (?:this|that|the) (?:request|task|prompt)\b| to (?:write|create|generate|assist|help|answer|respond)\b|[.!]\W{{0,5}}$)",
)
_ASKED_TO_DECLINE = re.compile(r"\b(?:declin|refus|reject|turn(?:s|ed|ing)? .{0,40}\bdown\b|say no\b)", re.IGNORECASE)
_GREETING_ALONE = 3

# The same in other languages, at the very start: a mail begins with a subject or a greeting, and may well regret something below it.
_REFUSALS_ELSEWHERE = re.compile(
    r"\W{0,10}(?:"
    r"(?:es tut mir leid|tut mir leid|entschuldigung|leider)[^.\n]{0,60}\b(?:ich (?:kann|darf)|(?:kann|darf) ich)\b[^.\n]{0,90}\bnicht\b[^.\n]{0,40}\b(?:schreiben|helfen|erstellen|erfüllen|verfassen|beantworten|nachkommen)"
    r"|(?:je suis (?:vraiment )?désolée?|désolée?|malheureusement)[^.\n]{0,60}\bje ne (?:peux|suis)[^.\n]{0,40}\b(?:aider|rédiger|écrire|répondre|créer|fournir)"
    r"|(?:lo siento|lamentablemente|lo lamento)[^.\n]{0,60}\bno puedo (?:ayudar|escribir|crear|redactar|generar|proporcionar|cumplir)"
    r"|(?:mi dispiace|purtroppo)[^.\n]{0,60}\bnon posso (?:aiutar|scrivere|creare|fornire|soddisfare|generare)"
    r"|(?:sorry|het spijt me|helaas)[^.\n]{0,60}\b(?:ik kan|kan ik)\b[^.\n]{0,60}\bniet\b[^.\n]{0,40}\b(?:schrijven|helpen|maken|voldoen)"
    r"|(?:desculpe|sinto muito|lamento|infelizmente)[^.\n]{0,60}\bnão (?:posso|consigo) (?:ajudar|escrever|criar|fornecer|atender|gerar)"
    r")",
    re.IGNORECASE,
)
_MODEL_ELSEWHERE = Telltale(
    (
        *("als ki", "als sprach", "als kün", "als ein ki", "als ein sprach", "als ein kün", "en tant qu"),
        *("como modelo", "como ia", "como intel", "como un", "como um"),
        *("in quanto ", "come modello", "come ia", "come intel", "als ai", "als taal", "als kunst"),
    ),
    r"\b(?:als (?:ein )?(?:ki|sprachmodell|künstliche intelligenz)(?:-\w{1,30})?,? (?:kann|habe|bin|darf) ich"
    r"|en tant qu(?:e |')(?:modèle de langage|ia|intelligence artificielle|assistant)[^.\n]{0,20}\bje"
    r"|como (?:un |una |um |uma )?(?:modelo de lenguaje|modelo de linguagem|ia|inteligencia artificial|inteligência artificial),? (?:no|não) (?:tengo|puedo|tenho|posso)"
    r"|(?:in quanto|come) (?:modello linguistico|ia|intelligenza artificiale),? non (?:ho|posso)"
    r"|als (?:ai|taalmodel|kunstmatige intelligentie)(?:-\w{1,30})?,? (?:kan|heb|ben) ik)\b",
)


_REGRETS = (
    "leid",
    "entschuldigung",
    "leider",
    "désol",
    "malheureusement",
    "lo siento",
    "lament",
    "dispiace",
    "purtroppo",
    "sorry",
    "spijt",
    "helaas",
    "desculpe",
    "sinto",
    "infelizmente",
    "als ",
    "en tant",
    "como ",
    "in quanto",
    "come ",
)
_QUOTED = re.compile(r"[\"“„«][^\"“”„«»]{1,400}[\"”“»]|^ {0,3}>.*$|`[^`\n]{1,400}`", re.MULTILINE)
_ENOUGH_AROUND_QUOTE = 12


def find_refusal(text: Text, checks: BriefChecks) -> str | None:
    """Return the words by which an assistant refuses, looked for in the first 600 characters; None if it does not.

    A refusal that is quoted in a text of other words, or that the prompt itself speaks of, is a subject and no refusal. In a
    letter (a subject line, a greeting), and in any e-mail but for its first words, it is the sender who declines.
    """
    start = plain_apostrophes(text.raw[:600])
    lowered = text.lowered[:600] if text.raw.isascii() else lowered_for(start)
    elsewhere = _refusal_elsewhere(start, lowered) if _holds(text.raw[:600].lower(), _REGRETS) else None
    if elsewhere is not None:
        return elsewhere.group()[:160]
    telltales = _telltales_for(text, checks)
    span = first_of(telltales, start, lowered)
    prompt = plain_apostrophes(checks.prompt)
    if span is None or first_of(telltales, prompt, lowered_for(prompt)) is not None:
        return None
    rest = _QUOTED.sub(" ", start)
    return span if len(rest.split()) < _ENOUGH_AROUND_QUOTE else first_of(telltales, rest, lowered_for(rest))


def _telltales_for(text: Text, checks: BriefChecks) -> tuple[Telltale, ...]:
    if any(_begins_letter(line) for line in text.lines[:4]):
        return _OF_A_MODEL
    found: tuple[Telltale, ...] = (*_OF_A_MODEL, *_AT_START)
    if _ASKED_TO_DECLINE.search(checks.prompt) is None:
        found = (*found, _MUST_DECLINE)
    return found if checks.content_type == "business_email" else (*found, *_OF_A_TASK)


def _begins_letter(line: str) -> bool:
    if SUBJECT.match(line) is not None:
        return True
    alone = line.endswith((",", ":", "!")) or len(line.split()) <= _GREETING_ALONE
    return alone and GREETING.match(line) is not None


def _refusal_elsewhere(start: str, lowered: str) -> re.Match[str] | None:
    return _REFUSALS_ELSEWHERE.match(start) or _MODEL_ELSEWHERE.search(start, lowered)


def _holds(text: str, any_of: tuple[str, ...]) -> bool:
    return any(part in text for part in any_of)
