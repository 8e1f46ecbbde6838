"""Posts, tweets, adverts and e-mails from open briefs: several clauses in any form, all of which the answer carries over."""

import random
from collections.abc import Callable
from typing import NamedTuple

from . import emails, facts, names, open_docs, posts, social
from .free import cap
from .open_words import action, adjuncts, clause, manner, noun_phrase, ours, verb, word
from .social import join
from .templates import Writer

_KIND = {
    "linkedin_post": ["LinkedIn post", "LinkedIn post", "post for LinkedIn", "LinkedIn update", "short LinkedIn post", "post"],
    "tweet": ["tweet", "tweet", "tweet", "short tweet", "post for X", "single tweet"],
    "marketing_copy": [
        "flyer text", "product text", "short advert", "landing page text", "shop window text", "leaflet", "newsletter advert",
        "product description", "text for the website", "magazine advert", "banner text", "promotional email text", "catalogue entry",
    ],
}  # fmt: skip
_ASK = [
    "Write a {kind} for {who}.", "{who} needs a {kind}.", "{who} wants a {kind}.", "We need a {kind} for {who}.", "A {kind} for {who}.",
    "Draft a {kind} for {who}.", "{kind_cap} for {who}.", "Write a {kind} on behalf of {who}.", "Please write a {kind} for {who}.",
    "I run {who}. Write a {kind}.", "Write the {kind} of {who}.", "{who} would like a {kind}.",
]  # fmt: skip
_BACK = [
    "Write a {kind}.",
    "Write a {kind} about it.",
    "Turn this into a {kind}.",
    "Make it a {kind}.",
    "A {kind}, please.",
    "Write the {kind}.",
]
_FACTS = [
    "Facts",
    "The facts",
    "Points",
    "Notes",
    "What to say",
    "To mention",
    "Details",
    "Include",
    "News",
    "The story",
    "It should say",
]
_THAT = ["It should say that {x}.", "Say that {x}.", "Mention that {x}.", "Readers should know that {x}.", "It must say that {x}.",
         "Make clear that {x}.", "Tell them that {x}.", "Point out that {x}.", "Explain that {x}."]  # fmt: skip
_NAMES = [
    "Mention {x}.",
    "Include {x}.",
    "Name {x}.",
    "It has to mention {x}.",
    "Use {x}.",
    "With {x}.",
    "Do not forget {x}.",
]
_FEW = [
    *posts.SHORT,
    "Up to {n} words.",
    "The limit is {n} words.",
    "Not more than {n} words.",
    "In {n} words or fewer.",
    "Max. {n} words.",
]


class Piece(NamedTuple):
    """One or more things to say: as the prompt tells them, and the sentences of the answer."""

    told: str
    said: list[str]


Maker = Callable[[random.Random, str, str], Piece]


def stop(text: str) -> str:
    """The clause as a sentence."""
    return cap(text) + "."


def _act(rng: random.Random) -> tuple[str, str]:
    """Something the text shall do, and the sentence that does it: ("thanks the 12 carers", "Thank you to the 12 carers.")."""
    x, y, said = noun_phrase(rng), noun_phrase(rng, 0), clause(rng)
    return rng.choice([
        (f"announces {x}{(e := adjuncts(rng))}", f"{cap(x)}{e}."), (f"thanks {x} for {y}", f"Thank you to {x} for {y}."),
        (f"apologises for {x}", f"We are sorry for {x}."), ("apologises", "We are sorry."), (f"says that {said}", ours(stop(said))),
        (f"invites {x} to {y}", f"We invite {x} to {y}."), (f"asks {x} to {(a := action(rng))}", f"{cap(x)}, please {a}."),
        (f"gives {x}", f"{cap(x)}."), (f"names {x}", f"{cap(x)}."), (f"offers {x} for {y}", f"We offer {x} for {y}."),
        (f"looks for {x}", f"We are looking for {x}."), (f"tells people to {(b := action(rng))}", f"Please {b}."),
        (f"explains that {said}", ours(stop(said))), (f"introduces {x}", f"Meet {x}."), (f"reminds people of {x}", f"Remember {x}."),
    ])  # fmt: skip


def piece(rng: random.Random, kind: str, co: str) -> Piece:
    """One to three things in one of the ways a brief has for them."""
    number = rng.choice([1, 2, 2, 3])
    said = [clause(rng, rng.choice(["they", "they", "they", co, "it"])) for _ in range(number)]
    roll = rng.random()
    if roll < 0.35:
        return Piece(" ".join(map(stop, said)), [ours(stop(s)) for s in said])
    if roll < 0.52:
        head = rng.choice([f"{rng.choice(_FACTS)}: ", f"{rng.choice(_FACTS)}: ", ""])
        parts = [s if rng.random() < 0.6 else noun_phrase(rng) + adjuncts(rng) for s in said]
        text = rng.choice(["; ", "; ", ", ", " - ", ". "]).join(parts)
        return Piece(f"{head}{text if head else cap(text)}.", [ours(stop(s)) for s in parts])
    if roll < 0.64:
        said = said[:2]
        return Piece(rng.choice(_THAT).replace("{x}", " and that ".join(said)), [ours(stop(s)) for s in said])
    if roll < 0.74:
        items = [noun_phrase(rng) for _ in range(number)]
        text = join(items)
        return Piece(rng.choice(_NAMES).replace("{x}", text), [stop(text)])
    if roll < 0.88:
        acts = [_act(rng) for _ in range(number)]
        lead = rng.choice([f"Write a {kind} that", "It", "The text", "We need one that", f"The {kind}"])
        return Piece(f"{lead} {join([a for a, _ in acts])}.", [s for _, s in acts])
    said = said[:2]
    glue = rng.choice([" and ", ", and ", ", but ", " because ", "; "])
    text = glue.join(said)
    return Piece(stop(text), [ours(stop(text))])


def _who(writer: Writer) -> str:
    """The company as the brief introduces it: with its trade, place, year or owner, or by its name alone."""
    rng, co = writer.rng, writer.facts["co"]
    trade = rng.choice([writer.facts.trade.label, f"a {word(rng)} {word(rng)}", f"a {word(rng)} shop", f"{word(rng)}s"])
    place = writer.facts["place"]
    return rng.choice([
        co, co, f"{co}, {trade} in {place}", f"{co}, {trade} in {place}", f"{co} in {place}", f"{co}, {trade}", f"{co} ({trade})",
        f"{co}, {trade} run by {names.person(rng)}", f"{co}, {trade} near {place}", f"{co}, {trade} with {rng.randint(2, 90)} {word(rng)}s",
    ])  # fmt: skip


def _brief(writer: Writer, content_type: str, most: int, piece: Maker) -> tuple[str, str, list[str]]:
    """(prompt without constraints, the company with its description, the sentences of the answer)."""
    rng = writer.rng
    who, kind, co = _who(writer), rng.choice(_KIND[content_type]), writer.facts["co"]
    pieces = [piece(rng, kind, co) for _ in range(rng.randint(1, most))]
    ask = (
        writer.pattern(_ASK)
        if writer.chance(0.6)
        else writer.pattern(social.ASK[content_type], social.ASK_MORE[content_type])
    )
    ask = ask.replace("{who}", who).replace("{kind}", kind).replace("{kind_cap}", cap(kind))
    told = [p.told for p in pieces]
    roll = rng.random()
    if roll < 0.62:
        parts = [ask, *told]
    elif roll < 0.75:
        parts = [told[0], ask, *told[1:]]
    elif roll < 0.81:
        news = clause(rng)
        pieces.insert(0, Piece(news, [ours(stop(news))]))
        tells = rng.choice(
            [
                "announces",
                "tells customers",
                "wants to say",
                "reports",
                "lets people know",
                "would like to tell readers",
            ]
        )
        parts = [f"{who} {tells} that {news}.", writer.pattern(_BACK).replace("{kind}", kind), *told]
    elif roll < 0.89:
        first = stop(clause(rng, who))
        pieces.insert(0, Piece(first, [ours(first)]))
        parts = [first, writer.pattern(_BACK).replace("{kind}", kind), *told]
    else:
        topic = noun_phrase(rng)
        pieces.insert(0, Piece(topic, [stop(topic)]))
        about = rng.choice([f"about {topic}", f"on {topic}", f"announcing {topic}", f"for {topic}"])
        parts = [
            rng.choice(
                [f"Write a {kind} for {who} {about}.", f"{who}: a {kind} {about}.", f"{cap(kind)} {about}, for {who}."]
            ),
            *told,
        ]
    said = [s for p in pieces for s in p.said]
    for number, sentence in enumerate(said):
        writer.facts[f"said{number}"] = sentence.rstrip(".")
    writer.facts["who"] = who
    return " ".join(parts), who, said


def _wishes(writer: Writer, *wishes: str) -> str:
    """The constraints of a prompt in any order, with none to two wishes about style."""
    rng = writer.rng
    every = [w for w in wishes if w] + [manner(rng) for _ in range(rng.choice([0, 0, 1, 1, 2]))]
    every = [w for w in every if w != "No hashtags." or not any("#" in v for v in every)]
    rng.shuffle(every)
    if len(every) > 1 and rng.random() < 0.3:
        every = [", ".join([every[0].rstrip("."), *(w[0].lower() + w[1:].rstrip(".") for w in every[1:])]) + "."]
    return " ".join(["", *every])


def linkedin(writer: Writer, piece: Maker = piece) -> tuple[str, str]:
    """A LinkedIn post: (prompt, answer)."""
    rng = writer.rng
    prompt, who, said = _brief(writer, "linkedin_post", 4, piece)
    tag_words, tags = posts.hashtags(writer, posts.ASK_TAG, 3) if writer.chance(0.5) else ("", [])
    tags = tags if tag_words else []
    hook = rng.choice([f"News from {who}.", f"A word from {who}.", f"This is what is new at {who}."])
    asks = writer.chance(0.6)
    half = (len(said) + 1) // 2
    paragraphs = [
        hook,
        " ".join(said[:half]),
        " ".join(said[half:]),
        rng.choice(posts.QUESTION if asks else posts.CALL),
    ]
    answer = "\n\n".join(p for p in paragraphs if p)
    end = (
        rng.choice(["End with a question.", "Close with a question.", "A question at the end."])
        if asks
        else "End with a call to action."
    )
    limit = posts.length_limit(writer, answer, _FEW) if writer.chance(0.4) else ""
    prompt += _wishes(writer, tag_words, end if writer.chance(0.5) else "", limit)
    return prompt, "\n\n".join([answer, *([" ".join(tags)] if tags else [])])


def tweet(writer: Writer, piece: Maker = piece) -> tuple[str, str]:
    """A tweet: (prompt, answer of at most 280 characters, or the caller draws another one)."""
    rng = writer.rng
    prompt, who, said = _brief(writer, "tweet", 2, piece)
    tag_words, tags = posts.hashtags(writer, posts.ASK_TAG, 2) if writer.chance(0.4) else ("", [])
    tags = tags if tag_words else []
    asks = [rng.choice(posts.QUESTION[:5])] if writer.chance(0.1) else []
    co = writer.facts["co"]
    first = [] if said[0].startswith(co) else [f"{who if len(who) < 30 else co}:"]
    answer = " ".join([*first, *said, *asks, *tags])
    limit = rng.choice(
        [f"At most {n} characters." for n in (180, 200, 220, 240, 250, 260, 280) if n >= len(answer)] or [""]
    )
    prompt += _wishes(writer, tag_words, "End with a question." if asks else "", limit if writer.chance(0.35) else "")
    return prompt, answer


def advert(writer: Writer, piece: Maker = piece) -> tuple[str, str]:
    """Advertising copy: (prompt, answer)."""
    rng = writer.rng
    prompt, who, said = _brief(writer, "marketing_copy", 4, piece)
    head = rng.choice([f"News from {who}", who, f"New at {who}"])
    half = (len(said) + 1) // 2
    answer = "\n\n".join(
        p for p in [head, " ".join(said[:half]), " ".join(said[half:]), rng.choice(posts.AD_CALL)] if p
    )
    limit = posts.length_limit(writer, answer, _FEW) if writer.chance(0.5) else ""
    end = rng.choice(["End with a call to action.", "Close with a call to action."]) if writer.chance(0.4) else ""
    return prompt + _wishes(writer, limit, end), answer


def _letter(rng: random.Random, he: str, him: str) -> tuple[str, str, str]:
    """One thing a letter does: (as the prompt tells it, the sentence, the noun phrase it is about)."""
    x, y, said, do = (
        noun_phrase(rng),
        noun_phrase(rng, 0),
        clause(rng, rng.choice(["they", "it", names.first_name(rng)])),
        action(rng),
    )
    when = rng.choice([facts.date(rng), facts.time(rng), f"{facts.date(rng)} at {facts.time(rng)}"])
    voice, does, rest = rng.choice(["We", "They"]), verb(rng), noun_phrase(rng) + adjuncts(rng)
    mine = rng.choice(
        [
            f"have {does.participle} {rest}",
            f"{does.past} {rest}",
            f"will {does.base} {rest}",
            f"are {does.gerund} {rest}",
        ]
    )
    told, answer = rng.choice([
        (f"ask {him} to {do}", f"Could you please {do}?"), (f"ask for {x} by {when}", f"Please send me {x} by {when}."),
        (f"thank {him} for {x}", f"Thank you for {x}."), (f"apologise for {x}", f"I apologise for {x}."), (f"offer {x} for {y}", f"We can offer you {x} for {y}."),
        (f"suggest {when} for {x}", f"I suggest {when} for {x}."), (f"say that {said}", ours(stop(said))), (f"mention {x}", f"Please note {x}."),
        (f"explain that {said}", ours(stop(said))), (f"remind {him} that {said}", ours(stop(said))), (f"confirm {x}{(e := adjuncts(rng))}", f"I confirm {x}{e}."),
        (f"ask whether {said}", f"Could you tell me whether {said}?"), (f"invite {him} to {x} on {when}", f"I would like to invite you to {x} on {when}."),
        (f"decline {x}", f"We cannot accept {x}."), (f"request {x}", f"Please send me {x}."), (f"promise {x} by {when}", f"You will have {x} by {when}."),
        (f"introduce {x}", f"I would like to introduce {x}."), (stop(said), ours(stop(said))), (stop(said), ours(stop(said))), (stop(said), ours(stop(said))),
        (f"{voice} {mine}.", f"We {mine}."), (f"{he} {does.past} {rest}.", f"I {does.past} {rest}."),
        (f"{he} has {does.participle} {rest}.", f"I have {does.participle} {rest}."), (f"{he} wants to {do}.", f"I want to {do}."),
    ])  # fmt: skip
    return told, answer, x if x in told else ""


def told(rng: random.Random, letters: list[str], _he: str) -> list[str]:
    """The sentences of a brief: orders without a full stop join to "Ask ..., mention ... and offer ..."."""
    sentences: list[str] = []
    row: list[str] = []
    for words in [*letters, ""]:
        if words and not words.endswith("."):
            row.append(words)
        if row and (not words or words.endswith(".") or rng.random() < 0.4):
            lead = rng.choice(["she should", "he wants to", "the email should"])
            sentences.append(stop(rng.choice([join(row), ", ".join(row), f"{lead} {join(row)}"])))
            row = []
        if words.endswith("."):
            sentences.append(words)
    return ["; ".join(t.rstrip(".") for t in sentences) + "."] if rng.random() < 0.15 else sentences


def email(writer: Writer, tell: Callable[[random.Random, list[str], str], list[str]] = told) -> tuple[str, str]:
    """A business e-mail: (prompt, answer)."""
    rng = writer.rng
    tone = rng.choice(["plain", "plain", "friendly", "formal"])
    opening, greeting, signature, _ = emails.people(writer, tone)
    him, he = rng.choice(["him", "her", "them"]), rng.choice(["He", "She", writer.facts["sender"].split()[0]])
    letters = [_letter(rng, he, him) for _ in range(rng.randint(2, 6))]
    sentences = tell(rng, [words for words, _, _ in letters], he)
    said = [s for _, s, _ in letters]
    for number, sentence in enumerate(said):
        writer.facts[f"said{number}"] = sentence.rstrip(".?")
    about = [x for _, _, x in letters if x and len(x.split()) < 6]
    subject = (
        cap(about[0]) if about else cap(said[0].rstrip(".?")) if len(said[0].split()) < 8 else "Information for you"
    )
    half = (len(said) + 1) // 2
    body = "\n\n".join(p for p in [" ".join(said[:half]), " ".join(said[half:])] if p)
    if not any(s.endswith("?") or s.startswith("Please") for s in said):
        body += "\n\nPlease let me know if you have any questions."
    company = [writer.facts["co"]] if "co" in writer.given else []
    answer = "\n".join(
        [f"Subject: {subject}", "", greeting, "", body, "", rng.choice(emails.CLOSE[tone]), signature, *company]
    )
    limit = posts.length_limit(writer, answer, _FEW) if writer.chance(0.4) else ""
    return f"{opening} {' '.join(sentences)}{_wishes(writer, limit, rng.choice(emails.TONE[tone]))}", answer


WRITERS: dict[str, Callable[[Writer], tuple[str, str]]] = {
    "linkedin_post": linkedin,
    "tweet": tweet,
    "marketing_copy": advert,
    "business_email": email,
    "technical_doc": open_docs.document,
}
