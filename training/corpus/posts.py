"""LinkedIn posts, tweets and advertising copy: the answers, and the constraints that their prompts may set."""

import re

from . import social
from .templates import Writer

_MIDDLE = [
    "Good work starts with listening, and that is what we try to do every day.",
    "It sounds simple, but it took time, care and a few late evenings.",
    "We did not get everything right the first time, and that is how we learned.",
    "What counts for us is that people can rely on what we say.",
    "Thank you to everyone who had a part in it, in front of the curtain and behind it.",
    "Our customers ask good questions, and this is one of our answers.",
    "It is a small step for some, but it means a lot to our team.",
    "We believe that honest work speaks for itself.",
    "There is still a lot to do, and we are looking forward to it.",
    "Behind it stand people who know their trade and like what they do.",
]
QUESTION = [
    "What do you think?",
    "What is your experience?",
    "How do you do it?",
    "What would you like to know?",
    "What matters most to you?",
    "Have you been in the same place?",
    "What would you have done?",
    "How does your team handle this?",
    "What are your plans this season?",
]
CALL = [
    "Write to us if you would like to know more.",
    "Send us a message and we will answer the same day.",
    "Come and see for yourself.",
    "Tell a friend who should know about this.",
    "Get in touch with us today.",
    "Talk to us, we are happy to help.",
    "Leave a comment and tell us what you think.",
]
AD_CALL = [
    "Order yours today.",
    "Come and see us this week.",
    "Call us today.",
    "Book your place now.",
    "Visit us today.",
    "Get in touch today.",
    "Try it for yourself.",
    "Write to us now.",
    "Find out more today.",
    "Talk to us today.",
]
_TWEET_END = [
    "",
    "",
    "",
    "",
    "See you there!",
    "Tell your friends!",
    "Spread the word!",
    "What do you think?",
    "Join us!",
]
_TONE = [
    "Friendly tone.",
    "Keep it plain.",
    "Warm tone.",
    "Keep it simple.",
    "Keep the tone calm.",
    "Cheerful tone.",
    "Professional tone.",
    "No jargon.",
    "Sound human.",
    "Keep it honest.",
    "Sober tone.",
    "Be direct.",
]
_BAN = [
    ("No emoji.", ""),
    ("Do not use the word {w}.", "w"),
    ("No emojis, please.", ""),
    ("Avoid the word {w}.", "w"),
    ("Do not exaggerate.", ""),
    ("No exclamation marks.", "!"),
    ("No Markdown.", ""),
    ("Do not promise anything.", ""),
]
_BAN_WORDS = ["exciting", "thrilled", "guarantee", "cheap", "best", "unique", "synergy", "amazing", "revolutionary"]
_LEFT_SKIP = frozenset({"trade", "a_role", "product_noun"})


def _words(text: str) -> int:
    return len(re.findall(r"\S+", text))


def length_limit(writer: Writer, answer: str, pool: list[str]) -> str:
    """A length limit that the answer keeps, in round numbers."""
    words = _words(re.sub(r"#\S+", "", answer))
    limit = -(-words // 10) * 10 + writer.rng.choice([0, 0, 10, 10, 20, 30])
    return writer.pattern(pool).replace("{n}", str(limit))


def _bans(writer: Writer, answer: str) -> tuple[str, str]:
    """A prohibition and the answer that keeps it."""
    text, what = writer.rng.choice(_BAN)
    if what == "!":
        answer = answer.replace("!", ".")
    return text.replace("{w}", writer.rng.choice(_BAN_WORDS)), answer


def hashtags(writer: Writer, pool: list[str], most: int) -> tuple[str, list[str]]:
    """A sentence about hashtags for the prompt (or none) and the hashtags of the answer."""
    tags = ["#" + tag for tag in writer.facts.trade.tags]
    roll = writer.rng.random()
    if roll < 0.3:
        writer.given.add("tag")
        writer.used.add("tag")
        sentence = writer.pattern(pool).replace("{tag}", writer.facts["tag"])
        return sentence, [writer.facts["tag"], *tags[: writer.rng.choice([0, 0, 1]) if most > 1 else 0]]
    if roll < 0.42:
        return writer.pattern(["No hashtags.", "Without hashtags.", "Do not use hashtags.", "Leave out hashtags."]), []
    if roll < 0.62:
        number = writer.rng.randint(1, most)
        word = writer.rng.choice([str(number), ["one", "two", "three"][number - 1]])
        plural = "" if number == 1 else "s"
        sentence = writer.pattern(
            [
                "At most {n} hashtag{s}.",
                "No more than {n} hashtag{s}.",
                "Use {n} hashtag{s}.",
                "End with {n} hashtag{s}.",
                "{n} hashtag{s} at most.",
            ]
        )
        return social_cap(sentence.replace("{n}", word).replace("{s}", plural)), tags[:number]
    return "", tags[: writer.rng.randint(1, most)] if most > 2 or writer.chance(0.5) else []


def social_cap(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _finish(writer: Writer, prompt: str, constraints: list[str]) -> str:
    """The prompt with its constraints in random order."""
    said = [c for c in constraints if c]
    writer.rng.shuffle(said)
    return " ".join([prompt, *said])


ASK_TAG = [
    "Include the hashtag {tag}.",
    "Use the hashtag {tag}.",
    "Add {tag}.",
    "Hashtag: {tag}.",
    "End with {tag}.",
    "The hashtag is {tag}.",
    "It needs the hashtag {tag}.",
    "Put {tag} at the end.",
]
SHORT = [
    "Under {n} words.",
    "At most {n} words.",
    "No more than {n} words.",
    "Keep it under {n} words.",
    "Maximum {n} words.",
    "Short, under {n} words.",
    "Stay below {n} words.",
    "{n} words at most.",
]


def linkedin(writer: Writer) -> tuple[str, str]:
    """A LinkedIn post: (prompt, answer)."""
    short = writer.chance(0.3)
    prompt, block, _ = social.situation(writer, "linkedin_post", 1 if short else 2)
    tag_words, tags = hashtags(writer, ASK_TAG, 3)
    hook, body = writer.answer(block["hook"]), writer.answer(block["body"])
    rest = writer.leftovers("post", _LEFT_SKIP)
    writer.rng.shuffle(rest)
    ending = writer.rng.choice(["", "", "question", "call"])
    asks = ending == "question" or (not ending and writer.chance(0.6))
    question = writer.rng.choice(block.get("question", []) + QUESTION[: 9 if "question" not in block else 3])
    last = question if asks else writer.rng.choice(CALL)
    paragraphs = [hook, body] if not short or writer.chance(0.5) else [f"{hook} {body}"]
    if rest:
        paragraphs.append(" ".join(rest))
    elif not short:
        paragraphs.append(writer.rng.choice(_MIDDLE))
    paragraphs.append(last)
    answer = "\n\n".join(paragraphs)
    ban, answer = _bans(writer, answer) if writer.chance(0.2) else ("", answer)
    if tags:
        answer += "\n\n" + " ".join(tags)
    ends = {
        "question": [
            "End with a question to readers.",
            "End with a question.",
            "Close with a question.",
            "Finish with a question to the readers.",
            "Ask readers something at the end.",
        ],
        "call": [
            "End with a call to action.",
            "Close with a call to action.",
            "Finish with an invitation to get in touch.",
            "The last line should ask people to get in touch.",
        ],
        "": [""],
    }
    limit = length_limit(writer, answer, SHORT) if writer.chance(0.75 if short else 0.35) else ""
    tone = writer.rng.choice(_TONE) if writer.chance(0.3) else ""
    return _finish(writer, prompt, [tag_words, writer.pattern(ends[ending]), limit, ban, tone]), answer


def tweet(writer: Writer) -> tuple[str, str]:
    """A tweet of at most 280 characters: (prompt, answer)."""
    prompt, block, _ = social.situation(writer, "tweet", 1)
    tag_words, tags = hashtags(writer, ASK_TAG, 2)
    parts = [writer.answer(block["tweet"]), *writer.leftovers("tweet", _LEFT_SKIP)]
    end = writer.rng.choice(_TWEET_END)
    asks = writer.chance(0.1)
    if asks:
        end = writer.rng.choice(QUESTION[:5])
    if end and _words(" ".join(parts)) < 34:
        parts.append(end)
    answer = " ".join(parts)
    ban, answer = _bans(writer, answer) if writer.chance(0.2) else ("", answer)
    answer = " ".join([answer, *tags])
    tone = writer.rng.choice(_TONE) if writer.chance(0.4) else ""
    question = (
        writer.pattern(
            [
                "End with a question.",
                "Ask a question at the end.",
                "Close with a question.",
                "The tweet should end with a question.",
            ]
        )
        if asks and end in parts
        else ""
    )
    length = writer.rng.choice(["One sentence or two.", "Keep it short.", "Under 280 characters.", "Very short."])
    return _finish(writer, prompt, [tag_words, question, ban, tone, length if writer.chance(0.15) else ""]), answer


def advert(writer: Writer) -> tuple[str, str]:
    """Advertising copy with a headline and a call to action: (prompt, answer)."""
    short = writer.chance(0.35)
    prompt, block, _ = social.situation(writer, "marketing_copy", 1 if short else 2)
    head = writer.answer(block["head"])
    first, second = writer.answer(block["ad"]), writer.answer(block["ad2"])
    rest = writer.leftovers("post", _LEFT_SKIP)
    writer.rng.shuffle(rest)
    call = writer.rng.choice(AD_CALL)
    if short:
        paragraphs = [" ".join([first, *rest]), call]
    else:
        paragraphs = [f"{first} {second}".strip(), *([" ".join(rest)] if rest else []), call]
    answer = "\n\n".join([p for p in [head, *paragraphs] if p])
    ban, answer = _bans(writer, answer) if writer.chance(0.2) else ("", answer)
    limit = length_limit(writer, answer, SHORT) if writer.chance(0.6) else ""
    end = (
        writer.pattern(
            [
                "End with a call to action.",
                "Close with a call to action.",
                "Finish with a call to action.",
                "It should end with a call to action.",
            ]
        )
        if writer.chance(0.35)
        else ""
    )
    tone = writer.rng.choice(_TONE) if writer.chance(0.3) else ""
    headline = writer.pattern(
        ["With a headline.", "Start with a headline.", "Give it a headline.", "Begin with a headline."]
    )
    return _finish(writer, prompt, [limit, end, ban, tone, headline if writer.chance(0.15) else ""]), answer
