"""Who is asked to judge, and how: a model by a question in words, a reward model by the text as an answer to its brief."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from bakeoff.catalog.references import folder_spec, resolve
from bakeoff.core.errors import UnknownModel
from bakeoff.core.spec import Candidate, Record, Sampling
from bakeoff.engines.reward import RewardModel, open_reward_model
from bakeoff.score.judge import TOP_LOGPROBS, Message, read_grade, read_preference
from bakeoff.study.writers import Judging, make_judge

Kind = Literal["pairs", "grades", "rewards"]
REWARD = "reward"
"""What stands before a reference to a reward model, and the engine that its candidate has."""


class Question(NamedTuple):
    """One thing to ask: of one text, or of two in the order in which they are shown."""

    key: str
    kind: Kind
    brief: str
    trials: tuple[str, ...]
    messages: tuple[Message, ...]


class Judgement(Record):
    """What came of a question. `value` as in `score.judge.Verdict`, or a reward; None without a valid answer, or `error_kind`."""

    value: float | None
    mass: float | None = None
    answer: str | None = None
    error_kind: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None


class Asking(Protocol):
    """A judge that can be asked."""

    async def open(self) -> None:
        """Make ready.

        Raises:
            BakeoffError: it cannot be.
        """
        ...

    async def answer(self, question: Question) -> Judgement:
        """Return what it says.

        Raises:
            WorkerError: the process behind it is gone.
            EndpointError: the answer did not come, or was none.
        """
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class ModelJudge:
    """A model that writes its verdict."""

    def __init__(self, writer: Judging) -> None:
        self._writer = writer
        self.open, self.close = writer.open, writer.close

    async def answer(self, question: Question) -> Judgement:
        """Ask in words, and read the answer."""
        answer = await self._writer.judge(question.messages, TOP_LOGPROBS)
        read = read_grade if question.kind == "grades" else read_preference
        verdict = read(answer.text, answer.first_logprobs)
        timings = answer.timings
        return Judgement(
            value=verdict.value,
            mass=verdict.mass,
            answer=answer.text[:200],
            prompt_tokens=timings.prompt_tokens,
            completion_tokens=timings.completion_tokens,
            latency_s=timings.latency_s,
        )


class RewardJudge:
    """A reward model."""

    def __init__(self, model: RewardModel) -> None:
        self._model = model
        self.open, self.close = model.open, model.close

    async def answer(self, question: Question) -> Judgement:
        """Have it rate the text."""
        reward = await self._model.reward(question.messages)
        return Judgement(value=reward.value, prompt_tokens=reward.tokens, completion_tokens=0)


def make_asking(judge: Candidate, logs: Path) -> Asking:
    """Return what asks a judge.

    Raises:
        UsageError: recorded texts judge nothing.
    """
    if judge.engine == REWARD:
        return RewardJudge(open_reward_model(judge.model.location, judge.model.remote_model))
    return ModelJudge(make_judge(judge, logs))


def is_reward(reference: str) -> bool:
    """Whether a reference names a reward model: `reward:FOLDER` or `reward:MODEL@URL`."""
    return reference.startswith(f"{REWARD}:")


def reward_candidate(reference: str) -> Candidate:
    """Resolve `reward:FOLDER` or `reward:MODEL@URL`.

    Raises:
        UsageError: no such folder, or it is not what it should be.
    """
    rest = reference.removeprefix(f"{REWARD}:")
    folder = Path(rest).expanduser()
    if folder.is_dir():
        model = folder_spec(folder, reference, folder.resolve().name)
    elif "://" in rest:
        model = resolve(f"openai:{rest}").model_copy(update={"reference": reference})
    else:
        raise UnknownModel(
            f"{reference}: there is no such folder", "write reward:FOLDER or reward:MODEL@http://host:port/v1"
        )
    return Candidate(id=reference, model=model, engine=REWARD, sampling=Sampling(temperature=0.0, max_tokens=1))
