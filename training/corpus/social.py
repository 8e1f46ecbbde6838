"""The prompts of the three social types: who asks, what happened, what else must be said, in many wordings."""

import re

from . import names
from .templates import Writer, load

ASK = {
    "linkedin_post": [
        "Write a LinkedIn post for {who}.",
        "LinkedIn post for {who}.",
        "Please write a post for LinkedIn. It is for {who}.",
        "I need a LinkedIn post for {who}.",
        "Draft a LinkedIn update for {who}.",
        "Can you write a LinkedIn post for {who}?",
        "Write a [short|plain|friendly|simple] LinkedIn post for {who}.",
        "A post for the LinkedIn page of {who}, please.",
        "We need something for LinkedIn. The company is {who}.",
        "Help {who} with a LinkedIn post.",
        "Write the LinkedIn post that {who} will publish this week.",
        "For LinkedIn: a post by {who}.",
        "Announce this on LinkedIn for {who}.",
    ],
    "tweet": [
        "Write a tweet for {who}.",
        "Tweet for {who}.",
        "Draft a tweet for {who}.",
        "I need a tweet for {who}.",
        "Please write one tweet. It is for {who}.",
        "Can you write a tweet for {who}?",
        "Write a [short|friendly|cheerful|plain] tweet for {who}.",
        "One tweet by {who}, please.",
        "Compose a tweet for {who}.",
        "Give me a tweet for the account of {who}.",
        "A tweet from {who}.",
        "Put this into a tweet for {who}.",
        "{who} would like to tweet this.",
    ],
    "marketing_copy": [
        "Ad copy for {who}.",
        "Write ad copy for {who}.",
        "Write marketing copy for {who}.",
        "Write a short advert for {who}.",
        "Marketing text for {who}.",
        "I need an advertisement for {who}.",
        "Please write the text of a flyer for {who}.",
        "Write the copy for a leaflet by {who}.",
        "Draft promotional copy for {who}.",
        "Can you write an advert for {who}?",
        "Write a product page text for {who}.",
        "Copy for a newsletter advert by {who}.",
        "Write some advertising text for {who}.",
    ],
}
ASK_MORE = {
    "linkedin_post": [
        "{who} needs a LinkedIn post.",
        "Post for LinkedIn, by {who}.",
        "LinkedIn text for {who}.",
        "We want to publish a LinkedIn post for {who}.",
        "Write something for the LinkedIn page of {who}.",
        "Create a LinkedIn post for {who}.",
        "Prepare a LinkedIn post on behalf of {who}.",
        "Our client {who} wants a LinkedIn post.",
        "Please draft a post for LinkedIn for {who}.",
        "Write a post that {who} can share on LinkedIn.",
        "{who}: LinkedIn post.",
        "Could you write a LinkedIn update? It is for {who}.",
        "Write a LinkedIn announcement for {who}.",
        "Short LinkedIn post, {who}.",
    ],
    "tweet": [
        "{who} needs a tweet.",
        "One tweet for {who}.",
        "Create a tweet for {who}.",
        "Our client {who} wants a tweet.",
        "{who}: tweet.",
        "Prepare a tweet on behalf of {who}.",
        "Tweet, please. It comes from {who}.",
        "Write the tweet that {who} sends today.",
        "A short tweet for {who}, please.",
        "Could you tweet something for {who}?",
        "Announce it in a tweet for {who}.",
        "Post for Twitter by {who}.",
        "Please tweet for {who}.",
        "Write a quick tweet from {who}.",
    ],
    "marketing_copy": [
        "{who} needs ad copy.",
        "Create an advert for {who}.",
        "Write a flyer for {who}.",
        "Copy for the website of {who}.",
        "Our client {who} wants marketing copy.",
        "{who}: ad copy.",
        "Prepare marketing copy on behalf of {who}.",
        "Write a text that sells for {who}.",
        "Please write marketing copy. It is for {who}.",
        "Write a small advertisement for {who}.",
        "Landing page copy for {who}.",
        "Write the newsletter blurb for {who}.",
        "Poster text for {who}.",
        "Write sales copy for {who}.",
    ],
}
_WHO_MORE = [
    "{trade} in {place} called {co}",
    "{co} of {place}",
    "{co}, which is {trade}",
    "{co} from {place}",
    "{co} ({trade})",
    "{co}, {trade} near {place}",
    "the people at {co}",
    "{co}",
]
LIST_MORE = [
    "Say {all}.",
    "It should name {all}.",
    "Please include {all}.",
    "Work in {all}.",
    "Use these: {all}.",
    "We need {all} in it.",
    "{all} must appear.",
    "Keep {all} in.",
    "The words {all} have to be there.",
    "Remember to mention {all}.",
    "It has to say {all}.",
    "Bring in {all}.",
]
_FACTS_MORE = ["Facts: {all}.", "Say this: {all}.", "In short: {all}.", "Background: {all}.", "Cover this: {all}."]
_EXTRA_MORE = {
    "url": [
        "Send people to {url}.",
        "Include the link {url}.",
        "The website is {url}.",
        "They can read it at {url}.",
        "Booking at {url}.",
        "Sign-up is at {url}.",
    ],
    "person": [
        "Ask {person}.",
        "{person} is the contact.",
        "It should name {person} for questions.",
        "Talk to {person}.",
    ],
    "phone": ["Their number is {phone}.", "Call {phone}.", "Telephone: {phone}.", "Include the number {phone}."],
    "clause": [
        "State that {clause}.",
        "Note that {clause}.",
        "Tell readers that {clause}.",
        "By the way, {clause}.",
        "People should know that {clause}.",
        "Also: {clause}.",
        "{clause_cap}.",
    ],
    "clause2": [
        "And {clause2}.",
        "State that {clause2}.",
        "Also mention that {clause2}.",
        "{clause2_cap}.",
        "Tell people {clause2}.",
    ],
}
_ASK_FOR = {
    "linkedin_post": ["Write a LinkedIn post.", "Turn this into a LinkedIn post.", "Make this a LinkedIn post."],
    "tweet": ["Write a tweet.", "Turn this into a tweet.", "Make a tweet of it."],
    "marketing_copy": ["Write the ad copy.", "Turn this into an advert.", "Write marketing copy for it."],
}
_WHO = [
    "{co}",
    "{co}, {trade} in {place}",
    "{co}, {trade}",
    "{co}, {trade} from {place}",
    "{co} ({trade}, {place})",
    "{trade} called {co}",
    "{co} in {place}",
    "{trade} in {place}, {co}",
    "{co}, {trade} based in {place}",
]
LIST = [
    "Mention {all}.",
    "Mention {all}.",
    "Include {all}.",
    "It must mention {all}.",
    "Please mention {all}.",
    "Name {all}.",
    "Must include: {all}.",
    "The text has to contain {all}.",
    "Be sure to mention {all}.",
    "Make sure {all} [is|are] in it.",
    "Do not leave out {all}.",
]
_FACTS = [
    "Facts: {all}.",
    "The facts: {all}.",
    "Include: {all}.",
    "Key points: {all}.",
    "Details: {all}.",
    "What to say: {all}.",
    "Points to cover: {all}.",
]
_VOICE = [
    ("They are", "We are"),
    ("They have", "We have"),
    ("They", "We"),
    ("they", "we"),
    ("Their", "Our"),
    ("their", "our"),
    ("them", "us"),
    ("It announces", "We announce"),
]
EXTRA = ("url", "person", "phone", "clause", "clause", "clause", "clause2")


def first_person(text: str) -> str:
    """The text as the company itself would say it ("They have" becomes "We have")."""
    for old, new in _VOICE:
        text = re.sub(rf"\b{old}\b", new, text)
    return text


def join(items: list[str]) -> str:
    """The items as a list in a sentence: "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def extras(writer: Writer, most: int) -> list[str]:
    """Zero to `most` extra facts, each told in a sentence of its own."""
    told = []
    for slot in writer.rng.sample(EXTRA, writer.rng.randint(0, most)):
        if slot in writer.given:
            continue
        told.append(writer.tell(writer.pattern(load("extras")[f"extra.{slot}"]["tell"], _EXTRA_MORE[slot])))
    return told


def ask(writer: Writer, content_type: str) -> tuple[str, bool]:
    """The opening of the prompt, and whether the company speaks for itself."""
    who = writer.pattern(_WHO, _WHO_MORE)
    writer.given |= {"co"}
    if writer.chance(0.12):
        opening = writer.rng.choice(["We are {who}.", "I work for {who}.", "This is for us, {who}."])
        text = f"{opening} {writer.pattern(_ASK_FOR[content_type])}"
        own = True
    else:
        text, own = writer.pattern(ASK[content_type], ASK_MORE[content_type]), writer.chance(0.06)
    return text.replace("{who}", who).format_map(writer.facts), own


def situation(writer: Writer, content_type: str, most_extras: int) -> tuple[str, dict[str, list[str]], str]:
    """A random situation told in a prompt: (prompt without constraints, its templates, its key)."""
    blocks = load("social")
    key = "free" if writer.chance(0.16) else writer.rng.choice(list(blocks))
    block = blocks[key]
    opening, own = ask(writer, content_type)
    told = [writer.tell(writer.pattern(block["tell"], load("social_more")[key]["tell"]))]
    told += extras(writer, most_extras)
    if writer.chance(0.1):
        body = writer.pattern(_FACTS, _FACTS_MORE).replace("{all}", "; ".join(s.rstrip(".") for s in told))
    elif writer.chance(0.06):
        body = " ".join(told)
        parts = [body, opening]
        return " ".join(map(first_person, parts) if own else parts), block, key
    else:
        glue = ": " if opening.endswith(".") and writer.chance(0.12) else " "
        body = " ".join(told)
        opening = opening[:-1] if glue == ": " else opening
        opening += glue.rstrip()
    if writer.chance(0.45):
        body += " " + mention(writer)
    return f"{opening} {first_person(body) if own else body}", block, key


def mention(writer: Writer) -> str:
    """A sentence that lists some of the given facts once more."""
    values = [
        v
        for s in sorted(writer.given)
        if s not in {"product_noun", "trade", "a_role", "clause", "clause2", "tip", "did", "plan"}
        for v in [writer.facts[s]]
    ]
    chosen = writer.rng.sample(values, min(len(values), writer.rng.randint(1, 4)))
    if writer.chance(0.15):
        writer.given.add("place")
        chosen.append(writer.facts["place"])
    if writer.chance(0.08):
        chosen.append(writer.facts.setdefault("word", names.word(writer.rng)))
        writer.given.add("word")
    return writer.pattern(LIST, LIST_MORE).replace("{all}", join(list(dict.fromkeys(chosen))))
