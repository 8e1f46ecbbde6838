"""Two exports at once make the same row: MLflow refuses one of them, which is then content with the other's."""

import pytest

mlflow_exceptions = pytest.importorskip("mlflow.exceptions", reason="MLflow is not installed")

from bakeoff.report.mlflow import though_others_write  # noqa: E402


def refusing(*messages):
    told = list(messages)

    def write():
        if told:
            raise mlflow_exceptions.MlflowException(told.pop(0))
        return "written"

    return write


@pytest.mark.parametrize(
    "message",
    [
        "(sqlite3.IntegrityError) UNIQUE constraint failed: experiment_tags.key, experiment_tags.experiment_id",
        '(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "datasets_pkey"',
    ],
)
def test_a_row_that_somebody_else_made_is_taken(message):
    assert though_others_write(refusing(message)) == "written"
    with pytest.raises(mlflow_exceptions.MlflowException, match="constraint"):
        though_others_write(refusing(message, message))


def test_another_refusal_is_not_asked_again():
    with pytest.raises(mlflow_exceptions.MlflowException, match="disk I/O error"):
        though_others_write(refusing("(sqlite3.OperationalError) disk I/O error"))
