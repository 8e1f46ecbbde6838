"""Text that talks about the task instead of doing it: refusals, assistant chatter, role labels, notes to a judge."""

from __future__ import annotations

import re

from bakeoff.score.text import Text

_KIND = r"(?:linkedin|twitter|x|business|follow-up|marketing|ad|product|technical|short|brief|professional|possible|sample|concise|revised|draft|polished|friendly)"
_THING = r"(?:post|tweet|e-?mail|message|copy|text|draft|version|response|answer|article|document|documentation|guide|how-to|caption|rewrite|example|attempt|advert|ad)"


class _Telltale:
    """A pattern, and words of which a text must hold one for it to match: most texts are spared the pattern."""

    def __init__(self, needs: tuple[str, ...], pattern: str) -> None:
        self._needs = needs
        self._pattern = re.compile(pattern, re.IGNORECASE)

    def search(self, text: str, lowered: str) -> re.Match[str] | None:
        """Look for it; `lowered` is the text in lower case."""
        for need in self._needs:
            if need in lowered:
                return self._pattern.search(text)
        return None


_REFUSALS = (
    _Telltale(
        (" ai", " artificial intelligence", " large"),
        r"\bas an? (?:responsible |ethical |helpful )?(?:ai|artificial intelligence|large)(?: language)?(?: model| assistant)?\b[, ]{1,2}(?:i|my)\b",
    ),
    _Telltale(
        ("an ai", "a ai", " artificial intelligence", " large"),
        r"\bi(?:'m| am) (?:just |only )?an? (?:ai|artificial intelligence|large)(?: language)? (?:model|assistant)\b",
    ),
    _Telltale(
        ("sorry", "afraid", "apologi"),
        (
            r"\bi(?:(?:'m| am) (?:sorry|afraid)| apologi[sz]e)[^.\n]{0,60}\bi (?:cannot|can't|can not|am unable to|am not able to|won't) "
            r"(?:assist|help|fulfil|fulfill|comply|complete|write|create|generate|provide|do that|produce)\b"
        ),
    ),
    _Telltale(
        ("assist ", "help ", "comply "),
        r"\bi (?:cannot|can't|can not|am unable to|am not able to|won't) (?:assist|help|comply) (?:you )?with (?:that|this|your) (?:request|task|topic|prompt)\b",
    ),
    _Telltale(
        ("fulfil", "complete ", "comply with ", "carry out "),
        r"\bi (?:cannot|can't|can not|am unable to|am not able to|won't) (?:fulfil|fulfill|complete|comply with|carry out) (?:that|this|your|the) (?:request|task|instruction|prompt)",
    ),
    _Telltale(
        ("i cannot ", "i can't ", "i can not ", "i am unable ", "i am not able ", "i'm unable ", "i'm not able "),
        rf"^\W{{0,20}}(?:unfortunately|regrettably|sorry)?,? ?i(?: cannot| can't| can not|(?:'m| am) (?:unable|not able) to) (?:write|create|generate|draft|produce|compose|provide) (?:an? |the |this |that |your )?(?:{_KIND} )?{_THING}\b",
    ),
)

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
_MODEL_ELSEWHERE = _Telltale(
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


class _Beginnings:
    """Patterns of a line's beginning, tried in order where `start`, which all of them begin with, is there."""

    def __init__(self, start: str, *patterns: str) -> None:
        self.patterns = tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
        self._start = re.compile(start, re.IGNORECASE)

    def match(self, line: str) -> re.Match[str] | None:
        """Return the first pattern's match at the beginning of `line`, None where there is none."""
        if self._start.match(line) is None:
            return None
        return next((match for pattern in self.patterns if (match := pattern.match(line)) is not None), None)


_OPENINGS = _Beginnings(
    r"(?:sure|certainly|of course|absolutely|ok|great|no problem|got it|understood|happy to help|here|below is|"
    r"the |this is|prompt|brief|instruction|task|user request|gerne|natürlich|selbstverständlich|klar|sicher|hier |"
    r"bien sûr|certainement|avec plaisir|d'accord|voici|¡?(?:claro|por supuesto|desde luego|con gusto)|aqu[ií] |a continuación|"
    r"certo|certamente|volentieri|ecco |natuurlijk|zeker|graag|com certeza|segue )",
    r"(?:sure|certainly|of course|absolutely|okay|ok|great|no problem|got it|understood|happy to help)\b[,.! –—-]{1,3}(?:thing[,.! ]{1,2})?(?:here|i can|i'd|i'll|i would|below|this|let me|happy)\b",
    r"(?:sure|certainly|of course|absolutely|sure thing)[!.:,]$",
    rf"(?:here(?:'s| is| are)|below is|the following is|this is) (?:an?|the|your|my|one|some) (?:{_KIND} ){{0,4}}{_THING}\b[^.\n]{{0,120}}:$",
    rf"(?:here(?:'s| is| are)|below is) (?:an?|the|your|my) (?:{_KIND} ){{0,4}}{_THING}\b[^.\n]{{0,80}}\b(?:you requested|you asked for|for your review|based on your|as requested)\b",
    r"(?:the )?(?:prompt|brief|instructions?|task|user request) ?:",
    r"(?:(?:gerne|natürlich|selbstverständlich|klar|sicher)[!,. ]{1,3})?hier (?:ist|sind|kommt) (?:der|die|das|ein|eine|dein|deine|ihr|ihre|mein) (?:[\w-]{1,20} ){0,3}(?:e-?mail|mail|beitrag|post|text|tweet|entwurf|version|artikel|nachricht|vorschlag)\b[^.\n]{0,60}:$",
    r"(?:(?:bien sûr|certainement|avec plaisir|d'accord) ?[!,. ]{1,3})?voici (?:le|la|l'|un|une|votre|mon) ?(?:[\w'-]{1,20} ){0,3}(?:courriel|e-?mail|texte|post|publication|tweet|article|message|version|proposition)\b[^.\n]{0,60}:$",
    r"(?:¡?(?:claro|por supuesto|desde luego|con gusto)[!,. ]{1,3})?(?:aquí (?:está|tienes|tiene|va)|a continuación) [^.\n]{0,40}(?:correo|e-?mail|texto|publicación|tweet|tuit|artículo|mensaje|versión)\b[^.\n]{0,60}:$",
    r"(?:(?:certo|certamente|volentieri)[!,. ]{1,3})?ecco (?:il|la|l'|un|una|un') ?(?:[\w'-]{1,20} ){0,3}(?:e-?mail|testo|post|tweet|articolo|messaggio|versione|bozza)\b[^.\n]{0,60}:$",
    r"(?:(?:natuurlijk|zeker|graag)[!,. ]{1,3})?hier (?:is|zijn) (?:de|het|een|je|uw) (?:[\w-]{1,20} ){0,3}(?:e-?mail|mail|tekst|post|bericht|tweet|artikel|versie)\b[^.\n]{0,60}:$",
    r"(?:(?:claro|com certeza|certamente)[!,. ]{1,3})?(?:aqui está|segue) (?:o|a|um|uma) (?:[\w-]{1,20} ){0,3}(?:e-?mail|texto|publicação|post|tweet|artigo|mensagem|versão)\b[^.\n]{0,60}:$",
)
_CLOSINGS = _Beginnings(
    r"(?:\(?\**(?:word|character) count|\((?:approx|about |\d)|please |let me know|feel free|note:|disclaimer:|i hope|hope this|would you)",
    r"\(?\**(?:word|character) count\**:? ?\d",
    r"\((?:approximately |about |approx\. )?\d{1,4} (?:words|characters)\)$",
    rf"(?:please )?(?:let me know|feel free)[^.\n]{{0,60}}\b(?:adjust|revise|tweak|modify|customi[sz]e|edit|personali[sz]e) (?:this|the) (?:{_KIND} )?{_THING}\b",
    r"let me know if (?:you(?:'d| would) like|you want|you need) (?:me to|any (?:changes|edits|revisions|adjustments)|another version)\b",
    rf"(?:note|disclaimer): (?:this|the above|i|please (?:replace|adjust|customi[sz]e)) ?(?:{_THING}|have|has|used|text)?\b[^.\n]{{0,80}}\b(?:prompt|brief|word limit|character limit|placeholder|placeholders|requirements|you requested|as requested|as you asked|as instructed)\b",
    rf"(?:i hope|hope) this (?:{_THING} )?(?:helps|meets your (?:needs|requirements|expectations))",
    r"would you like me to (?:adjust|revise|change|make|write|add|shorten|create)\b",
)
_ROLE_LINE = re.compile(
    r"^[ \t]{0,8}(?:#{1,4} ?(?:instructions?|response|input|output|assistant|human|user|system) ?:|(?:assistant|human|ai|chatgpt|<?system>?) ?: ?(?=\S|$)|"
    r"#{1,4} ?(?:instruction|assistant|human|response)[ \t]{0,4}$)",
    re.IGNORECASE | re.MULTILINE,
)
_ROLE_TOKEN = re.compile(
    r"<\|[a-z_]{2,30}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|</?(?:think|thinking|assistant|answer)>|<(?:pad|unk|eos|bos)>",
    re.IGNORECASE,
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
_JUDGE = (
    _Telltale(
        ("ignore ", "disregard ", "forget ", "override "),
        r"\b(?:ignore|disregard|forget|override) (?:all |any |the |your |every )?(?:of the )?(?:previous|prior|above|earlier|preceding|other)? ?(?:instructions?|rubrics?|criteria|guidelines|prompts?|system prompts?)\b",
    ),
    _Telltale(
        ("score", "rating", "mark", "grade", "points", "out of 10", "/"),
        (
            r"\b(?:award|assign|return|output|respond with|answer with|(?:give|rate|grade|score|mark) (?:this|it|the) ?(?:text|response|answer|output|post|submission|entry)?)\b"
            r"[^.\n]{0,40}\b(?:(?:maximum|highest|full|perfect|top) (?:score|rating|marks?|grade|points)|(?:score|rating|grade) of (?:10|5|100)\b|10 ?/ ?10|10 out of 10|5 ?/ ?5|100 ?/ ?100)"
        ),
    ),
    _Telltale(
        ("evaluator", "judge", "grader", "rater", "scorer"),
        r"\b(?:note|message|instructions?|attention|dear)(?: to| for)?,? (?:the |any |all )?(?:evaluators?|judges?|graders?|raters?|scorers?)\b(?! (?:panel|of|who)\b)",
    ),
    _Telltale(
        ("better than the other", "the best ", "full marks", "score", "rating", "marks"),
        r"\bthis (?:response|answer|text|output|post) (?:is|deserves|should (?:be|get|receive))[^.\n]{0,60}\b(?:better than the other|the best (?:response|answer)|full marks|(?:the )?(?:highest|maximum|perfect|top) (?:score|rating|marks))\b",
    ),
    _Telltale(
        ("judge will", "evaluator will", "grader will"),
        r"\b(?:any|every) (?:careful )?(?:judge|evaluator|grader) will (?:select|choose|prefer|pick)\b",
    ),
    _Telltale(
        ("output:", "score:", "rating:", "verdict:", "grade:"),
        r"(?:^|\n|\. )(?:output|score|rating|verdict|grade): ?(?:10|5|100)(?: ?/ ?(?:10|5|100))?(?:\.|\n|$)",
    ),
    _Telltale(
        ("evaluator", "judge", "grader"),
        r"\bas an? (?:evaluator|judge|grader)[, ]{1,2}(?:you|i)\b",
    ),
    _Telltale(
        ("evaluator", "judge", "grader", "rater"),
        r"\b(?:evaluator|judge|grader|rater)s? ?[:,–-] {0,2}(?:please )?(?:pick|choose|select|prefer|give|rate|award|score|mark|rank)\b",
    ),
)


def find_refusal(text: Text, prompt: str = "") -> str | None:
    """Return the words by which an assistant refuses, looked for in the first 600 characters; None if it does not.

    A refusal that is quoted in a text of other words, or that the prompt itself speaks of, is a subject and no refusal.
    """
    start = _plain(text.raw[:600])
    lowered = text.lowered[:600] if text.raw.isascii() else _lowered(start)
    elsewhere = _refusal_elsewhere(start, lowered) if _holds(text.raw[:600].lower(), _REGRETS) else None
    if elsewhere is not None:
        return elsewhere.group()[:160]
    span = _first(_REFUSALS, start, lowered)
    if span is None or _first(_REFUSALS, _plain(prompt), _lowered(_plain(prompt))) is not None:
        return None
    rest = _QUOTED.sub(" ", start)
    return span if len(rest.split()) < _ENOUGH_AROUND_QUOTE else _first(_REFUSALS, rest, _lowered(rest))


def _refusal_elsewhere(start: str, lowered: str) -> re.Match[str] | None:
    return _REFUSALS_ELSEWHERE.match(start) or _MODEL_ELSEWHERE.search(start, lowered)


def _holds(text: str, any_of: tuple[str, ...]) -> bool:
    return any(part in text for part in any_of)


def find_meta_chatter(text: Text, content_type: str) -> tuple[str, str] | None:
    """Return (rule, span) for an opening to the requester, a closing remark to them, or role labels; else None.

    Closing offers ("let me know ...") are ordinary in e-mails and are not looked for there.
    """
    if not text.lines:
        return None
    role = _find_role(text)
    if role is not None:
        return "a role label or chat token", role.group().strip()[:80]
    opening = _OPENINGS.match(_plain(text.lines[0][:300]).strip("*_ "))
    if opening is not None:
        return "talks to the requester before the text", opening.group()[:120]
    if content_type != "business_email" and len(text.lines) > 1:
        for line in text.lines[-2:]:
            closing = _CLOSINGS.match(_plain(line[:400]).strip("*_-— "))
            if closing is not None:
                return "talks to the requester after the text", closing.group()[:120]
    return None


def _find_role(text: Text) -> re.Match[str] | None:
    """Return the first role label or, where there is none, chat token; both need marks that few texts hold."""
    found = _ROLE_LINE.search(text.without_blocks) if ":" in text.without_blocks or "#" in text.without_blocks else None
    if found is None and ("<" in text.no_code or "[" in text.no_code):
        found = _ROLE_TOKEN.search(text.no_code)
    return found


def find_judge_injection(text: Text, prompt: str) -> str | None:
    """Return words that address whoever grades the text; None if there are none, or the prompt speaks of the same."""
    plain = _plain(text.raw)
    span = _first(_JUDGE, plain, text.lowered if text.raw.isascii() else _lowered(plain))
    # "Please ignore our earlier instructions" is an honest mail when the brief speaks of instructions.
    if span is None or span.split()[-1].casefold().strip(".:]") in _plain(prompt).casefold():
        return None
    return span.strip()


def _plain(text: str) -> str:
    return text.replace("’", "'")


# Letters that a pattern takes for i, k and s whatever the case, and `str.lower` does not.
_UNUSUAL = str.maketrans({"\u0130": "i", "\u0131": "i", "\u212a": "k", "\u017f": "s"})


def _lowered(text: str) -> str:
    return text.translate(_UNUSUAL).lower()


def _first(telltales: tuple[_Telltale, ...], text: str, lowered: str) -> str | None:
    for telltale in telltales:
        match = telltale.search(text, lowered)
        if match is not None:
            return match.group()[:160]
    return None
