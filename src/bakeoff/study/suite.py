"""A suite: the briefs, and how they are to be run. One YAML file, one versioned schema, no silent surprises.

Unknown keys, doubled keys, wrong types, empty prompts and unknown content types are problems; all problems of a file
are reported at once (`suite_problems.py` words them), and nothing is generated from a file that has any.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, field_validator

from bakeoff.core.errors import InvalidFile, Problem, UsageError
from bakeoff.core.spec import Record, Sampling, content_hash
from bakeoff.score.brief import BriefChecks, Limits
from bakeoff.score.composite import weights_for
from bakeoff.score.norms import NORMS, ContentNorms, PartName, canonical_content_type
from bakeoff.study.suite_problems import problems_of
from bakeoff.study.yaml_lines import read_yaml

Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200)]
Alternatives = Annotated[list[Text], Field(min_length=1)]
_MAX_FILE_BYTES = 20_000_000


class ContentType(Record):
    """Norms of a user's own content type, or overrides for a built-in one. Field meanings: `score/norms.py`."""

    hard_limit: int | None = Field(default=None, ge=1)
    hard_unit: Literal["characters", "weighted"] | None = None
    soft_words: tuple[int, int] | None = None
    default_parts: tuple[PartName, ...] | None = None
    markdown: bool | None = None
    soft_max_hashtags: int | None = Field(default=None, ge=0)
    soft_max_emoji: int | None = Field(default=None, ge=0)


class Brief(Record):
    """One request to write, and what can be checked about the answer. `cluster` is its family (default: itself)."""

    id: Name
    content_type: Text
    prompt: Text
    cluster: Name | None = None
    difficulty: Literal["easy", "medium", "hard"] | None = None
    must_include: list[Text | Alternatives] = Field(default_factory=list)
    must_not_include: list[Text] = Field(default_factory=list)
    limits: Limits = Limits()
    parts: list[PartName] = Field(default_factory=list)
    source: Text | None = None
    language: Text = "en"

    @field_validator("content_type")
    @classmethod
    def _canonical(cls, value: str) -> str:
        return canonical_content_type(value)

    @property
    def family(self) -> str:
        """The cluster that statistics use."""
        return self.cluster or self.id


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
    weights: dict[Text, dict[Text, Annotated[float, Field(ge=0)]]] = Field(default_factory=dict)
    eps: float = Field(default=0.3, gt=0, lt=10)
    threshold: float | None = Field(default=None, ge=0, le=10)
    system_prompt: Text | None = None
    tracking: dict[str, str] = Field(default_factory=dict)
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
        """Equal for suites that ask the same, whatever their layout or comments."""
        return content_hash(self.model_dump(mode="json"))

    def used_content_types(self) -> list[str]:
        """Return the content types of the briefs, in order of first use."""
        return list(dict.fromkeys(brief.content_type for brief in self.briefs))

    def checks(self, brief: Brief) -> BriefChecks:
        """Return what the scoring room needs to know of a brief."""
        declared = {
            name: getattr(brief, name)
            for name in ("must_include", "must_not_include", "limits", "parts", "source", "language")
        }
        return BriefChecks(
            prompt=brief.prompt, content_type=brief.content_type, norms=self._norms(brief.content_type), **declared
        )

    def _norms(self, content_type: str) -> ContentNorms:
        norms = NORMS.get(content_type) or ContentNorms(content_type=content_type)
        overrides = self.content_types.get(content_type)
        changed = overrides.model_dump(exclude_unset=True, exclude_none=True) if overrides else {}
        return norms.model_copy(update=changed)


def find_suite(name: str | None) -> Path:
    """Return the file of a suite: a path, or the name of a built-in one; None is the built-in `business`.

    Raises:
        UsageError: there is no such file and no such built-in suite.
    """
    folder = Path(str(files("bakeoff.bundled"))) / "suites"
    if name is None:
        return folder / "business.yaml"
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if (folder / f"{name}.yaml").is_file():
        return folder / f"{name}.yaml"
    built_in = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
    raise UsageError(f"{name}: there is no such suite file", f"give a YAML file, or a built-in suite: {built_in}")


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
    lined = read_yaml(text, file)
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
        problems += _cross_checks(lined.data, lined.line, file)
        if suite is not None:
            problems += _weight_problems(suite, lined.line, file)
    if problems or suite is None:
        raise InvalidFile(tuple(sorted(problems, key=lambda problem: problem.line or 0)))
    return suite


def _cross_checks(data: dict[str, Any], line: Any, file: str) -> list[Problem]:
    """Check what one field cannot know about another, on the raw data, so that it is told with all the rest."""
    briefs = data.get("briefs")
    if not isinstance(briefs, list):
        return []
    own_types = data.get("content_types")
    own = {canonical_content_type(str(name)) for name in own_types} if isinstance(own_types, dict) else set()
    problems: list[Problem] = []
    first_line: dict[str, int | None] = {}
    for index, brief in enumerate(briefs):
        if not isinstance(brief, dict):
            continue
        key = brief.get("id")
        at = line(("briefs", index, "id"))
        if isinstance(key, str) and key in first_line:
            problems.append(
                Problem(
                    file,
                    at,
                    f"briefs[{index}].id",
                    f"{key!r} is taken by the brief on line {first_line[key]}",
                    "a different id for each brief",
                )
            )
        elif isinstance(key, str):
            first_line[key] = at
        problems += _content_type_problem(brief, index, own, line, file)
    return problems


def _weight_problems(suite: Suite, line: Any, file: str) -> list[Problem]:
    for content_type in suite.used_content_types():
        try:
            weights_for(content_type, suite.weights)
        except UsageError as error:
            return [Problem(file, line(("weights",)), "weights", error.message, error.hint)]
    return []


def _content_type_problem(brief: dict[str, Any], index: int, own: set[str], line: Any, file: str) -> list[Problem]:
    from bakeoff.study.suite_problems import did_you_mean

    wanted = brief.get("content_type")
    if not isinstance(wanted, str) or not wanted.strip():
        return []
    known = [*NORMS, *sorted(own)]
    if canonical_content_type(wanted) in known:
        return []
    expected = f"{did_you_mean(canonical_content_type(wanted), known)}one of {', '.join(known)}; or declare it under content_types"
    where = f"briefs[{index}].content_type"
    return [Problem(file, line(("briefs", index, "content_type")), where, f"unknown: {wanted!r}", expected)]
