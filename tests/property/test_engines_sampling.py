"""A row's token is its own affair; the quick path gives what the slow one would."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.core.spec import Sampling
from bakeoff.engines.sampling import choose_tokens, is_finite, seeded_generator

SETTINGS = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.1, 0.7, 1.0, 5.0]),
    top_p=st.sampled_from([0.05, 0.5, 0.9, 0.95, 1.0]),
    top_k=st.sampled_from([None, 1, 2, 40, 64, 65, 200, 10_000]),
)


@st.composite
def batches(draw):
    rows = draw(st.integers(1, 9))
    vocab = draw(st.sampled_from([3, 64, 65, 500, 4096]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    logits = rng.standard_normal((rows, vocab)).astype(np.float32) * draw(st.sampled_from([0.01, 1, 8, 50]))
    if draw(st.booleans()):
        logits = np.round(logits)  # many ties
    if draw(st.booleans()):
        logits[:, vocab // 2 :] = -np.inf
    return logits, draw(st.lists(SETTINGS, min_size=rows, max_size=rows))


def choose_slowly(logits, how, uniform):
    """The definition, one row at a time: sort all, cut by k, cut by p, draw."""
    if how.temperature == 0 or how.top_k == 1:
        return int(np.argmax(logits))
    weights = np.exp((logits.astype(np.float64) - logits.max()) / how.temperature)
    order = np.argsort(-logits, kind="stable")[: how.top_k]
    whole = how.top_k is None or how.top_k >= len(logits)
    total = weights.sum() if whole else np.cumsum(weights[order])[-1]
    weights = weights[order]
    kept = min(int((np.cumsum(weights) < total * how.top_p).sum()) + 1, len(order))
    masses = np.cumsum(weights[:kept])
    return int(order[min(int((masses <= masses[-1] * uniform).sum()), kept - 1)])


@settings(max_examples=150, deadline=None)
@given(batches(), st.integers(0, 2**63))
def test_a_row_is_the_same_alone_and_in_any_company(batch, seed):
    logits, how = batch
    together = choose_tokens(logits, how, [seeded_generator(seed + row) for row in range(len(how))])
    alone = [
        int(choose_tokens(logits[row : row + 1], [how[row]], [seeded_generator(seed + row)])[0])
        for row in range(len(how))
    ]
    backwards = choose_tokens(
        logits[::-1].copy(), how[::-1], [seeded_generator(seed + row) for row in reversed(range(len(how)))]
    )
    assert together.tolist() == alone == backwards[::-1].tolist()


@settings(max_examples=200, deadline=None)
@given(batches(), st.integers(0, 2**63))
def test_the_head_gives_what_sorting_everything_gives(batch, seed):
    logits, how = batch
    sorted_rows = [row for row, one in enumerate(how) if one.temperature == 0 or one.top_p < 1 or one.top_k is not None]
    tokens = choose_tokens(logits, how, [seeded_generator(seed + row) for row in range(len(how))])
    for row in sorted_rows:
        uniform = seeded_generator(seed + row).random()
        assert tokens[row] == choose_slowly(logits[row], how[row], uniform)


def test_frequencies_follow_the_softmax():
    logits = np.log(np.array([[0.5, 0.3, 0.15, 0.05]], dtype=np.float32))
    for how, expected in (
        (Sampling(temperature=1, top_p=1), [0.5, 0.3, 0.15, 0.05]),
        (Sampling(temperature=1, top_p=0.8), [0.625, 0.375, 0, 0]),
        (Sampling(temperature=1, top_p=1, top_k=3), [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]),
    ):
        rng = seeded_generator(3)
        n = 4000
        tokens = [choose_tokens(logits, [how], [rng])[0] for _ in range(n)]
        shares = np.bincount(tokens, minlength=4) / n
        assert np.abs(shares - expected).max() < 4 * np.sqrt(0.25 / n)


def test_sick_rows_are_told_apart():
    logits = np.array([[1, 2], [np.nan, 2], [np.inf, 0], [-np.inf, 0]], dtype=np.float32)
    assert is_finite(logits).tolist() == [True, False, False, True]
