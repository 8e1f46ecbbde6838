"""The `bakeoff` command: a table of commands, imported when they are used, and the outermost error wall.

Nothing but click is imported here, so that `bakeoff --help` answers in a few hundredths of a second of CPU time.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import NoReturn

import click

from bakeoff.core.garbage import look_seldom
from bakeoff.core.version import __version__

# name -> (where the click command is, its one-line help)
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("bakeoff.cli.run:run", "Run a bake-off: candidates write your briefs; ends with the decision."),
    "runs": ("bakeoff.cli.runs:runs", "List the runs of this workspace, newest first."),
    "show": ("bakeoff.cli.runs:show", "Show the result of a run again."),
    "report": ("bakeoff.cli.report:report", "Write a run as one HTML page: the decision, the evidence, the texts."),
    "label": (
        "bakeoff.cli.label:label",
        "Grade pairs of texts yourself, blind; see how far the scores agree with you.",
    ),
    "judge": ("bakeoff.cli.judge:judge", "Have models judge a run, and say what their word is worth."),
    "compare": ("bakeoff.cli.compare:compare", "Compare two candidates of a run, in pairs, brief by brief."),
    "methods": ("bakeoff.cli.methods:methods", "Say what 3 to 15 texts a model would have concluded, against the run."),
    "score": ("bakeoff.cli.score:score", "Score texts from anywhere by the rules: gates, dimensions, one value."),
    "analyse": ("bakeoff.cli.analyse:analyse", "Give anyone's scores the same statistics and decision."),
    "plan": (
        "bakeoff.cli.plan:plan",
        "Say how many briefs show a difference, or how many machines hold a load.",
    ),
    "cost": ("bakeoff.cli.cost:cost", "Say what a text costs here, and whether it is worth it against a cloud API."),
    "export": ("bakeoff.cli.export:export", "Write a run for other programs: tables, trackers, servers."),
    "dashboard": ("bakeoff.cli.dashboard:dashboard", "Open MLflow's pages on what this workspace exported."),
    "discover": (
        "bakeoff.cli.discover:discover",
        "Find models that may compete: hub, caches, Ollama, LM Studio, folders.",
    ),
    "models": ("bakeoff.cli.models:models", "Models known by name: a catalogue of facts, and entries of your own."),
    "fit": ("bakeoff.cli.fit:fit", "Say whether models fit into memory here, and with how long a context."),
    "doctor": ("bakeoff.cli.doctor:doctor", "Say what this machine is, and which engines work here, or why not."),
    "convert": ("bakeoff.cli.convert:convert", "Make a GGUF file, or a folder for MLX, of a model folder."),
    "serve": ("bakeoff.cli.serve:serve", "Serve what won: one OpenAI-compatible URL over the models of a run."),
    "top": ("bakeoff.cli.top:top", "Watch a running gateway: models, memory, requests, quality, alerts, cost."),
    "worker": ("bakeoff.cli.worker:worker", "Serve one model as an OpenAI-compatible URL."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for a misspelt one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table's help lines, without importing the commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])


def _set_debug(_context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    # While options are read: a command that cannot be imported fails before the group's own function is called.
    if wanted:
        os.environ["BAKEOFF_DEBUG"] = "1"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bakeoff")
@click.option("--debug", is_flag=True, callback=_set_debug, expose_value=False, help="Show tracebacks.")
def bakeoff() -> None:
    """Which local language model should I run, on this machine, for my content?

    bakeoff lets models compete on your own briefs, on this machine, and decides with honest statistics.
    Begin with:  bakeoff run
    """


def main() -> NoReturn:
    """Run the command; no traceback reaches a user unless --debug asks for it.

    Exit codes: 0 done, 1 the work failed or nothing was measured, 2 wrong usage or input, 3 no candidate qualified, 130 interrupted.
    """
    look_seldom()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows a question mark, and the result.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = bakeoff.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away; nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the outermost wall
        sys.exit(_explain(error))
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    from bakeoff.core.errors import BakeoffError
    from bakeoff.core.plain import printable

    if os.environ.get("BAKEOFF_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, BakeoffError):
        click.echo(printable(f"error: {error.message}"), err=True)
        if error.hint:
            click.echo(printable(f"hint: {error.hint}"), err=True)
        return error.exit_code
    if isinstance(error, OSError):
        click.echo(printable(f"error: {error}"), err=True)
        return 1
    click.echo(printable(f"error: unexpected {type(error).__name__}: {error}"), err=True)
    click.echo("hint: this is a fault of bakeoff; `bakeoff --debug ...` shows where", err=True)
    return 1
