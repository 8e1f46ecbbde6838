from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


@task
def opening():
    return Task(dataset=json_dataset("briefs.jsonl"), solver=generate(), scorer=includes())
