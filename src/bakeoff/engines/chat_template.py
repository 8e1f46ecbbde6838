"""What a model wants around messages: its own Jinja template, in a sandbox, or a plain fallback.

The template is `chat_template.jinja`, else `chat_template` in `tokenizer_config.json` (of several, the one named
"default"). It sees what transformers shows it: `messages`, `add_generation_prompt`, no `tools` and no `documents` (None),
the special tokens, `raise_exception`, and `tojson` without HTML escapes; `{% generation %}`, which marks what to train on,
says its body. `strftime_now` is given only to templates that cannot do without:
a prompt that names today's date gives another text tomorrow, whatever the seed.

Where a model has no template, its messages are written as

    System: <content>

    User: <content>

    Assistant:

each part ending in an empty line, the last one open. An encoder-decoder model without a template (T5, flan-t5) was trained
on bare instructions and knows no roles: it gets the last user message, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment

from bakeoff.catalog.gguf import read_gguf
from bakeoff.core.errors import InvalidFile, Problem, UsageError

# On one line: it goes into command lines and configurations of other servers, too.
FALLBACK = "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}{{ '\\n\\n' }}{% endfor %}Assistant:"
SETTINGS = "tokenizer_config.json"
LAST_USER = "{{ (messages | selectattr('role', 'equalto', 'user') | list | last).content }}"


class ChatTemplate:
    """A conversation as the text that a model was trained on. `is_fallback` tells that the model brought none."""

    def __init__(self, template: jinja2.Template, special: Mapping[str, str], *, is_fallback: bool) -> None:
        self._template = template
        self._special = dict(special)
        self.is_fallback = is_fallback

    @classmethod
    def load(
        cls, folder: Path, settings: Mapping[str, object], special: Mapping[str, str], fallback: str = FALLBACK
    ) -> ChatTemplate:
        """Find and compile the template. `settings` is `tokenizer_config.json`, `special` its named tokens.

        `fallback` is the template of a model that brings none.

        Raises:
            InvalidFile: it is not Jinja.
        """
        path = folder / "chat_template.jinja"
        if path.is_file():
            return cls.parse(path.read_text(encoding="utf-8"), special, path, fallback)
        return cls.parse(_named_default(settings.get("chat_template")), special, folder / SETTINGS, fallback)

    @classmethod
    def parse(
        cls, source: str | None, special: Mapping[str, str], path: Path, fallback: str = FALLBACK
    ) -> ChatTemplate:
        """Compile a template, which was found in the file `path`; None stands for a model that brings none.

        Raises:
            InvalidFile: it is not Jinja.
        """
        try:
            template = _environment(source or "").from_string(fallback if source is None else source)
        except jinja2.TemplateSyntaxError as error:
            inside = error.lineno if path.suffix == ".jinja" else None
            problem = Problem(str(path), inside, "chat_template", f"{error.message}", "a Jinja template")
            raise InvalidFile((problem,)) from error
        return cls(template, special, is_fallback=source is None)

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the text of a conversation up to where the assistant speaks.

        Raises:
            UsageError: the template refuses these messages, say a system message or two users in a row.
        """
        try:
            return self._template.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=True,
                tools=None,  # not undefined: templates ask whether they are none
                documents=None,
                range=_Steps(),
                **self._special,
            )
        except (jinja2.TemplateError, TypeError) as error:
            raise UsageError(f"the model's chat template refuses these messages: {error}") from error


def brings_template(model: Path) -> bool:
    """Whether a model's folder or GGUF file says what it wants around messages, or wants nothing: an encoder-decoder model.

    What cannot be read is taken to do so.
    """
    try:
        if model.is_file():
            return read_gguf(model).chat_template is not None
        found = {file.name for file in model.iterdir()}
        settings, config = (
            json.loads((model / name).read_bytes()) if name in found else {} for name in (SETTINGS, "config.json")
        )
        own = "chat_template.jinja" in found or _named_default(settings.get("chat_template")) is not None
        return own or config.get("is_encoder_decoder") is True
    except (OSError, ValueError, AttributeError, InvalidFile):
        return True


def _named_default(value: object) -> str | None:
    """Return the template in `tokenizer_config.json`: one string, or a list of {"name", "template"}."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        named = {item.get("name"): item.get("template") for item in value if isinstance(item, dict)}
        default = named.get("default")
        return default if isinstance(default, str) else None
    return None


def _environment(source: str) -> ImmutableSandboxedEnvironment:
    extensions: list[str | type[Extension]] = [_Generation, loopcontrols]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    if "strftime_now" in source and "strftime_now is defined" not in source:
        environment.globals["strftime_now"] = lambda form: datetime.now(UTC).strftime(form)
    return environment


class _Generation(Extension):
    """`{% generation %}...{% endgeneration %}`: its body, whose variables are its own, as in transformers."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> jinja2.nodes.Node:
        """Read the block."""
        line = next(parser.stream).lineno
        return jinja2.nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


class _Steps:
    """`range` for one rendering: the sandbox bounds each call of it, and not loops within loops."""

    def __init__(self) -> None:
        self._left = MAX_RANGE

    def __call__(self, *limits: int) -> range:
        steps = range(*limits)
        self._left -= len(steps)
        if self._left < 0:
            raise jinja2.TemplateError(f"it counts beyond {MAX_RANGE:,}")
        return steps


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
