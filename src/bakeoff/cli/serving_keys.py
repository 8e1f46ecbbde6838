"""`bakeoff serve keys`: makes, lists and removes clients' keys; and which keys a gateway asks for."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.serve.api_keys import KeyRing
    from bakeoff.serve.app import Keys
    from bakeoff.serve.settings import ServeSettings

KEY_VARIABLE = "BAKEOFF_API_KEY"
WEBHOOK_VARIABLE = "BAKEOFF_ALERT_WEBHOOK"
_FILE = click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The key file (default: serve/keys.toml of the workspace).",
)


@click.group("keys")
def keys() -> None:
    """Make, list and remove keys that clients must show; a gateway that runs takes a change within seconds.

    Only hashes are kept, in a file of mode 0600. As soon as there is such a file, `bakeoff serve` asks every client for a key of it.
    """


@keys.command("new")
@click.argument("name")
@click.option("--requests-per-minute", type=click.IntRange(1, 1_000_000), metavar="N", help="Requests within any 60 s.")
@click.option(
    "--tokens-per-minute", type=click.IntRange(1, 1_000_000_000), metavar="N", help="Tokens of answers within any 60 s."
)
@click.option(
    "--concurrent-requests", type=click.IntRange(1, 100_000), metavar="N", help="Requests under way at a time."
)
@click.option("--no-file", is_flag=True, help=f"Keep it nowhere: say what to put into {KEY_VARIABLE}.")
@_FILE
def new(
    name: str,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    concurrent_requests: int | None,
    file: Path | None,
    *,
    no_file: bool,
) -> None:
    """Make a key for NAME, and show it this once: on stdout, alone.

    NAME is what metrics and logs call its owner by.
    """
    import re
    from datetime import UTC, datetime

    from bakeoff.core.errors import UsageError
    from bakeoff.serve.api_keys import ENVIRONMENT, HASH_PREFIX, NAME_PATTERN, StoredKey, hash_of, make_key
    from bakeoff.serve.key_file import add_key

    if not re.fullmatch(NAME_PATTERN, name) or name == ENVIRONMENT:
        taken = f"is the name of the key in {KEY_VARIABLE}" if name == ENVIRONMENT else "is no name for a key"
        raise UsageError(f"{name!r} {taken}", "take letters, digits, dots, dashes; 64 at most, such as: phone")
    limits = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "concurrent_requests": concurrent_requests,
    }
    if no_file and (file is not None or any(limits.values())):
        raise UsageError("--no-file keeps no limits, and no file", "leave out the other options, or --no-file")
    key = make_key()
    if no_file:
        click.echo(f"{KEY_VARIABLE}={HASH_PREFIX}{hash_of(key)}", err=True)
    else:
        where = file or default_key_file()
        made = datetime.now(UTC).date()
        add_key(where, name, StoredKey(sha256=hash_of(key), made=made, **limits))
        click.echo(f"The key of {name}, shown this once; its hash is in {where}.", err=True)
    click.echo(key)


@keys.command("list")
@_FILE
def list_keys(file: Path | None) -> None:
    """List the keys by name: when each was made, and what it may."""
    from bakeoff.serve.api_keys import KeyLimits
    from bakeoff.serve.key_file import read_key_file

    where = file or default_key_file()
    if file is None and not where.exists():
        click.echo("There are no keys: everybody on this machine may come in. bakeoff serve keys new NAME makes one.")
        return
    found = read_key_file(where)
    for name, key in found.items():
        limits = key.model_dump(include=set(KeyLimits.model_fields), exclude_none=True)
        said = ", ".join(f"{limit} {most}" for limit, most in limits.items()) or "no limits"
        click.echo(f"{name}  made {key.made or '-'}  {said}")
    if not found:
        click.echo(f"{where} holds no keys: nobody may come in. {_reopened(where)}")


@keys.command("remove")
@click.argument("name")
@_FILE
def remove(name: str, file: Path | None) -> None:
    """Remove the key of NAME: it opens nothing any more."""
    from bakeoff.serve.key_file import read_key_file, remove_key

    where = file or default_key_file()
    remove_key(where, name)
    left = read_key_file(where)
    last = "" if left else f" It was the last: nobody may come in. {_reopened(where)}"
    click.echo(f"Removed {name} from {where}.{last}", err=True)


def _reopened(file: Path) -> str:
    """Return how clients come in again where a key file holds no key."""
    own = file == default_key_file()
    unlocked = "delete that file" if own else "take server.key_file out of the settings"
    return f"A new key: {_new_key(file)}; or {unlocked} and start the gateway again: then it asks for none."


def _new_key(file: Path) -> str:
    return "bakeoff serve keys new NAME" + ("" if file == default_key_file() else f" --file {shlex.quote(str(file))}")


def nobody_comes_in(settings: ServeSettings, config: Path | None, clients: KeyRing) -> tuple[str, ...]:
    """Return what is to be said of a gateway that asks for a key where none opens it; nothing of another one."""
    if not clients.locked or clients.keys:
        return ()
    file = key_file_of(settings, config)
    return (f"nobody may come in: {file} holds no key. Make one: {_new_key(file)}",)


def default_key_file() -> Path:
    """Return where keys are kept if nobody says otherwise."""
    from bakeoff.library.workspace import workspace_folder

    return workspace_folder() / "serve" / "keys.toml"


def key_file_of(settings: ServeSettings, config: Path | None) -> Path:
    """Return the key file of settings; `config` is the file that they were read from."""
    named = settings.server.key_file
    if named is None:
        return default_key_file()
    return (Path() if config is None else config.parent) / Path(named).expanduser()


def read_keys(settings: ServeSettings, config: Path | None) -> Keys:
    """Return the secrets of a gateway: clients' keys from file and environment, all others from the environment.

    Raises:
        UsageError: a file that cannot be read, or a variable that no header could hold. None is quoted.
    """
    from bakeoff.serve.app import Keys

    embeddings = None if settings.embeddings is None else environment_key(settings.embeddings.key_env)
    return Keys(client_keys(settings, config), embeddings, _webhook())


def client_keys(settings: ServeSettings, config: Path | None) -> KeyRing:
    """Return what opens. A key file that holds no key lets nobody in: its last key was taken away, and not the lock.

    Raises:
        UsageError: the file or the variable cannot be read.
    """
    from bakeoff.serve.api_keys import ApiKey, KeyRing, key_of_environment, keys_of

    file = key_file_of(settings, config)
    there = settings.server.key_file is not None or file.exists()
    found: list[ApiKey] = []
    if there:
        from bakeoff.serve.key_file import read_key_file  # not for the many who have none

        found = keys_of(read_key_file(file))
    own = environment_key(KEY_VARIABLE)
    return KeyRing([*found, *([] if own is None else [key_of_environment(own)])], locked=there)


def environment_key(variable: str) -> str | None:
    """Return what a variable of the environment holds; None where it is empty or not set.

    Raises:
        UsageError: it is nothing that a header could hold.
    """
    from bakeoff.core.errors import UsageError

    key = os.environ.get(variable, "").strip()  # a file's last line feed comes with it
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{variable} holds characters that no key has", "set it to the key alone, on one line")
    return key or None


def _webhook() -> str | None:
    """Return where alerts go by the environment.

    Raises:
        UsageError: it is no address. It is not quoted: such addresses are secrets.
    """
    from bakeoff.core.errors import UsageError

    url = environment_key(WEBHOOK_VARIABLE)
    if url is not None and not url.startswith(("http://", "https://")):
        raise UsageError(f"{WEBHOOK_VARIABLE} is no address", "set it to an URL: https://...")
    return url


def refuse_strangers(host: str, clients: KeyRing, *, allow_anyone: bool) -> None:
    """Make sure that nobody beyond this machine comes in without a key, unless that is wanted.

    Raises:
        UsageError: they would.
    """
    import ipaddress

    from bakeoff.core.errors import UsageError

    if clients.locked or allow_anyone:
        return
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise UsageError(
            f"--host {host} lets other machines in, and no key is set",
            f"make one: bakeoff serve keys new NAME; or set {KEY_VARIABLE}; or say --allow-anyone, if everybody who reaches this machine may use it",
        )
