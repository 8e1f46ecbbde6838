"""Quality in production: graded as the run's own texts were, held against their lower bound, told when it really drops."""

import random
from contextlib import closing

import pytest

import made_store
from bakeoff.decide.live_reference import LiveGrade, LiveReference, live_references
from bakeoff.score.live import grade_answer
from bakeoff.serve.quality_watch import QualityWatch
from bakeoff.study.live_references import read_live_references
from bakeoff.study.suite import parse_suite


def reference(low=0.8, measure="publishable", content_type="tweet"):
    return LiveReference(
        candidate="small", content_type=content_type, measure=measure, mean=0.9, low=low, texts=40, families=20
    )


def watching(*references, share=1.0, expected=1000.0, seed=1):
    return QualityWatch(references, share, random.Random(seed).random, expected)


def test_a_reference_is_the_lower_bound_of_family_means():
    texts = [LiveGrade("small", "tweet", f"f{i % 10}", {"publishable": float(i % 10 > 0)}) for i in range(40)]
    (found,) = live_references(texts)
    assert found.mean == pytest.approx(0.9)
    assert found.families == 10
    assert found.texts == 40
    assert 0.5 < found.low < 0.9
    more = [LiveGrade("small", "tweet", f"f{i}", {"publishable": float(i % 10 > 0)}) for i in range(200)]
    assert live_references(more)[0].low > found.low


def test_few_families_are_no_reference():
    assert live_references([LiveGrade("small", "tweet", f"f{i % 4}", {"score": 1.0}) for i in range(100)]) == []


def test_it_asks_for_the_stated_share_and_only_where_it_has_a_reference():
    watch = watching(reference(), share=0.2)
    assert 150 < sum(watch.wants("small", "tweet") for _ in range(1000)) < 250
    assert not any(watch.wants("small", "business_email") for _ in range(100))
    assert not any(watch.wants("large", "tweet") for _ in range(100))
    assert not any(watching(reference(), share=0.0).wants("small", "tweet") for _ in range(100))


def test_a_drop_is_told_once_with_what_was_and_what_is():
    watch = watching(reference(), reference(measure="score"))
    told = [drop for _ in range(200) for drop in watch.take("small", "tweet", {"publishable": 0.0, "score": 0.9})]
    (drop,) = told
    assert drop.stream.measure == "publishable"
    assert drop.recent == 0.0
    assert drop.reference.mean == 0.9
    dropped = {line["measure"]: line["dropped"] for line in watch.snapshot()}
    assert dropped == {"publishable": True, "score": False}
    assert [stream.measure for stream in watch.acknowledge()] == ["publishable"]
    after = {line["measure"]: (line["dropped"], line["grades"]) for line in watch.snapshot()}
    assert after == {"publishable": (False, 0), "score": (False, 200)}  # what had not dropped keeps its evidence
    assert watch.acknowledge() == []
    again = [drop for _ in range(200) for drop in watch.take("small", "tweet", {"publishable": 0.0})]
    assert [drop.stream.measure for drop in again] == ["publishable"]


def test_as_good_as_before_is_not_told():
    watch = watching(reference(), expected=10_000)
    rng = random.Random(5)
    assert not any(watch.take("small", "tweet", {"publishable": float(rng.random() < 0.9)}) for _ in range(3000))


def test_measures_share_one_budget_of_false_alarms_and_a_judge_may_join_later():
    watch = watching(reference(), reference(measure="score"), reference(content_type="blurb"), expected=1000)
    limits = lambda: {(line["content_type"], line["measure"]): line["alarm_at"] for line in watch.snapshot()}  # noqa: E731
    assert limits() == {("tweet", "publishable"): 2000, ("tweet", "score"): 2000, ("blurb", "publishable"): 1000}
    watch.take("small", "tweet", {"publishable": 0.0, "score": 0.0})
    before = watch.snapshot()[0]["evidence"]
    watch.also([reference(measure="judge")])
    assert limits() == {
        ("tweet", "publishable"): 3000,
        ("tweet", "score"): 3000,
        ("tweet", "judge"): 3000,
        ("blurb", "publishable"): 1000,
    }
    assert watch.snapshot()[0]["evidence"] == before > 0
    told = [drop for _ in range(100) for drop in watch.take("small", "tweet", {"judge": 0.0})]
    assert [drop.stream.measure for drop in told] == ["judge"]


def test_any_measure_together_alarms_no_sooner_than_was_stated():
    """The worst case for a budget that is split: three measures as good as their bound, each on its own."""

    def first_alarm(seed):
        watch = watching(*(reference(0.5, measure) for measure in ("publishable", "score", "judge")), expected=100)
        rng = random.Random(seed)
        grades = lambda: {m: float(rng.random() < 0.5) for m in ("publishable", "score", "judge")}  # noqa: E731
        return next(n for n in range(1, 5000) if watch.take("small", "tweet", grades()))

    times = [first_alarm(seed) for seed in range(300)]
    assert sum(times) / len(times) > 100


def test_what_is_not_watched_is_counted_by_gate_and_nothing_else():
    watch = watching(reference())
    assert watch.take("large", "tweet", {"publishable": 0.0}, ["refusal"]) == []
    assert watch.gates == {("large", "tweet", "refusal"): 1}


def test_live_grades_are_those_of_the_score_command():
    good = "Kiln Cafe opens its doors on 3 May. Come and try our first batch of cardamom buns!"
    fine = grade_answer("Write a tweet: Kiln Cafe opens on 3 May.", "tweet", good, "stop")
    assert fine.grades["publishable"] == 1.0
    assert fine.gates == ()
    assert fine.grades["score"] > 0.6
    refused = grade_answer(
        "Write a tweet: Kiln Cafe opens.", "tweet", "I'm sorry, but I cannot help with that.", "stop"
    )
    assert refused.grades["publishable"] == 0.0
    assert "refusal" in refused.gates


GERMAN = (
    "Betreff: Die Eröffnung ist am {0}. Mai\n\nSehr geehrter Herr Okoye,\n\nunsere Eröffnung ist nun am {0}. Mai, weil der Ofen zu spät "
    "geliefert wird. Ihre Gutscheine gelten weiter, und wir halten für Sie einen Tisch am Fenster frei.\n\nFreundliche Grüße\nAnna Weber"
)
ENGLISH = (
    "Subject: The opening is on 17 May\n\nDear Mr Okoye,\n\nour opening is now on 17 May, because the oven arrives late. Your tickets stay "
    "valid, and we will keep a table at the window for you.\n\nKind regards,\nAnna Weber"
)


def test_an_answer_is_right_in_the_languages_of_the_run_and_of_its_request():
    asked = "Schreib Herrn Okoye, dass die Eröffnung nun am 17. Mai ist, weil der Ofen zu spät kommt, und dass seine Gutscheine weiter gelten."
    short = "E-Mail an Herrn Okoye: Eröffnung am 17. Mai."
    german = GERMAN.format(17)
    assert grade_answer(asked, "business_email", german, "stop").grades["publishable"] == 1.0
    assert grade_answer(short, "business_email", german, "stop", ("de",)).grades["publishable"] == 1.0
    assert grade_answer(short, "business_email", german, "stop", ("en", "de")).grades["publishable"] == 1.0
    # Short requests tell no language, and a run in English says that English is meant.
    assert grade_answer(short, "business_email", german, "stop").gates == ("wrong_language",)
    assert grade_answer(asked, "business_email", ENGLISH, "stop", ("de",)).gates == ("wrong_language",)


def test_a_reference_knows_the_languages_that_its_briefs_asked_for(tmp_path):
    briefs = "".join(
        f"  - {{id: b{i}, content_type: business_email, language: de-AT, prompt: 'E-Mail an Herrn Okoye: Eröffnung am {i + 1}. Mai.'}}\n"
        for i in range(8)
    )
    plan = made_store.make_plan(
        parse_suite(f"version: 1\nname: deutsch\nbriefs:\n{briefs}", "deutsch.yaml"), ["bundled:generalist"]
    )
    with closing(made_store.store_in(tmp_path)) as store:
        write = lambda _candidate, brief, _drawer: GERMAN.format(int(brief.id[1:]) + 1)  # noqa: E731
        made_store.write_run(store, plan, write, failing=0.0, finish=False)
        found = read_live_references(plan, store)
    assert {each.measure: each.mean for each in found}["publishable"] == 1.0
    assert {each.languages for each in found} == {("de",)}
    watch = watching(*found)
    assert watch.languages("business_email") == ("de",)
    assert watch.languages("tweet") == ("en",)


def test_a_share_out_of_range_is_refused():
    with pytest.raises(ValueError, match="share"):
        watching(reference(), share=1.5)
