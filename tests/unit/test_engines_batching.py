"""The batching loop over a model whose every step is known."""

import queue
import threading
from pathlib import Path

import numpy as np
import pytest

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Sampling
from bakeoff.engines.base import ModelFacts, Sight
from bakeoff.engines.batching import Batcher, Limits
from bakeoff.engines.chat_template import ChatTemplate
from bakeoff.engines.requests import BatcherClosed, ModelFailed, PromptTooLong
from bakeoff.engines.text import TextCodec, TokenizerFile
from tiny_model import make_tokenizer

DEADLINE_S = 10
GREEDY = Sampling(temperature=0, max_tokens=8)
EOS = 0


class MovingModel:
    """The methods of a `CountingModel`, with a device that changes after so many looks."""

    def __init__(self, moves_after):
        self._model, self._left = CountingModel(), moves_after
        self.looks = 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def look(self):
        self.looks += 1
        moved = self.looks > self._left
        return Sight("cpu" if moved else "mps", "float16", ("aten::x",) if moved else ())


class CountingModel:
    """After token t comes t + 1, so a text is a run of ids. Steps wait for `go` when it is not set."""

    def __init__(self, context=256, vocab=400, after_last=EOS):
        self.vocab, self.context, self.after_last = vocab, context, after_last
        self.last = []
        self.lengths = []
        self.widest = 0
        self.steps = 0
        self.go = threading.Event()
        self.go.set()
        self.fail_on_prefill = None
        self.fail_on_decode = None
        self.sick_token = None

    @property
    def rows(self):
        return len(self.last)

    def prefill(self, prompts):
        self.go.wait(DEADLINE_S)
        if self.fail_on_prefill in [prompt[-1] for prompt in prompts]:
            raise ValueError("prefill broke")
        self.last += [prompt[-1] for prompt in prompts]
        self.lengths += [len(prompt) for prompt in prompts]
        return self._logits(self.last[len(self.last) - len(prompts) :])

    def decode(self, tokens):
        assert len(tokens) == self.rows
        self.go.wait(DEADLINE_S)
        self.steps += 1
        if self.fail_on_decode in tokens:
            raise ValueError("decode broke")
        self.last = list(tokens)
        self.lengths = [length + 1 for length in self.lengths]
        assert max(self.lengths) <= self.context
        self.widest = max(self.widest, self.rows)
        return self._logits(self.last)

    def keep(self, rows):
        self.last = [self.last[row] for row in rows]
        self.lengths = [self.lengths[row] for row in rows]

    def _logits(self, tokens):
        logits = np.zeros((len(tokens), self.vocab), dtype=np.float32)
        for row, token in enumerate(tokens):
            logits[row, token + 1 if token + 1 < self.vocab else self.after_last] = (
                np.nan if token == self.sick_token else 100
            )
        return logits

    def facts(self):
        return ModelFacts("counting", "0", "cpu", "float32", self.context, self.vocab, 0, 0)

    def memory_bytes(self):
        return 0

    def close(self):
        pass


class Running:
    """A started batcher, with a queue of deliveries for each request."""

    def __init__(self, model, limits=None):
        self.model = model
        tokenizer = make_tokenizer()
        self.codec = TextCodec(
            TokenizerFile(tokenizer), ChatTemplate.load(Path("nowhere"), {}, {}), frozenset({EOS}), None
        )
        self.batcher = Batcher(model, self.codec, limits)
        self.batcher.start()

    def submit(self, prompt, sampling=GREEDY, seed=0):
        inbox = queue.Queue()
        request = self.batcher.submit(prompt, sampling, seed, inbox.put)
        return request, inbox

    def finish(self, inbox):
        """Return the text and the last delivery."""
        text = ""
        while True:
            delivery = inbox.get(timeout=DEADLINE_S)
            text += delivery.text
            if delivery.last:
                return text, delivery


@pytest.fixture
def start():
    started = []

    def make(model, limits=None):
        started.append(Running(model, limits))
        return started[-1]

    yield make
    for running in started:
        running.model.go.set()
        assert running.batcher.close(DEADLINE_S)


def test_a_request_runs_to_its_limit_with_its_tokens_counted(start):
    running = start(CountingModel())
    text, last = running.finish(running.submit([50, 60])[1])
    assert text == running.codec.decode(range(61, 69))
    assert (last.finish, last.timings.prompt_tokens, last.timings.completion_tokens) == ("length", 2, 8)
    assert last.timings.rows == 1
    assert 0 <= last.timings.queue_s <= last.timings.ttft_s
    assert last.timings.queue_s + last.timings.prefill_s == pytest.approx(last.timings.ttft_s)
    assert len(last.timings.itl_s) == 7
    assert sum(last.timings.itl_s) == pytest.approx(last.timings.decode_s, abs=1e-5)


def test_the_end_of_text_token_stops_and_is_counted(start):
    running = start(CountingModel())
    text, last = running.finish(running.submit([396])[1])
    assert (text, last.finish, last.timings.completion_tokens) == (running.codec.decode([397, 398, 399]), "stop", 4)


def test_a_stop_string_ends_a_text_before_it(start):
    running = start(CountingModel())
    whole = running.codec.decode(range(100, 108))
    stop = running.codec.decode([103, 104])
    text, last = running.finish(running.submit([99], Sampling(temperature=0, max_tokens=8, stop=(stop,)))[1])
    assert (text, last.finish) == (whole[: whole.index(stop)], "stop")


def test_requests_join_while_others_decode_and_leave_at_once(start):
    model = CountingModel()
    running = start(model)
    model.go.clear()
    boxes = [running.submit([100 + 10 * i], Sampling(temperature=0, max_tokens=3 + i))[1] for i in range(5)]
    model.go.set()
    ends = [running.finish(box) for box in boxes]
    assert [end.timings.completion_tokens for _, end in ends] == [3, 4, 5, 6, 7]
    assert [text for text, _ in ends] == [running.codec.decode(range(101 + 10 * i, 104 + 11 * i)) for i in range(5)]
    assert model.widest >= 4
    assert model.rows == 0
    # Times between tokens belong to a text only while it was alone.
    assert {end.timings.itl_s is None for _, end in ends if end.timings.rows > 1} == {True}


def test_rows_are_bounded_and_waiting_is_first_come_first_served(start):
    model = CountingModel()
    running = start(model, Limits(max_rows=2))
    model.go.clear()
    requests = [running.submit([100 + i]) for i in range(6)]
    assert running.batcher.in_flight == 6
    model.go.set()
    for _, box in requests:
        running.finish(box)
    begun = [request.prefill_at for request, _ in requests]
    assert model.widest == 2
    assert begun == sorted(begun)


def test_kv_tokens_are_bounded_padding_included(start):
    model = CountingModel()
    running = start(model, Limits(max_rows=8, max_kv_tokens=60))
    model.go.clear()
    boxes = [running.submit([7] * 10 + [100 + i])[1] for i in range(5)]  # 19 reserved each: three fit
    model.go.set()
    assert [running.finish(box)[1].finish for box in boxes] == ["length"] * 5
    assert model.widest == 3


def test_a_cancelled_request_stops_within_a_token(start):
    model = CountingModel(context=100_000, after_last=5)
    running = start(model, Limits(max_kv_tokens=100_000))
    request, box = running.submit([10], Sampling(temperature=0, max_tokens=90_000))
    assert box.get(timeout=DEADLINE_S).text
    model.go.clear()
    request.cancel()
    steps = model.steps
    other = running.submit([60])[1]
    model.go.set()
    running.finish(other)
    assert request.produced <= steps + 2
    assert running.batcher.in_flight == 0


def test_a_request_cancelled_while_it_waits_is_never_run(start):
    model = CountingModel()
    running = start(model, Limits(max_rows=1))
    model.go.clear()
    first = running.submit([10])[1]
    waiting, silent = running.submit([20])
    last = running.submit([30])[1]
    waiting.cancel()
    model.go.set()
    running.finish(first)
    running.finish(last)
    assert waiting.produced == 0
    assert silent.empty()


def test_a_prompt_that_fills_the_context_is_refused_before_anything_runs(start):
    model = CountingModel(context=16)
    running = start(model)
    with pytest.raises(PromptTooLong, match="16 tokens, and the context holds 16"):
        running.submit([5] * 16)
    with pytest.raises(UsageError, match="no tokens"):
        running.submit([])
    assert model.steps == 0
    _, last = running.finish(running.submit([5] * 13, Sampling(temperature=0, max_tokens=100))[1])
    assert (last.finish, last.timings.completion_tokens) == ("length", 3)


def test_an_engine_that_fails_in_prefill_fails_only_the_newcomers(start):
    model = CountingModel(context=20_000, after_last=5)
    running = start(model, Limits(max_kv_tokens=100_000))
    old = running.submit([10], Sampling(temperature=0, max_tokens=5000))[1]
    assert old.get(timeout=DEADLINE_S).text
    model.fail_on_prefill = 33
    _, failed = running.finish(running.submit([33])[1])
    assert isinstance(failed.error, ModelFailed)
    assert "prefill broke" in failed.error.message
    assert running.finish(old)[1].finish == "length"
    assert running.finish(running.submit([40])[1])[1].finish == "length"


def test_an_engine_that_fails_in_decode_fails_its_batch_and_the_loop_goes_on(start):
    model = CountingModel()
    running = start(model)
    model.fail_on_decode = 105
    model.go.clear()
    boxes = [running.submit([101])[1], running.submit([201])[1]]
    model.go.set()
    assert all(isinstance(running.finish(box)[1].error, ModelFailed) for box in boxes)
    assert running.finish(running.submit([40])[1])[1].finish == "length"


def test_logits_that_are_not_finite_fail_their_own_row_only(start):
    model = CountingModel()
    running = start(model)
    model.sick_token = 103
    model.go.clear()
    sick, well = running.submit([101])[1], running.submit([201])[1]
    model.go.set()
    assert "not finite" in running.finish(sick)[1].error.message
    assert running.finish(well)[1].finish == "length"


def test_closing_ends_what_runs_and_what_waits(start):
    model = CountingModel()
    running = start(model, Limits(max_rows=1))
    model.go.clear()
    boxes = [running.submit([10])[1], running.submit([20])[1]]
    assert not running.batcher.close(timeout_s=0)
    with pytest.raises(BatcherClosed):
        running.submit([30])
    model.go.set()
    assert all(isinstance(running.finish(box)[1].error, BatcherClosed) for box in boxes)


def test_a_model_that_cannot_be_emptied_ends_the_loop_and_says_so(start):
    model = CountingModel()
    running = start(model)
    model.fail_on_decode = 105

    def refuse(rows):
        raise RuntimeError("the cache is lost")

    model.keep = refuse
    _, last = running.finish(running.submit([101])[1])
    assert last.error is not None
    assert "the cache is lost" in str(running.batcher.broken)
    with pytest.raises(BatcherClosed):
        running.submit([1])


def test_what_does_the_work_is_looked_at_once_when_texts_end_and_told_with_each(start):
    model = MovingModel(moves_after=1)
    running = start(model)
    _, first = running.finish(running.submit([50])[1])
    assert (first.timings.device, first.timings.dtype, first.timings.fallbacks) == ("mps", "float16", ())
    assert model.looks == 1
    _, second = running.finish(running.submit([60])[1])
    assert (second.timings.device, second.timings.fallbacks) == ("cpu", ("aten::x",))
    blind = start(CountingModel())
    _, last = blind.finish(blind.submit([50])[1])
    assert (last.timings.device, last.timings.dtype, last.timings.fallbacks) == (None, None, None)
