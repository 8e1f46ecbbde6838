"""Small disturbances of a prompt's wording, so that a model leans on facts and not on exact phrases.

Facts themselves are never touched. Used by the second stage of training.
"""

import random
import re
from collections.abc import Iterable

_SYNONYMS = {
    "because of": ["due to", "owing to", "thanks to", "as a result of"],
    "until": ["till", "up to", "through"],
    "starting": ["beginning", "as of", "from"],
    "from": ["as of", "starting"],
    "costs": ["is", "sells for", "is priced at"],
    "customers": ["people", "clients", "buyers"],
    "Mention": ["Name", "Include", "State", "Say", "Bring up"],
    "mention": ["name", "include", "state", "bring up"],
    "Include": ["Mention", "Put in", "Add", "Use"],
    "Write": ["Draft", "Create", "Compose", "Prepare", "Please write", "Do"],
    "write": ["draft", "create", "prepare"],
    "takes place": ["happens", "is held", "is"],
    "new": ["brand-new", "latest", ""],
    "They have": ["They've", "The company has", "The team has", "We have"],
    "They are": ["They're", "The company is", "The team is"],
    "They": ["The company", "The team", "The owners", "We"],
    "Their": ["The", "Our", "The company's"],
    "has": ["now has", "already has"],
    "will": ["is going to", "wants to", "shall"],
    "joins": ["joined", "is joining", "comes on board"],
    "closed": ["shut", "not open"],
    "Tell": ["Inform", "Let", "Write to tell"],
    "Ask": ["Please ask", "Kindly ask"],
    "Say": ["State", "Tell readers", "Write"],
    "that": ["", "that"],
    "the": ["the", "", "that", "this"],
    "a": ["a", "", "one"],
    "is": ["is", "was", "'s"],
    "and": ["and", "&", "plus", "as well as"],
    "on": ["on", "", "for"],
    "words": ["words", "words in all"],
    "with": ["with", "using", "by"],
}
_FILLERS = """It goes out this week. Our readers are mostly local. The tone should fit the brand. We post every Tuesday.
This is for people who know us. It should be easy to read. The readers are busy. We have done this before. Nobody needs long words.
It is the first time we do this. The boss will read it too. Think of a person with little time. It should make people curious.
There is no rush. The last one was too long. Many readers use a phone. Plain English, please. It is for the general public.
The season is busy. Some of our readers are new. The name matters to us. It should sound like us. We trust your judgement.
Do not be too clever. It has been a long year. The team is proud. It matters to us that it is correct. All facts are final.
They were pleased with the last text. The neighbours are curious. It took a lot of work. This is good news for everyone.
Several people asked about it. Nothing else has changed. It is not a secret any more. The weather was kind. It all went well.
Readers should feel welcome. Keep all facts as they are. No fuss. It must be right. The audience is mixed.""".replace(
    "\n", " "
)
_FILLER_LIST = re.findall(r"[^.]+\.", _FILLERS)
_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z`])")


def disturb(prompt: str, facts: Iterable[str], rng: random.Random) -> str:
    """The prompt in slightly other words: synonyms, lost small words, a sentence that says nothing, another order.

    Args:
        prompt: a prompt of the corpus.
        facts: strings that stay as they are.
        rng: the example's random stream.
    """
    kept: list[str] = []
    for fact in sorted(set(facts), key=lambda f: (-len(f), f)):
        if fact in prompt:
            prompt = prompt.replace(fact, f"\x00{len(kept)}\x00")
            kept.append(fact)
    sentences = _SENTENCE.split(prompt)
    if len(sentences) > 2 and rng.random() < 0.3:
        rest = sentences[1:]
        rng.shuffle(rest)
        sentences = [sentences[0], *rest]
    if rng.random() < 0.12:
        rng.shuffle(sentences)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        sentences.insert(rng.randint(1, len(sentences)), rng.choice(_FILLER_LIST).strip())
    strength = rng.choice([0.0, 0.15, 0.3])
    prompt = " ".join(_reword(sentence, strength, rng) for sentence in sentences)
    for number, fact in reversed(list(enumerate(kept))):
        prompt = prompt.replace(f"\x00{number}\x00", fact)
    return prompt


def _reword(sentence: str, strength: float, rng: random.Random) -> str:
    for old, new in _SYNONYMS.items():
        if old in sentence and rng.random() < strength:
            sentence = re.sub(rf"\b{old}\b", rng.choice(new), sentence, count=1)
    if rng.random() < strength:
        words = sentence.split(" ")
        words = [w for w in words if not w.islower() or "\x00" in w or rng.random() > 0.08]
        sentence = " ".join(words)
    return " ".join(sentence.split())
