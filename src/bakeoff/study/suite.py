"""A suite: the briefs, and how they are to be run. One YAML file, one versioned schema, no silent surprises.

Unknown keys, doubled keys, wrong types, empty prompts and unknown content types are problems; all problems of a file
are reported at once (`suite_problems.py` words them), and nothing is generated from a file that has any.
"""

from __future__ import annotations

import contextlib
import hashlib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from bakeoff.core.errors import InvalidFile, Problem, UsageError
from bakeoff.core.plain import printable
from bakeoff.core.spec import Record, Sampling, canonical_json
from bakeoff.score.base import installed_scorers
from bakeoff.score.brief import BriefChecks, Limits
from bakeoff.score.normal import require_searchable
from bakeoff.score.norms import NORMS, ContentNorms, PartName, canonical_content_type
from bakeoff.score.weights import weights_for
from bakeoff.study.suite_checks import cross_checks, misspelt_types
from bakeoff.study.suite_problems import did_you_mean, problems_of
from bakeoff.study.yaml_lines import LinedData, dotted, read_yaml
from bakeoff.study.yaml_lines import Path as YamlPath
from bakeoff.study.yaml_plain import NotPlain, read_plain

Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]


def _require_printable(value: str) -> str:
    if printable(value) != value or {"\n", "\t"} & set(value):
        raise ValueError("it holds a control character")
    return value


Name = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_require_printable),
]
ScorerName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z_][a-z0-9_]*\.py$")]
Language = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=2)]
Fact = Annotated[Text, AfterValidator(require_searchable)]
Alternatives = Annotated[list[Fact], Field(min_length=1)]
Bound = Annotated[int, Field(ge=1, strict=True)]
Count = Annotated[int, Field(ge=0, strict=True)]
Points = Annotated[float, Field(strict=True)]
_MAX_FILE_BYTES = 20_000_000
_CHECKED = ("must_include", "must_not_include", "limits", "parts", "source", "language")
"""What a brief may declare of its answers, as `BriefChecks` calls it too."""


class ContentType(Record):
    """Norms of a user's own content type, or overrides for a built-in one. Field meanings: `score/norms.py`."""

    hard_limit: Bound | None = None
    hard_unit: Literal["characters", "weighted"] | None = None
    soft_words: tuple[Count, Count] | None = None
    default_parts: tuple[PartName, ...] | None = None
    markdown: bool | None = Field(default=None, strict=True)
    soft_max_hashtags: Count | None = None
    soft_max_emoji: Count | None = None

    @field_validator("soft_words")
    @classmethod
    def _lowest_first(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError(f"the first number, {value[0]}, is above the second, {value[1]}")
        return value


class Brief(Record):
    """One request to write, and what can be checked about the answer. `cluster` is its family (default: itself)."""

    id: Name
    content_type: Text
    prompt: Text
    cluster: Name | None = None
    difficulty: Literal["easy", "medium", "hard"] | None = None
    must_include: list[Fact | Alternatives] = Field(default_factory=list)
    must_not_include: list[Fact] = Field(default_factory=list)
    limits: Limits = Limits()
    parts: list[PartName] = Field(default_factory=list)
    source: Text | None = None
    language: Language = "en"

    @field_validator("content_type")
    @classmethod
    def _canonical(cls, value: str) -> str:
        return canonical_content_type(value)

    @property
    def family(self) -> str:
        """The cluster that statistics use."""
        return self.cluster or self.id


class Tracking(Record):
    """Where a run is exported when it is over; `to` is None where nobody asked. `requests_per_day` are usable texts.

    `against` is the cloud model whose price is compared.
    """

    to: Literal["mlflow"] | None = None
    uri: Text | None = None
    experiment: Name | None = None
    requests_per_day: Annotated[float, Field(gt=0, strict=True)] | None = None
    against: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_name(cls, value: Any) -> Any:
        """`tracking: mlflow` says it all, and whoever says where means it, too."""
        if isinstance(value, str):
            return {"to": value}
        return {"to": "mlflow", **value} if isinstance(value, dict) and value else value


class Suite(Record):
    """A checked suite. `eps` (points of 10) is the difference that does not matter; `weights` go by content type."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1]
    name: Name
    description: str = ""
    content_types: dict[Text, ContentType] = Field(default_factory=dict)
    sampling: Sampling = Sampling()
    replicates: int = Field(default=1, ge=1, le=100, strict=True)
    baseline: Text | None = None
    weights: dict[Text, dict[Text, Annotated[float, Field(ge=0, strict=True)]]] = Field(default_factory=dict)
    eps: Points = Field(default=0.3, gt=0, lt=10)
    threshold: Points | None = Field(default=None, ge=0, le=10)
    system_prompt: Text | None = None
    tracking: Tracking = Tracking()
    scorers: list[ScorerName] = Field(default_factory=list)
    briefs: list[Brief] = Field(min_length=1)

    @field_validator("weights", mode="before")
    @classmethod
    def _for_all_types(cls, value: Any) -> Any:
        """`{dimension: weight}` stands for all content types."""
        flat = isinstance(value, dict) and value and not any(isinstance(weight, dict) for weight in value.values())
        return {"*": value} if flat else value

    @field_validator("content_types")
    @classmethod
    def _canonical_names(cls, value: dict[str, ContentType]) -> dict[str, ContentType]:
        return {canonical_content_type(name): settings for name, settings in value.items()}

    @property
    def hash(self) -> str:
        """Equal for suites that ask the same, whatever their layout or comments: the `content_hash` of all fields.

        Written a brief at a time, since the whole of a large suite as JSON takes more memory than the suite.
        """
        digest = hashlib.sha256()
        values = self.model_dump(mode="json", exclude={"briefs"}) | {"briefs": None}
        for number, (name, value) in enumerate(sorted(values.items())):
            digest.update(f"{',' if number else '{'}{canonical_json(name)}:".encode())
            if name == "briefs":
                for place, brief in enumerate(self.briefs):
                    text = canonical_json(brief.model_dump(mode="json"))
                    digest.update(f"{',' if place else '['}{text}".encode())
                digest.update(b"]")
            else:
                digest.update(canonical_json(value).encode())
        digest.update(b"}")
        return digest.hexdigest()[:16]

    def used_content_types(self) -> list[str]:
        """Return the content types of the briefs, in order of first use."""
        return list(dict.fromkeys(brief.content_type for brief in self.briefs))

    def unused_content_types(self) -> list[str]:
        """Return the declared content types that no brief has."""
        used = self.used_content_types()
        return [name for name in self.content_types if name not in used]

    def scorer_names(self) -> tuple[str, ...]:
        """Return the scorers beside the built-in dimensions: those installed, and those of the suite's own files."""
        return (*installed_scorers(), *(name.removesuffix(".py") for name in self.scorers))

    def checks(self, brief: Brief) -> BriefChecks:
        """Return what the scoring room needs to know of a brief."""
        declared = {name: getattr(brief, name) for name in _CHECKED}
        norms = _norms(brief.content_type, self.content_types.get(brief.content_type))
        return BriefChecks(prompt=brief.prompt, content_type=brief.content_type, norms=norms, **declared)


@lru_cache(maxsize=256)
def _norms(content_type: str, overrides: ContentType | None) -> ContentNorms:
    norms = NORMS.get(content_type) or ContentNorms(content_type=content_type)
    return norms.model_copy(update=overrides.model_dump(exclude_unset=True, exclude_none=True) if overrides else {})


def find_suite(name: str | None) -> Path:
    """Return the file of a suite: a path, or the name of a built-in one; None is the built-in `business`.

    Raises:
        UsageError: there is no such file and no such built-in suite.
    """
    folder = Path(str(files("bakeoff.bundled"))) / "suites"
    if name is None:
        return folder / "business.yaml"
    built_in = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    # No home folder of that user, a name too long, a NUL character: whatever it is, it is no file.
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        path = Path(name).expanduser()
        if path.is_file():
            return path
        if name and name not in built_in and path.is_dir():
            inside = sorted(file for end in ("yaml", "yml") for file in path.glob(f"*.{end}"))
            hint = (
                f"name the file: {inside[0]}"
                if inside
                else f"give a YAML file, or a built-in suite: {', '.join(built_in)}"
            )
            raise UsageError(f"{name} is a folder, and a suite is a file", hint)
    if name in built_in:
        return built_in[name]
    near = did_you_mean(name, built_in)
    raise UsageError(
        f"{name}: there is no such suite file", f"{near}give a YAML file, or a built-in suite: {', '.join(built_in)}"
    )


def load_suite(path: Path) -> Suite:
    """Read and check a suite file.

    Raises:
        InvalidFile: with every problem of the file, each with line and field.
    """
    file = str(path)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidFile((Problem(file, None, "", "is larger than 20 MB", "a suite of briefs"),))
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidFile((Problem(file, None, "", f"cannot be read ({error.strerror})", "a YAML file"),)) from None
    except UnicodeDecodeError as error:
        raise InvalidFile((Problem(file, None, "", f"byte {error.start} is not UTF-8", "UTF-8 text"),)) from None
    return parse_suite(text, file)


def parse_suite(text: str, file: str) -> Suite:
    """Check the text of a suite file; `file` is what problems call it.

    Raises:
        InvalidFile: with every problem of the file, each with line and field.
    """
    with contextlib.suppress(NotPlain):
        suite, problems = _check(LinedData(read_plain(text)), file)
        if suite is not None and not problems:
            return suite
    lined = read_yaml(text, file)
    suite, problems = _check(lined, file)
    if problems or suite is None:
        raise InvalidFile(tuple(sorted(problems, key=lambda problem: problem.line or 0)))
    return suite


def _check(lined: LinedData, file: str) -> tuple[Suite | None, list[Problem]]:
    """Return the suite, None where it cannot be made, and everything that is wrong with it."""
    problems = list(lined.problems)
    suite: Suite | None = None
    if lined.data is None and not problems:
        problems.append(Problem(file, None, "", "is empty", "a suite: version, name, briefs"))
    elif not isinstance(lined.data, dict) and not problems:
        problems.append(Problem(file, 1, "", "is not a mapping", "keys such as version, name, briefs"))
    elif isinstance(lined.data, dict):
        try:
            suite = Suite.model_validate(lined.data)
        except ValidationError as error:
            problems += problems_of(error, Suite, lined, file)
        told = {problem.field for problem in problems}
        problems += [problem for problem in cross_checks(lined, file) if problem.field not in told]
        if suite is not None and not problems:
            problems += _late_problems(suite, lined, file)
    return suite, problems


def _late_problems(suite: Suite, lined: LinedData, file: str) -> list[Problem]:
    """Return what only the scoring room can tell: weights that add up to nothing, checks it does not take."""
    problems = misspelt_types(suite.unused_content_types(), suite.used_content_types(), lined, file)
    try:
        # Asked once, and where it matters: to find the scorers, the metadata of all installed packages is read.
        extra = suite.scorer_names() if suite.weights else ()
        for content_type in suite.used_content_types():
            weights_for(content_type, suite.weights, extra)
    except UsageError as error:
        problems.append(Problem(file, lined.line(("weights",)), "weights", error.message, error.hint))
    for index, brief in enumerate(suite.briefs):
        if brief.model_fields_set.isdisjoint(_CHECKED):  # it declares nothing that could be refused
            continue
        try:
            suite.checks(brief)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                where: YamlPath = ("briefs", index, *item["loc"])
                wrong = f"cannot be checked: {item['msg']}"
                problems.append(
                    Problem(file, lined.line(where), dotted(where), wrong, "a check that scoring understands")
                )
    return problems
