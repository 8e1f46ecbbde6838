"""What each dimension deducts, and what it must not."""

from __future__ import annotations

import pytest

from bakeoff.score.brief import BriefChecks, make_checks
from bakeoff.score.compliance import brief_compliance, check_facts, invented_numbers
from bakeoff.score.dimensions import business_quality, language_quality, length_quality, structure_quality
from bakeoff.score.parts import DETECTORS
from bakeoff.score.technical import technical_quality
from bakeoff.score.text import Text

MAIL = (
    "Subject: Skiff ready\n\nDear Tom,\n\nThe skiff is ready, and you can fetch it from Kendal on 3 May. We oiled it twice and packed new oars.\n\n"
    "Could you tell me by Thursday when you will come?\n\nKind regards,\nAnn Lee"
)
MAIL_CHECKS = make_checks(
    "Write an email from Ann Lee to Tom Becker: the skiff is ready on 3 May in Kendal. Ask when he comes, by Thursday.",
    "email",
    must_include=["3 May", "Kendal", "Thursday"],
    parts=["subject", "greeting", "recipient", "sign_off", "sender"],
)


def compliance(text: str, checks: BriefChecks) -> float | None:
    parsed = Text(text)
    return brief_compliance(parsed, checks, check_facts(parsed, checks)).value


def technical(text: str, checks: BriefChecks):
    parsed = Text(text)
    return technical_quality(parsed, checks, check_facts(parsed, checks))


def test_a_clean_mail_has_nothing_deducted():
    text = Text(MAIL)
    for grade in (business_quality, length_quality, structure_quality, language_quality):
        assert grade(text, MAIL_CHECKS).value == 10, grade(text, MAIL_CHECKS).evidence
    assert compliance(MAIL, MAIL_CHECKS) == 10
    assert technical(MAIL, MAIL_CHECKS).value == 10


def test_compliance_weighs_facts_two_thirds():
    assert compliance(MAIL.replace("Kendal", "town"), MAIL_CHECKS) == pytest.approx(10 - 20 / 9, abs=0.01)
    assert compliance(MAIL.replace("Subject: Skiff ready\n\n", ""), MAIL_CHECKS) == pytest.approx(
        10 - 10 / 15, abs=0.01
    )
    assert compliance(MAIL, MAIL_CHECKS.model_copy(update={"must_not_include": ("oars",)})) == 7
    assert compliance("anything", BriefChecks(prompt="", content_type="note")) is None


def test_limits_count_what_they_name():
    checks = make_checks(
        "",
        "note",
        limits={
            "max_words": 4,
            "max_hashtags": 1,
            "max_emoji": 0,
            "max_sentences": 1,
            "max_paragraphs": 1,
            "max_characters": 10,
            "min_words": 2,
        },
    )
    assert compliance("One two.", checks) == 10
    assert compliance("One two. Three four five #a #b 👩‍👩‍👧\n\nsix", checks) == pytest.approx(10 / 7, abs=0.01)


@pytest.mark.parametrize(
    ("text", "claims", "others"),
    [
        ("We sold 14 boats for £24 on 3 May 2026 at 3 pm.", (), ()),
        ("We sold fourteen boats in 2025, version 9, since 1998.", (), ()),
        ("1. First\n2. Second\n7) Seventh", (), ()),
        ("Step 5: see https://x.example/777 and #top10", (), ()),
        ("Run `kill -9 4711` or\n\n```\nport 8080\n```\n", (), ()),
        ("Save 90% today, 5x the speed, for $12, 2,000 sold", ("90", "5", "12", "2,000"), ()),
        ("Open from 17:30, in 25 places", (), ("17:30", "25")),
        ("at 15:00 for £24.00", (), ()),
    ],
)
def test_invented_numbers(text, claims, others):
    checks = make_checks("They sold 14 boats at £24 each on 3 May at 3 pm.", "note")
    assert invented_numbers(Text(text), checks) == (claims, others)


def test_length_is_ten_inside_and_never_more_for_more():
    tweet = make_checks("", "tweet")
    assert {length_quality(Text("word " * n), tweet).value for n in (6, 20, 60)} == {10}
    assert length_quality(Text("word " * 75), tweet).value == 5
    assert length_quality(Text("word " * 90), tweet).value == 0
    stated = make_checks("", "linkedin", limits={"max_words": 50})
    assert length_quality(Text("word " * 20), stated).value == 10
    assert length_quality(Text("word " * 55), stated).value == 8
    assert length_quality(Text("word"), make_checks("", "haiku")).value is None


def test_structure_asks_for_declared_parts_before_usual_ones():
    no_subject = MAIL.replace("Subject: Skiff ready\n\n", "")
    assert structure_quality(Text(no_subject), MAIL_CHECKS).value == 8
    assert structure_quality(Text("The skiff is ready."), make_checks("", "email")).value == pytest.approx(
        10 / 3, abs=0.01
    )
    post = make_checks("", "linkedin")
    assert (
        structure_quality(Text("# Title\n\nA **bold** word."), post).value
        < structure_quality(Text("Title\n\nA bold word."), post).value
    )
    assert structure_quality(Text("One line.\n\nTwo. #a #b #c #d #e #f #g"), post).value == 8


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("The boat is ready, and Tom will fetch it. He has the keys.", 10, 10),
        ("the boat is ready. tom will fetch it. he has the keys.", 0, 6),
        ("The the boat is is ready. We we wait.", 0, 7.5),
        ('The boat (new is ready. "Oars too.', 8, 8),
        ("A apple and an boat lie on the shore.", 9, 9),
        ("The boat , which is new .. It floats ,,", 0, 9),
        ("Tom sat with the of and a to is the for on my the at.", 0, 6),
        ("An hour, a user, a European one-off, an honest MBA; a unit and an LLM.", 10, 10),
        ("Plan A is fine. He said that that was it. We had had enough, i.e. too much.", 10, 10),
    ],
)
def test_language(text, least, most):
    assert least <= language_quality(Text(text), make_checks("", "note")).value <= most


def test_a_word_is_doubled_within_a_sentence():
    def reasons(text, language="en"):
        return language_quality(Text(text), make_checks("", "note", language=language)).evidence

    assert reasons("We made it. It took a year, and we doubled it.\n\nIt works.") == ()
    assert reasons("Plans\n\n| what | Yes | Yes |\n|---|---|---|\n") == ()
    assert "doubled: it" in reasons("We made it it took a year.")[0]
    assert reasons("What it is to be proud of. We know.") == ()


def test_rules_of_english_words_hold_in_english():
    german = "Der Durchschnitt der Kunden hat Rechtsschutz."
    assert language_quality(Text(german), make_checks("", "note", language="de")).value == 10
    assert language_quality(Text(german), make_checks("", "note")).value < 10
    odd = "Der Kunde hat xkcdfgh gesagt, und qu!ck war er auch."
    assert language_quality(Text(odd), make_checks("", "note", language="de")).value < 10


def test_a_german_letter_goes_on_below_its_greeting():
    letter = "Sehr geehrter Herr Okoye,\n\nunsere Eröffnung ist im Mai. Wir freuen uns.\n\n{}"
    german = make_checks("", "note", language="de")
    assert language_quality(Text(letter.format("Bis bald.")), german).value == 10
    assert language_quality(Text(letter.format("bis sehr bald dann.")), german).value < 10


@pytest.mark.parametrize(
    ("greeting", "sign_off"),
    [
        ("Madame Martin,", "Bien cordialement,"),
        ("Estimados señores:", "Atentamente,"),
        ("Sehr geehrte Damen und Herren,", "Freundliche Grüsse"),
        ("Guten Tag Frau Keller,", "Viele Grüße aus Leipzig"),
        ("Madame, Monsieur,", "Je vous prie d'agréer, Madame, mes salutations distinguées."),
        ("Gentili signori,", "Distinti saluti"),
    ],
)
def test_letters_of_other_languages_have_their_parts(greeting, sign_off):
    letter = Text(f"{greeting}\n\n3 Mai.\n\n{sign_off}\nAnna Weber\n0341 555 1234")
    assert DETECTORS["greeting"](letter, MAIL_CHECKS)
    assert DETECTORS["sign_off"](letter, MAIL_CHECKS)
    assert invented_numbers(letter, make_checks("Schreib vom 3 Mai.", "email", language="de")) == ((), ())
    assert not DETECTORS["sign_off"](Text("Madame est là.\nElle présente ses salutations à tous."), MAIL_CHECKS)


def test_register():
    checks = make_checks("Write a mail about the delay of our strategy day.", "email")
    assert business_quality(Text("The strategy day moves to 3 May because the hall is flooded."), checks).value == 10
    assert (
        business_quality(Text("Our proven expertise and strategy leverage innovative, robust solutions."), checks).value
        < 7
    )
    assert business_quality(Text("You are an idiot, and your team is pathetic."), checks).value <= 4
    assert business_quality(Text("hey dude, gonna be late lol"), checks).value <= 6
    assert business_quality(Text("Great!!! News!!! Today!!! Come!!!"), checks).value == 7


DOCUMENT = make_checks("Explain how to create a key: `tide keys create --name NAME`, then `tide keys list`.", "docs")


def test_documents_answer_for_their_commands():
    good = technical("Run:\n\n```bash\ntide keys create --name billing\n```\n\nThen `tide keys list`.", DOCUMENT)
    assert good.value == 10
    plain = technical("Run tide keys create --name billing and then tide keys list.", DOCUMENT)
    assert plain.value == 6
    invented = technical("```bash\ntide rotate --all\nkeyctl wipe\n```\n\nThen `tide keys list`.", DOCUMENT)
    assert invented.value == 1
    assert "tide rotate --all" in " ".join(invented.evidence)


def test_depth_of_other_texts_is_what_they_take_from_the_brief():
    vague = technical(
        "We care about quality. Our people are great. Everyone is welcome here. It will be wonderful.", MAIL_CHECKS
    )
    assert vague.value == 0


@pytest.mark.parametrize(
    ("part", "has", "lacks"),
    [
        ("hook", "Werte, die zählen.\n\nDas war die Frage.", "Hallo zusammen, das Boot ist fertig."),
        ("hook", "Nine hours.\n\nThat was the wait.", "We are excited to announce that the boat is ready."),
        ("question", "Ready? We are.", "We are ready."),
        ("call_to_action", "It is here. Order yours today.", "It is here. It is blue."),
        ("hashtags", "Here it is. #boat", "Number #1 of all."),
        ("paragraphs", "One.\n\nTwo.", "One.\nTwo."),
        ("subject", "**Subject:** Boat\n\nDear Tom", "Dear Tom,\nsubject to change"),
        ("greeting", "Subject: x\n\nHi Tom,\n\nHello.", "The boat says hello."),
        ("sign_off", "Text.\n\nBest regards,\nAnn", "Best regards are sent by all of us to you and yours."),
        ("recipient", "Dear Mr Becker,\n\nHello.", "Dear Ann,\n\nHello."),
        ("sender", "Text.\n\nKind regards,\nAnn", "Text.\n\nKind regards,\nTom Becker"),
        ("title", "# Boats\n\nText.", "This is a long first sentence of a text about boats, with no title."),
        ("headings", "# Boats\n\n## Oars\n\nText.", "# Boats\n\nText."),
        ("numbered_steps", "1. One\n2. Two", "1. One and only"),
        ("bullets", "- one\n- two", "one - two"),
        ("code_block", "```bash\nls\n```", "```bash\nls\n"),
        ("warning", "> **Warning:** It bites.", "It is friendly."),
        ("prerequisites", "## Prerequisites\n\n- A boat", "## Steps\n\n- A boat"),
        ("headline", "Boats for all\n\nThey float.", "They float."),
    ],
)
def test_parts(part, has, lacks):
    assert DETECTORS[part](Text(has), MAIL_CHECKS)
    assert not DETECTORS[part](Text(lacks), MAIL_CHECKS)


@pytest.mark.parametrize("when", ["by Friday", "by Easter", "by Monday 3 March", "from December"])
def test_a_day_is_no_sender(when):
    """Nobody is named: any name below the sign-off will do. With a name beside the day, that name is asked for."""
    mail = Text("Dear Ann,\n\nText.\n\nKind regards,\nTom Becker")
    assert DETECTORS["sender"](mail, make_checks(f"Write to Ann. Ask for an answer {when}.", "business_email"))
    named = make_checks(f"Write to Ann, signed by Lena Voss. Ask for an answer {when}.", "business_email")
    assert not DETECTORS["sender"](mail, named)


def test_a_text_is_taken_apart():
    text = Text(
        'Mr. Lee paid £1.50 at 9 a.m. today. "Good," he said.\nIt goes\non here.\n\n```bash\nls -l\n```\n\nSee `x y` at tarn.example/a #Boats 👩‍👩‍👧'
    )
    assert text.sentences[:3] == ("Mr. Lee paid £1.50 at 9 a.m. today.", '"Good," he said.', "It goes on here.")
    assert [(block.language, block.body, block.closed) for block in text.code_blocks] == [("bash", "ls -l", True)]
    assert text.inline_code == ("x y",)
    assert text.hashtags == ("#Boats",)
    assert text.emoji == ("👩‍👩‍👧",)
    assert "ls" not in text.words
    assert "tarn" not in text.words
