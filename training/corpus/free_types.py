"""The five content types written from free sentences: the third stage of the specialists' training."""

import random

from . import docs, emails, facts, free, posts, social
from .templates import Writer, load

_ASK_FOR = {
    "linkedin_post": [
        "Write a LinkedIn post.",
        "Write a LinkedIn post about it.",
        "Draft a LinkedIn post.",
        "Post this on LinkedIn.",
    ],
    "tweet": ["Write a tweet.", "Tweet it.", "Write a tweet about it.", "Draft a tweet."],
    "marketing_copy": ["Write ad copy.", "Write the ad.", "Write marketing copy for it.", "Write copy for a flyer."],
}
_TOPIC = ["This is about {x}.", "It is all about {x}.", "Today it is about {x}."]
_TAGS = ["#Local", "#Team", "#News", "#Work", "#Today", "#People"]


def _agent(writer: Writer) -> str:
    """How the prompt describes the company: its trade from the list, or another one."""
    rng, co = writer.rng, writer.facts["co"]
    place = writer.facts["place"]
    other = rng.choice(free.AGENTS)
    bare = other.split(" ", 1)[1] if other.startswith(("a ", "an ")) else other
    return rng.choice([
        co, f"{co}, {other} in {place}", f"{co}, {other} in {place}", f"the {bare} {co} in {place}", f"{co} in {place}",
        f"{co}, {writer.facts.trade.label} in {place}", f"{other} called {co}", f"{co} ({other}, {place})",
    ])  # fmt: skip


def _company(writer: Writer) -> None:
    """Most companies have a trade of their own; then hashtags are general ones."""
    if writer.chance(0.5):
        writer.facts.trade = facts.TRADES[0]._replace(
            label=writer.rng.choice(free.AGENTS),
            tags=[t[1:] for t in writer.rng.sample(_TAGS, 3)],
            suffixes=writer.facts.trade.suffixes,
        )
        writer.facts.pop("co", None)


def _brief(writer: Writer, content_type: str, least: int, most: int) -> tuple[str, list[str]]:
    """(prompt without constraints, the sentences of the answer)."""
    rng = writer.rng
    _company(writer)
    who = _agent(writer)
    co = writer.facts["co"]
    tellings = [free.tell(rng, co) for _ in range(rng.randint(least, most))]
    told, said = [t.prompt for t in tellings], [t.answer for t in tellings]
    for number, telling in enumerate(tellings):
        writer.facts[f"telling{number}"] = telling.prompt.rstrip(".")
        writer.facts[f"said{number}"] = telling.answer.rstrip(".")
        writer.facts[f"about{number}"] = telling.about
    pool = social.ASK[content_type]  # the same openings, held-out ones left out
    ask = writer.pattern(pool, social.ASK_MORE[content_type]).replace("{who}", who)
    if writer.chance(0.2):
        first, rest = f"{told[0].replace('They', co, 1).replace(' have ', ' has ', 1)}", told[1:]
        prompt = " ".join([first, rng.choice(_ASK_FOR[content_type]), *rest])
        if co not in prompt:
            prompt += rng.choice([f" It is for {who}.", f" The company is {who}.", f" Write it for {who}."])
    else:
        prompt = " ".join([ask, *told])
    if writer.chance(0.4):
        items = [t.about for t in tellings if len(t.about.split()) < 7] + [
            co,
            *([writer.facts["place"]] if writer.facts["place"] in who else []),
        ]
        chosen = rng.sample(items, min(len(items), rng.randint(1, 3)))
        if writer.facts["place"] in chosen:
            said.append(f"Greetings from {writer.facts['place']}.")
        if writer.chance(0.25):
            extra = writer.facts["extra"] = free.thing(rng)
            chosen.append(extra)
            said.append(rng.choice(_TOPIC).replace("{x}", extra))
        prompt += " " + writer.pattern(social.LIST, social.LIST_MORE).replace("{all}", social.join(chosen))
    if writer.chance(0.2):
        prompt += " " + free.silence(rng)
    if writer.chance(0.3):
        prompt += " " + free.manner(rng)
    return prompt, said


def _with_company(writer: Writer, said: list[str]) -> list[str]:
    """The sentences, with the company's name in the first one or in a line of its own."""
    co = writer.facts["co"]
    if any(co in sentence for sentence in said):
        return said
    first = said[0]
    if first.startswith("We ") and writer.chance(0.6):
        return [
            first.replace("We have ", f"At {co} we have ", 1)
            if first.startswith("We have ")
            else f"At {co} w{first[1:]}",
            *said[1:],
        ]
    return [*said, writer.rng.choice([f"Your team at {co}.", f"All of us at {co} look forward to it."])]


def linkedin(writer: Writer) -> tuple[str, str]:
    """A LinkedIn post: (prompt, answer)."""
    rng = writer.rng
    prompt, said = _brief(writer, "linkedin_post", 1, 4)
    tag_words, tags = posts.hashtags(writer, posts.ASK_TAG, 3)
    hook = rng.choice(load("social")["free"]["hook"]).format_map(writer.facts)
    half = (len(said) + 1) // 2
    said = said if writer.facts["co"] in hook else _with_company(writer, said)
    asks = writer.chance(0.6)
    last = rng.choice(posts.QUESTION if asks else posts.CALL)
    paragraphs = [hook, " ".join(said[:half]), " ".join(said[half:]), last]
    answer = "\n\n".join(p for p in paragraphs if p)
    wishes = [tag_words]
    if writer.chance(0.5):
        wishes.append(
            rng.choice(
                ["End with a question.", "Close with a question to the reader.", "Finish with a question for readers."]
                if asks
                else ["End with a call to action.", "Invite readers to get in touch at the end."]
            )
        )
    if writer.chance(0.4):
        wishes.append(posts.length_limit(writer, answer, [*posts.SHORT, "Up to {n} words.", "The limit is {n} words."]))
    rng.shuffle(wishes)
    return " ".join([prompt, *filter(None, wishes)]), "\n\n".join([answer, *([" ".join(tags)] if tags else [])])


def tweet(writer: Writer) -> tuple[str, str]:
    """A tweet: (prompt, answer)."""
    prompt, said = _brief(writer, "tweet", 1, 2)
    tag_words, tags = posts.hashtags(writer, posts.ASK_TAG, 2)
    said = _with_company(writer, said)
    asks = writer.chance(0.15)
    answer = " ".join([*said, *([writer.rng.choice(posts.QUESTION[:5])] if asks else []), *tags])
    return " ".join(filter(None, [prompt, tag_words, "End with a question." if asks else ""])), answer


def advert(writer: Writer) -> tuple[str, str]:
    """Advertising copy: (prompt, answer)."""
    rng = writer.rng
    prompt, said = _brief(writer, "marketing_copy", 1, 4)
    about = writer.facts["about0"]
    co = writer.facts["co"]
    head = free.cap(
        rng.choice([f"News from {co}", about, f"{co}: {about}", f"What is new at {co}"])
        if len(about.split()) < 7
        else f"News from {co}"
    )
    said = said if co in head else _with_company(writer, said)
    half = (len(said) + 1) // 2
    call = rng.choice(posts.AD_CALL)
    answer = "\n\n".join(p for p in [head, " ".join(said[:half]), " ".join(said[half:]), call] if p)
    wishes = [posts.length_limit(writer, answer, [*posts.SHORT, "Up to {n} words."])] if writer.chance(0.5) else []
    if writer.chance(0.4):
        wishes.append(rng.choice(["End with a call to action.", "Close with a call to action."]))
    return " ".join([prompt, *wishes]), answer


def _mail(rng: random.Random, she: str, him: str) -> tuple[str, str, str]:
    """One thing in a letter: (prompt, answer, noun phrase)."""
    verb, about, end, said = rng.choice(free.VERBS), free.thing(rng), free.tail(rng), free.statement(rng)
    he = {"him": "He", "her": "She", "them": "They"}[him]
    when = f"{facts.date(rng)} at {facts.time(rng)}"
    told, answer = rng.choice([
        (f"{she} {'have' if she == 'We' else 'has'} {verb.participle} {about}{end}.", f"{'We' if she == 'We' else 'I'} have {verb.participle} {about}{end}."),
        (f"{she} {verb.past} {about}{end}.", f"{'We' if she == 'We' else 'I'} {verb.past} {about}{end}."),
        (f"{she} {'want' if she == 'We' else 'wants'} to {verb.base} {about}{end}.", f"{'We' if she == 'We' else 'I'} want to {verb.base} {about}{end}."),
        (f"{he} should {verb.base} {about}{end}.", f"Please {verb.base} {about}{end}."),
        (f"Ask {him} to {verb.base} {about}{end}.", f"Could you please {verb.base} {about}{end}?"),
        (f"Thank {him} for {about}.", f"Thank you for {about}."),
        (f"Tell {him} that {said}.", free.cap(f"{said}.")),
        (free.cap(f"{said}."), free.cap(f"{said}.")),
        (free.cap(f"{said}."), free.cap(f"{said}.")),
        (f"{she} {'will' if rng.random() < 0.5 else 'can'} {verb.base} {about}{end}.", f"I will {verb.base} {about}{end}."),
        (f"Ask whether {said}.", f"Could you tell me whether {said}?"),
        (f"Suggest {when} for {about}.", f"I suggest {when} for {about}."),
        (f"Apologise for {about}.", f"I apologise for {about}."),
        (f"Ask for {about} by {when}.", f"Please send me {about} by {when}."),
        (f"Offer {about}{end}.", f"We can offer you {about}{end}."),
    ])  # fmt: skip
    return told, answer, about


def email(writer: Writer) -> tuple[str, str]:
    """A business e-mail: (prompt, answer)."""
    rng = writer.rng
    tone = rng.choice(["plain", "plain", "friendly", "formal"])
    opening, greeting, signature, _ = emails.people(writer, tone)
    she, him = rng.choice(["She", "He", "We", "They"]), rng.choice(["him", "her", "them"])
    she = "We" if she == "They" else she
    letters = [_mail(rng, she, him) for _ in range(rng.randint(2, 4))]
    for number, (told, said, about) in enumerate(letters):
        writer.facts[f"telling{number}"], writer.facts[f"said{number}"], writer.facts[f"about{number}"] = (
            told.rstrip("."),
            said.rstrip("."),
            about,
        )
    fitting = [about for told, _, about in letters if about in told and len(about.split()) < 7]
    subject = free.cap(fitting[0]) if fitting else rng.choice(["A short update", "Information for you", "News from us"])
    half = (len(letters) + 1) // 2
    sayings = [said for _, said, _ in letters]
    paragraphs = [" ".join(sayings[:half]), " ".join(sayings[half:])]
    if not any(s.endswith("?") or s.startswith("Please") for s in sayings):
        paragraphs.append("Please let me know if you have any questions.")
    company = [writer.facts["co"]] if "co" in writer.given else []
    body = "\n\n".join(p for p in paragraphs if p)
    answer = "\n".join(
        [f"Subject: {subject}", "", greeting, "", body, "", rng.choice(emails.CLOSE[tone]), signature, *company]
    )
    wishes = [rng.choice(emails.TONE[tone])]
    if writer.chance(0.4):
        wishes.append(posts.length_limit(writer, answer, [*posts.SHORT, "The limit is {n} words.", "Up to {n} words."]))
    if writer.chance(0.3):
        wishes.append(rng.choice([free.silence(rng), free.manner(rng)]))
    return " ".join(filter(None, [opening, *(told for told, _, _ in letters), *wishes])), answer


def document(writer: Writer) -> tuple[str, str]:
    """A how-to document: (prompt, answer)."""
    rng = writer.rng
    verb, about = rng.choice(free.VERBS), free.thing(rng)
    tool = f" {rng.choice(['with', 'in', 'for', 'on'])} {writer.facts['tool']}" if writer.chance(0.6) else ""
    goal = f"{verb.gerund} {about}{tool}"
    audience = rng.choice(docs.AUDIENCE)
    ask = writer.pattern(docs.ASK)
    opening = ask.replace("{audience}", audience).replace(
        "{goal}", rng.choice([goal, f"how to {verb.base} {about}{tool}"])
    )
    title = rng.choice([free.cap(goal), f"How to {verb.base} {about}{tool}"])
    commands = [command for _, command in docs.steps_of(writer, rng.choice(list(docs.KINDS)))]
    steps = []
    for number in range(rng.randint(2, 5)):
        step = rng.choice(free.VERBS)
        command = commands[number] if number < len(commands) and writer.chance(0.55) else ""
        steps.append((f"{step.base} {free.thing(rng)}{free.tail(rng) if not command else ''}", command))
    needs, contact = docs.needs(writer), docs.contact(writer)
    warning = ("", "")
    if writer.chance(0.5):
        said = writer.facts["warning"] = free.statement(rng)
        warning = (writer.pattern(docs.WARN).replace("{w}", said), f"> **Warning:** {free.cap(said)}.")
    told = [docs.prompt_steps(writer, steps), *(said for said, _ in (needs, warning, contact) if said)]
    purpose = f"This guide shows how to {verb.base} {about}{tool}." + (
        f" It is written for {audience}." if "{audience}" in ask else ""
    )
    parts = [f"# {title}", purpose, needs[1], "## Steps", docs.answer_steps(steps), warning[1], contact[1]]
    writer.facts["about0"] = about
    return " ".join([opening, *told]), "\n\n".join(p for p in parts if p)


WRITERS = {
    "linkedin_post": linkedin,
    "tweet": tweet,
    "marketing_copy": advert,
    "business_email": email,
    "technical_doc": document,
}
