"""Word lists of the register dimension and of call-to-action detection. Lists are opinions; docs/scoring/README.md owns up to it."""

from __future__ import annotations

import re
from functools import lru_cache

_RUN = re.compile(r"[\w'-]+")
_ASCII_RUNS = bytes(code if chr(code).isalnum() or chr(code) in "_'-" else 32 for code in range(128)).ljust(256)


@lru_cache(maxsize=64)
def _runs(text: str) -> frozenset[str]:
    if text.isascii():
        return frozenset(text.encode().translate(_ASCII_RUNS).decode().split())
    return frozenset(_RUN.findall(text))


class Phrases:
    """Phrases separated by ` | `, looked for on word boundaries in lower-case text, the longest first.

    A phrase can only occur where its longest word does. Most texts hold no phrase of a list, which is found out by their
    words in a tenth of the time that the pattern takes.
    """

    def __init__(self, phrases: str) -> None:
        parts = sorted((part.strip() for part in phrases.split("|") if part.strip()), key=len, reverse=True)
        self._pattern = re.compile(r"(?<![\w'-])(?:" + "|".join(re.escape(part) for part in parts) + r")(?![\w'-])")
        self._by_word: dict[str, list[str]] = {}
        for part in parts:
            self._by_word.setdefault(max(_RUN.findall(part), key=len), []).append(part)
        self._words = frozenset(self._by_word)

    def findall(self, text: str) -> list[str]:
        """Return every occurrence, in order."""
        return self._pattern.findall(text) if self._may_occur(text) else []

    def occur(self, text: str) -> bool:
        """Whether any phrase occurs."""
        return self._may_occur(text) and self._pattern.search(text) is not None

    def _may_occur(self, text: str) -> bool:
        words = self._words & _runs(text)
        return bool(words) and any(part in text for word in words for part in self._by_word[word])


CLICHES = Phrases(
    "in today's fast-paced world | in today's digital age | in today's competitive landscape | in today's world | ever-evolving | ever-changing | "
    "take it to the next level | to the next level | game changer | game-changer | game changing | game-changing | cutting edge | cutting-edge | "
    "state of the art | state-of-the-art | best in class | best-in-class | world class | world-class | think outside the box | low-hanging fruit | "
    "move the needle | paradigm shift | exceed your expectations | change your life forever | passion for excellence | committed to excellence | "
    "look no further | say goodbye to | unlock the power | unlock your potential | unleash the power | revolutionize the way | revolutionise the way | "
    "elevate your | embark on a journey | delve into | a testament to | tapestry | seamlessly integrate | seamless experience | rich tapestry | "
    "we are thrilled to announce | we're thrilled to announce | we are excited to announce | we're excited to announce | excited to announce | "
    "thrilled to announce | proud to present | you deserve the best | deserves the best | experience the future | the future is here | "
    "one-stop shop | win-win | at the end of the day | synergy | synergies | hit the ground running | circle back | touch base | "
    "like never before | don't miss this opportunity | do not miss this opportunity | thousands of happy customers | stay ahead of the curve"
)

# The seed's own terms head the list: stuffing them is what its score rewards.
BUZZWORDS = Phrases(
    "optimization | optimisation | strategy | strategic | implementation | architecture | demonstrated | proven | expertise | competitive | "
    "advantage | innovative | innovation | leverage | leveraging | robust | holistic | scalable | transformative | transform | empower | empowering | "
    "excellence | solutions | next-generation | disruptive | dynamic | unparalleled | unprecedented | groundbreaking | revolutionary | "
    "value-added | actionable | ecosystem | stakeholders | streamline | streamlined | seamless | seamlessly | insightful"
)

SLANG = Phrases(
    "gonna | wanna | gotta | kinda | sorta | dunno | lemme | gimme | ain't | y'all | lol | lmao | omg | wtf | btw | idk | tbh | imo | pls | "
    "plz | thx | thnx | ur | u | bro | dude | yeah | yep | nope | cuz | coz | stuff like that | no biggie | my bad | super duper | "
    "hiya | sup | have a good one"
)

HOSTILE = Phrases(
    "idiot | idiots | stupid | moron | morons | dumb | shut up | incompetent | pathetic | loser | losers | crap | damn | bullshit | shit | "
    "fuck | fucking | bloody hell | your own fault | how hard can it be | you people | sick of you | waste of time | don't bother me"
)

CTA_VERBS = frozenset(
    [
        "add",
        "apply",
        "ask",
        "attend",
        "bag",
        "book",
        "bring",
        "browse",
        "buy",
        "call",
        "catch",
        "check",
        "choose",
        "claim",
        "click",
        "come",
        "comment",
        "contact",
        "discover",
        "dm",
        "download",
        "drop",
        "email",
        "enjoy",
        "enquire",
        "enrol",
        "enroll",
        "enter",
        "experience",
        "explore",
        "find",
        "follow",
        "get",
        "give",
        "go",
        "grab",
        "head",
        "hop",
        "join",
        "learn",
        "leave",
        "let",
        "like",
        "mail",
        "make",
        "message",
        "meet",
        "order",
        "pack",
        "phone",
        "pick",
        "plan",
        "pop",
        "pre-order",
        "preorder",
        "read",
        "register",
        "reply",
        "request",
        "reserve",
        "ring",
        "rsvp",
        "save",
        "schedule",
        "secure",
        "see",
        "send",
        "share",
        "shop",
        "sign",
        "sip",
        "snap",
        "spread",
        "start",
        "stop",
        "subscribe",
        "swing",
        "switch",
        "tag",
        "take",
        "talk",
        "taste",
        "tell",
        "text",
        "treat",
        "try",
        "upgrade",
        "use",
        "visit",
        "vote",
        "walk",
        "watch",
        "write",
    ]
)

CTA_PHRASES = Phrases(
    "link in bio | link in the comments | sign up | book now | order now | shop now | learn more | find out more | get in touch | give us a call | "
    "drop by | stop by | swing by | come by | pop in | see you there | reserve your | book your | order yours | get yours | let us know | tell us | "
    "please confirm | could you | can you | would you | visit us | call us | email us | message us | join us | apply at | apply now | register at | "
    "register now | available at"
)
