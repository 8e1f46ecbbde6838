from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import Score, includes, mean, scorer, stderr
from inspect_ai.solver import generate


@scorer(metrics=[mean(), stderr()])
def length():
    async def score(state, target):
        return Score(value=len(state.output.completion.split()) / 10)

    return score


@scorer(metrics={"date": [mean()], "call": [mean()]})
def parts():
    async def score(state, target):
        text = state.output.completion
        return Score(value={"date": 1 if "14 March" in text else 0, "call": 1 if "Come" in text else 0})

    return score


@task
def opening():
    return Task(
        dataset=json_dataset("briefs.jsonl"), solver=generate(), scorer=[includes(), length(), parts()], epochs=2
    )
