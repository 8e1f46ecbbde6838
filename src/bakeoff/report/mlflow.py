"""Writing what `report.tracked` put together into MLflow: a run a candidate, once, whatever happened before or happens meanwhile.

A run is found again by its tags, the bake-off's run and the candidate. One that holds the same is left alone; else a new
one is written whole, and only then the old one is deleted (MLflow keeps deleted runs, and can restore them): MLflow can
take no metric back, so that a value which is not known any more would stand there for ever. Tags of the user's move along.
Of several exports at once the run with the smallest id stays.

MLflow reports usage to its makers by default. Not from here: MLFLOW_DISABLE_TELEMETRY is set unless somebody set it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bakeoff.core.errors import BakeoffError, StoreError, UsageError
from bakeoff.core.spec import content_hash
from bakeoff.report import mlflow_view
from bakeoff.report.mlflow_address import Address
from bakeoff.report.tracked import CANDIDATE_TAG, FINGERPRINT_TAG, RUN_TAG, Tracked

_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that does not answer is given up after two requests, and not after eight of two minutes each.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_MOST_AT_ONCE = 900
_TABLE = "samples.json"
_NO_RUNS_LIMIT = 1000
_ROW_IS_THERE = ("IntegrityError", "UniqueViolation")
"""What SQLAlchemy and PostgreSQL's driver call it, in the text that MLflow hands on, a server of its own included."""
T = TypeVar("T")


class Package(NamedTuple):
    """A candidate with the files that go with it; `files` go by the name that they get, `samples.json` is its table of texts."""

    tracked: Tracked
    files: Mapping[str, Path]

    def fingerprint(self) -> str:
        """Return a hash of everything, files included."""
        told = {name: _digest(path) for name, path in sorted(self.files.items())}
        return content_hash([self.tracked.fingerprint, told])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class DatasetFacts(NamedTuple):
    """The suite as MLflow's dataset: what the runs read."""

    name: str
    digest: str
    source: str
    briefs: int


class Exported(NamedTuple):
    """What became of each candidate: `new`, `unchanged` or `replaced`; and where."""

    experiment_id: str
    outcomes: dict[str, str]


def prepare_environment() -> None:
    """Set what MLflow reads when it is imported, where nobody did."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def export_packages(address: Address, experiment: str, packages: Sequence[Package], dataset: DatasetFacts) -> Exported:
    """Write every candidate of a run.

    Raises:
        UsageError: an experiment that was deleted.
        StoreError: MLflow, its database, its server or the disk refuses.
    """
    prepare_environment()
    with _explained(address):
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        uri = _as_mlflow_takes_it(address)
        client = though_others_write(lambda: mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri))
        writer = _Writer(client, _find_experiment(client, experiment, address), dataset)
        view = mlflow_view.view_state()
        though_others_write(lambda: client.set_experiment_tag(writer.experiment_id, mlflow_view.TAG, view))
        return Exported(writer.experiment_id, {each.tracked.candidate: writer.write(each) for each in packages})


def though_others_write(write: Callable[[], T]) -> T:
    """Return what `write` returns, tried once more where somebody else made the same row first.

    MLflow looks whether a row is there and then inserts it: of two exports that do so at once, one is refused, though it
    would have been content with the other's row.
    """
    from mlflow.exceptions import MlflowException

    try:
        return write()
    except MlflowException as error:
        if not any(sign in str(error) for sign in _ROW_IS_THERE):
            raise
        return write()


def _as_mlflow_takes_it(address: Address) -> str:
    if address.is_server:
        return address.uri
    from bakeoff.report.mlflow_address import database_url

    return database_url(address.uri).render_as_string(hide_password=False)


def _find_experiment(client: Any, name: str, address: Address) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        place = None if address.artifacts is None else address.artifacts.as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=place))
        except MlflowException:
            # Somebody else made it in the meantime, or it cannot be made.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UsageError(
            f"the MLflow experiment {name!r} was deleted",
            f"restore it (mlflow experiments restore --experiment-id {found.experiment_id}), or name another: --experiment",
        )
    return str(found.experiment_id)


class _Writer:
    """Writes runs into one experiment."""

    def __init__(self, client: Any, experiment_id: str, dataset: DatasetFacts) -> None:
        self._client = client
        self.experiment_id = experiment_id
        self._dataset = dataset

    def write(self, package: Package) -> str:
        """Write one candidate, unless it is there already; say which."""
        from mlflow.exceptions import MlflowException

        tracked, fingerprint = package.tracked, package.fingerprint()
        before = self._runs_of(tracked)
        same = [run for run in before if run.data.tags.get(FINGERPRINT_TAG) == fingerprint]
        if same:
            self._delete(run for run in before if run.info.run_id != same[0].info.run_id)
            return "unchanged"
        made = self._begin(tracked, before)
        try:
            self._fill(made, package)
            # The last thing that is written: a run without it was not finished, and is replaced by the next export.
            self._client.set_tag(made, FINGERPRINT_TAG, fingerprint)
            self._client.set_terminated(made, "FINISHED", tracked.end_ms)
        except MlflowException:
            # Another export took it for one that was left unfinished, and deleted it when it had written the same whole.
            if self._is_there(made) or not self._finished(tracked, fingerprint):
                raise
            return "unchanged"
        self._delete(before)
        return self._settle(tracked, fingerprint, made, "replaced" if before else "new")

    def _settle(self, tracked: Tracked, fingerprint: str, made: str, outcome: str) -> str:
        """Let one of several that were written at the same time stay: of equal content the smallest id."""
        finished = self._finished(tracked, fingerprint)
        stays = finished[0].info.run_id if finished else made
        self._delete(run for run in finished if run.info.run_id != stays)
        return outcome if stays == made else "unchanged"

    def _finished(self, tracked: Tracked, fingerprint: str) -> list[Any]:
        """Return the runs that were written whole with this content, the smallest id first."""
        return [run for run in self._runs_of(tracked) if run.data.tags.get(FINGERPRINT_TAG) == fingerprint]

    def _runs_of(self, tracked: Tracked) -> list[Any]:
        """Return the runs of a candidate that are not deleted, the smallest id first."""
        run_id = tracked.tags[RUN_TAG].replace("'", "")
        # The candidate's id may hold any character: compared here, and not quoted into a query.
        found = self._client.search_runs(
            [self.experiment_id], f"tags.`{RUN_TAG}` = '{run_id}'", max_results=_NO_RUNS_LIMIT
        )
        own = [run for run in found if run.data.tags.get(CANDIDATE_TAG) == tracked.tags[CANDIDATE_TAG]]
        return sorted(own, key=lambda run: str(run.info.run_id))

    def _begin(self, tracked: Tracked, before: Sequence[Any]) -> str:
        kept = {
            name: value
            for run in before
            for name, value in run.data.tags.items()
            if name not in tracked.tags and name != FINGERPRINT_TAG and not name.startswith("mlflow.")
        }
        run = self._client.create_run(
            self.experiment_id, start_time=tracked.start_ms, tags=kept | tracked.tags, run_name=tracked.name
        )
        return str(run.info.run_id)

    def _fill(self, run_id: str, package: Package) -> None:
        from mlflow.entities import Metric, Param, RunTag

        tracked, at = package.tracked, package.tracked.end_ms
        metrics = [Metric(name, value, at, 0) for name, value in tracked.metrics.items()]
        metrics += [Metric(step.name, step.value, at, step.step) for step in tracked.steps]
        params = [Param(name, value) for name, value in tracked.params.items()]
        first, rest = metrics[: _MOST_AT_ONCE - len(params)], metrics[_MOST_AT_ONCE - len(params) :]
        self._client.log_batch(run_id, metrics=first, params=params)
        for low in range(0, len(rest), _MOST_AT_ONCE):
            self._client.log_batch(run_id, metrics=rest[low : low + _MOST_AT_ONCE])
        for name, path in package.files.items():
            if path.name != name:
                raise BakeoffError(f"{path} is to be called {name}: it must have that name")
            self._client.log_artifact(run_id, str(path))
        if _TABLE in package.files:
            # What MLflow's own log_table leaves behind, which would hold the whole table in memory.
            table = [{"path": _TABLE, "type": "table"}]
            self._client.log_batch(run_id, tags=[RunTag("mlflow.loggedArtifacts", json.dumps(table))])
        self._log_dataset(run_id)

    def _log_dataset(self, run_id: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        told = self._dataset
        dataset = Dataset(
            name=told.name,
            digest=told.digest,
            source_type="local",
            source=json.dumps({"uri": told.source}),
            profile=json.dumps({"briefs": told.briefs}),
        )
        used_for = InputTag("mlflow.data.context", "evaluation")
        inputs = [DatasetInput(dataset, [used_for])]
        though_others_write(lambda: self._client.log_inputs(run_id, datasets=inputs))

    def _delete(self, runs: Iterable[Any]) -> None:
        from mlflow.exceptions import MlflowException

        for run in runs:
            try:
                self._client.delete_run(run.info.run_id)
            except MlflowException:
                # Another export deleted it first; if it is still there, it is the refusal that counts.
                if self._is_there(run.info.run_id):
                    raise

    def _is_there(self, run_id: str) -> bool:
        stage: str = self._client.get_run(run_id).info.lifecycle_stage
        return stage == "active"


@contextmanager
def _explained(address: Address) -> Iterator[None]:
    """Turn what MLflow and the libraries below it raise into one sentence.

    Raises:
        StoreError: anything that is not an error of ours.
    """
    try:
        yield
    except BakeoffError:
        raise
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(
            f"MLflow at {address.shown} failed: {told[:300]}",
            "the run's own result is safe; check that address (--tracking-uri), then export again",
        ) from error
