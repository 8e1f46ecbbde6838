"""Text that talks about the task beside doing it: assistant chatter, role labels, notes to a judge."""

from __future__ import annotations

import re

from bakeoff.score.brief import BriefChecks
from bakeoff.score.telltales import KIND, THING, Telltale, first_of, lowered_for, plain_apostrophes
from bakeoff.score.text import Text


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


# "Here's the message I sent to my team:" is what a post may begin with.
_WHAT_FOR = (
    r"(?:(?:of|for|about|on|announcing|promoting|based|using|in|under|within|with|regarding|as|you|addressed|from|to|per|inviting|introducing|celebrating|suitable|tailored|highlighting)\b"
    r"|that (?:is|are|meets?|fits?|follows?|captures?|highlights?|announces?|includes?|incorporates?|uses?|covers?|stays?|promotes?|you|should|could|can)\b)"
)
_SEVERAL = r"(?:two|three|four|five|six|seven|eight|nine|ten|\d{1,2}|several|a few)"
_OPENINGS = _Beginnings(
    r"(?:sure|certainly|of course|absolutely|ok|great|no problem|got it|understood|happy to help|here|below is|"
    r"the |this is|prompt|brief|instruction|task|user request|gerne|natürlich|selbstverständlich|klar|sicher|hier |"
    r"bien sûr|certainement|avec plaisir|d'accord|voici|¡?(?:claro|por supuesto|desde luego|con gusto)|aqu[ií] |a continuación|"
    r"certo|certamente|volentieri|ecco |natuurlijk|zeker|graag|com certeza|segue )",
    r"(?:sure|certainly|of course|absolutely|okay|ok|great|no problem|got it|understood|happy to help)\b[,.! –—-]{1,3}(?:thing[,.! ]{1,2})?(?:here|i can|i'd|i'll|i would|below|this|let me|happy)\b",
    r"(?:sure|certainly|of course|absolutely|sure thing)[!.:,]$",
    rf"(?:here(?:'s| is| are)|below is|the following is|this is) (?:an?|the|your|my|one|some) (?:{KIND} ){{0,4}}{THING}(?: {_WHAT_FOR}[^.\n]{{0,120}})? ?:$",
    rf"here are (?:the|your|my|some|{_SEVERAL}) (?:{KIND} ){{0,4}}(?:(?:linkedin |x |twitter )post|tweet|caption|draft|version)s(?: {_WHAT_FOR}[^.\n]{{0,120}})? ?:$",
    rf"(?:here(?:'s| is| are)|below is) (?:an?|the|your|my) (?:{KIND} ){{0,4}}{THING}\b[^.\n]{{0,80}}\b(?:you requested|you asked for|for your review|based on your|as requested)\b",
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
    rf"(?:please )?(?:let me know|feel free)[^.\n]{{0,60}}\b(?:adjust|revise|tweak|modify|customi[sz]e|edit|personali[sz]e) (?:this|the) (?:{KIND} )?{THING}\b",
    r"let me know if (?:you(?:'d| would) like|you want|you need) (?:me to|any (?:changes|edits|revisions|adjustments)|another version)\b",
    rf"(?:note|disclaimer): (?:this|the above|i|please (?:replace|adjust|customi[sz]e)) ?(?:{THING}|have|has|used|text)?\b[^.\n]{{0,80}}\b(?:prompt|brief|word limit|character limit|placeholder|placeholders|requirements|you requested|as requested|as you asked|as instructed)\b",
    rf"(?:i hope|hope) this (?:{THING} )?(?:helps(?: you)?(?: out)?(?=\W{{0,4}}$|[.!])|meets your (?:needs|requirements|expectations))",
    r"would you like me to (?:adjust|revise|change|make|write|add|shorten|create)\b",
)
_ROLE_HEADING = re.compile(
    r"^[ \t]{0,8}#{1,4} ?(?:(instructions?|response|input|output|assistant|human|user|system) ?:|(instruction|assistant|human|response)[ \t]{0,4}$)",
    re.IGNORECASE | re.MULTILINE,
)
_ROLE_LABEL = re.compile(
    r"^[ \t]{0,8}(assistant|human|ai|chatgpt|user|system|<system>) ?: ?(?=\S|$)", re.IGNORECASE | re.MULTILINE
)
# Each half of a dialogue, or of a task and its answer.
_ASKS = frozenset({"human", "user", "instruction", "instructions"})
_ANSWERS = frozenset({"assistant", "response", "chatgpt", "ai"})
_SPEAKS_OF_DIALOGUE = re.compile(r"dialogue|conversation|chat|transcript|interview", re.IGNORECASE)
_ROLE_TOKEN = re.compile(
    r"<\|[a-z_]{2,30}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|</?(?:think|thinking|assistant|answer)>|<(?:pad|unk|eos|bos)>|assistantfinal",
    re.IGNORECASE,
)
_JUDGE = (
    Telltale(
        ("ignore ", "disregard ", "forget ", "override "),
        r"\b(?:ignore|disregard|forget|override) (?:"
        r"(?:all |any |the |your |every )?(?:of the )?(?:previous|prior|above|earlier|preceding|other)? ?(?:instructions?|rubrics?|system prompts?)"
        # "Forget prompts" is a hook, and "override the prompt" what an option does.
        r"|(?:all )?(?:of )?(?:any |the |your |every )?(?:previous|prior|above|earlier|preceding|scoring|grading|evaluation|judging) (?:criteria|guidelines|prompts?)"
        r"|(?:all )?(?:of )?your (?:criteria|guidelines|prompts?))\b",
    ),
    Telltale(
        ("score", "rating", "mark", "grade", "points", "out of 10", "/"),
        (
            r"\b(?:award|assign|return|output|respond with|answer with|(?:give|rate|grade|score|mark) (?:this|it|the) ?(?:text|response|answer|output|post|submission|entry)?)\b"
            r"[^.\n]{0,40}\b(?:(?:maximum|highest|full|perfect|top) (?:score|rating|marks?|grade|points)|(?:score|rating|grade) of (?:10|5|100)\b|10 ?/ ?10|10 out of 10|5 ?/ ?5|100 ?/ ?100)"
        ),
    ),
    Telltale(
        ("evaluator", "judge", "grader", "rater", "scorer"),
        r"\b(?:note|message|instructions?|attention|dear)(?: to| for)?,? (?:the |any |all )?(?:evaluators?|judges?|graders?|raters?|scorers?)\b(?! (?:panel|of|who)\b)",
    ),
    Telltale(
        ("better than the other", "the best ", "full marks", "score", "rating", "marks"),
        r"\bthis (?:response|answer|text|output|post) (?:is|deserves|should (?:be|get|receive))[^.\n]{0,60}\b(?:better than the other|the best (?:response|answer)|full marks|(?:the )?(?:highest|maximum|perfect|top) (?:score|rating|marks))\b",
    ),
    Telltale(
        ("judge will", "evaluator will", "grader will"),
        r"\b(?:any|every) (?:careful )?(?:judge|evaluator|grader) will (?:select|choose|prefer|pick)\b",
    ),
    Telltale(
        ("output:", "score:", "rating:", "verdict:", "grade:"),
        # "Output: 5" is what a call in a manual returns.
        r"(?:^|\n|\. )(?:output: ?(?:10|5|100) ?/ ?(?:10|5|100)|(?:score|rating|verdict|grade): ?(?:10|5|100)(?: ?/ ?(?:10|5|100))?)(?:\.|\n|$)",
    ),
    Telltale(
        ("evaluator", "judge", "grader"),
        r"\bas an? (?:evaluator|judge|grader)[, ]{1,2}(?:you|i)\b",
    ),
    Telltale(
        ("evaluator", "judge", "grader", "rater"),
        r"\b(?:evaluator|judge|grader|rater)s? ?[:,–-] {0,2}(?:please )?(?:pick|choose|select|prefer|give|rate|award|score|mark|rank)\b",
    ),
)


def find_meta_chatter(text: Text, checks: BriefChecks) -> tuple[str, str] | None:
    """Return (rule, span) for an opening to the requester, a closing remark to them, or role labels; else None.

    Closing offers ("let me know ...") are ordinary in e-mails and are not looked for there.
    """
    if not text.lines:
        return None
    role = _find_role(text, checks)
    if role is not None:
        return "a role label or chat token", role.group().strip()[:80]
    opening = _OPENINGS.match(plain_apostrophes(text.lines[0][:300]).strip("*_ "))
    if opening is not None:
        return "talks to the requester before the text", opening.group()[:120]
    if checks.content_type != "business_email" and len(text.lines) > 1:
        for line in text.lines[-2:]:
            closing = _CLOSINGS.match(plain_apostrophes(line[:400]).strip("*_-— "))
            if closing is not None:
                return "talks to the requester after the text", closing.group()[:120]
    return None


def _find_role(text: Text, checks: BriefChecks) -> re.Match[str] | None:
    """Return the first role label or, where there is none, chat token; both need marks that few texts hold."""
    bare = text.without_blocks
    found = _role_heading(bare, shown=checks.norms.markdown) if "#" in bare else None
    if found is None and ":" in bare and _SPEAKS_OF_DIALOGUE.search(checks.prompt) is None:
        found = _role_label(bare)
    if found is None and ("<" in text.no_code or "[" in text.no_code or "assistantfinal" in text.no_code):
        found = _ROLE_TOKEN.search(text.no_code)
    return found


def _role_heading(bare: str, *, shown: bool) -> re.Match[str] | None:
    """`### Response:`. Where headings are shown, a manual has a right to one: a label is one that all begins with, `Instruction`, or a pair."""
    headings = list(_ROLE_HEADING.finditer(bare))
    if not headings or not shown:
        return headings[0] if headings else None
    roles = [(match.group(1) or match.group(2)).casefold() for match in headings]
    if headings[0].start() <= _begin(bare) or (_ASKS.intersection(roles) and _ANSWERS.intersection(roles)):
        return headings[0]
    return next((match for match, role in zip(headings, roles, strict=True) if role == "instruction"), None)


def _role_label(bare: str) -> re.Match[str] | None:
    """`Assistant:` where a text begins, `Human:` where it goes on, or both sides of a dialogue. `AI:` and `Human:` may be a comparison."""
    labels = list(_ROLE_LABEL.finditer(bare))
    roles = {match.group(1).casefold() for match in labels}
    if (_ASKS & roles and {"assistant", "chatgpt"} & roles) or {"user", "ai"} <= roles:
        return labels[0]
    for match in labels:
        role, begins = match.group(1).casefold(), match.start() <= _begin(bare)
        behind_blank = bare[max(0, match.start() - 9) : match.start()].rstrip(" \t").endswith("\n\n")
        if (
            role == "<system>"
            or (role == "assistant" and begins)
            or (role == "human" and behind_blank and "ai" not in roles)
        ):
            return match
    return None


def _begin(bare: str) -> int:
    return len(bare) - len(bare.lstrip())


def find_judge_injection(text: Text, prompt: str) -> str | None:
    """Return words that address whoever grades the text; None if there are none, or the prompt speaks of the same."""
    plain = plain_apostrophes(text.raw)
    span = first_of(_JUDGE, plain, text.lowered if text.raw.isascii() else lowered_for(plain))
    # "Please ignore our earlier instructions" is an honest mail when the brief speaks of instructions.
    if span is None or span.split()[-1].casefold().strip(".:]") in plain_apostrophes(prompt).casefold():
        return None
    return span.strip()
