"""The same weights on two engines: which texts changed, and ratios that cancel what makes a brief long."""

from math import exp, log, sqrt

import pytest

from bakeoff.core.records import Timings
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.decide.analysis import analyse
from bakeoff.decide.same_weights import Ratio, compare_same_weights
from bakeoff.measure.memory import LoadSummary
from made_generations import columns_of
from made_runs import make_briefs, make_run

BRIEFS = 30
SLOWER = (2.0, 2.5, 3.0)  # b's times over a's, by window


def candidate(name, digest="w", source="folder", **further):
    model = ModelSpec(reference=name, name=name, source=source, location="/m", digest=digest, **further)
    return Candidate(id=name, model=model, engine="onnx", sampling=Sampling())


def run(names=("a", "b"), alone=True):
    """Every third text differs; brief i takes (i + 1) ms a token with a, times the factor of its window with b."""
    units = make_briefs(BRIEFS)
    generations, scores = make_run(units, {name: [8.0 - 0.5 * place] * BRIEFS for place, name in enumerate(names)})
    timed = []
    for generation in generations:
        number = int(generation.brief[1:])
        window = number // (BRIEFS // len(SLOWER))
        factor = SLOWER[window] if generation.candidate == "b" else 1.0
        tpot_s = 0.001 * (number + 1) * factor
        timings = Timings(ttft_s=0.1, latency_s=0.1 + 10 * tpot_s, completion_tokens=11)
        timed.append(
            generation.model_copy(
                update={
                    "timings": timings,
                    "window": window,
                    "concurrency": 1 if alone else 8,
                    "finished_unix_s": 1000.0 * number,
                    "text": f"{number} {generation.candidate if number % 3 == 0 else ''}",
                }
            )
        )
    own = columns_of(timed, scores)
    return own, analyse(list(names), units, own).overall


def compare(candidates, names=("a", "b"), alone=True, concurrency=1):
    own, section = run(names, alone)
    loads = {"a": LoadSummary(process_peak_bytes=100, weight_bytes=50), "b": LoadSummary(process_peak_bytes=25)}
    return compare_same_weights(
        candidates, own, section, {name: loads.get(name, LoadSummary()) for name in names}, lambda _: concurrency
    )


def test_one_folder_on_two_engines():
    (found,) = compare([candidate("a"), candidate("b")])
    assert (found.a, found.b, found.texts, found.identical) == ("a", "b", 30, 20)
    assert found.difference == pytest.approx(-0.5)
    assert found.low < -0.5 < found.high
    mean = sum(map(log, SLOWER)) / 3
    margin = 4.302653 * sqrt(sum((log(factor) - mean) ** 2 for factor in SLOWER) / 2) / sqrt(3)
    assert found.tpot.estimate == pytest.approx(exp(mean))
    assert (found.tpot.low, found.tpot.high) == pytest.approx((exp(mean - margin), exp(mean + margin)), rel=1e-6)
    assert found.ttft == Ratio(estimate=1.0, low=1.0, high=1.0, windows=3)
    assert 1 / 3 < found.tokens_per_s.estimate < 1
    assert (found.memory, found.weights) == (0.25, None)


def test_the_sign_follows_the_order_of_naming():
    (found,) = compare([candidate("b"), candidate("a")])
    assert (found.a, found.b, found.memory) == ("b", "a", 4.0)
    assert found.difference == pytest.approx(0.5)
    assert found.low < 0.5 < found.high
    assert found.tpot.estimate == pytest.approx(exp(-sum(map(log, SLOWER)) / 3))


def test_texts_written_beside_others_give_no_times_and_other_loads_no_rates():
    (found,) = compare([candidate("a"), candidate("b")], alone=False, concurrency=8)
    assert found.tpot == found.ttft == Ratio()
    assert found.tokens_per_s.windows == 3
    own, section = run(alone=False)
    loads = dict.fromkeys("ab", LoadSummary())
    both = [candidate("a"), candidate("b")]
    (found,) = compare_same_weights(both, own, section, loads, {"a": 8, "b": 4}.__getitem__)
    assert found.tokens_per_s == Ratio()


def test_a_converted_model_is_known_by_what_it_was_made_of():
    converted = candidate("b", digest="other", source="gguf", made_from="w")
    assert len(compare([candidate("a"), converted])) == 1
    assert compare([candidate("a"), candidate("b", digest="other")]) == ()
    # What stands behind a URL is not known, whatever its name.
    assert compare([candidate("a", source="endpoint"), candidate("b", source="endpoint")]) == ()
