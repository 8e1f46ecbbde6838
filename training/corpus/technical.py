"""Technical facts: tools, systems, servers, files, options, and commands with invented names inside."""

import random

from . import names

KEYS = ("tool", "os", "server", "key", "file", "path", "port", "value")
_OS = """Ubuntu; Ubuntu 24.04; Debian 12; Fedora; Windows 11; macOS; Rocky Linux 9; Arch Linux; Alpine; Raspberry Pi OS;
Windows Server; openSUSE; FreeBSD; NixOS; Linux Mint""".replace("\n", " ").split("; ")
_TOOL_END = ["CLI", "Server", "Agent", "Sync", "DB", "Desk", "Hub", "Connect", "Monitor", "Studio", "Gateway", "Mail"]
_WORD = [
    "max",
    "timeout",
    "log",
    "cache",
    "port",
    "host",
    "retry",
    "user",
    "data",
    "upload",
    "session",
    "worker",
    "batch",
    "index",
    "backup",
    "mail",
    "proxy",
    "token",
    "queue",
    "limit",
    "size",
    "path",
    "level",
    "mode",
    "theme",
    "region",
    "buffer",
    "sync",
    "archive",
    "report",
]
_FILE_END = [
    "csv",
    "json",
    "yaml",
    "toml",
    "conf",
    "log",
    "sql",
    "tar.gz",
    "zip",
    "txt",
    "xml",
    "ini",
    "db",
    "env",
    "xlsx",
    "bak",
]
_ROOTS = ["/etc", "/srv", "/var/lib", "/opt", "/home/app", "/data", "~", "/var/log", "/usr/local/share", "C:\\Data"]


def _stem(rng: random.Random) -> str:
    return names.syllables(rng, 1, 3) if rng.random() < 0.6 else rng.choice(names.NOUN).lower()


def draw(rng: random.Random, key: str) -> str:  # noqa: PLR0911  one line a kind
    """A technical fact of the kind `key`, one of KEYS."""
    if key == "tool":
        name = names.word(rng)
        return f"{name} {rng.choice(_TOOL_END)}" if rng.random() < 0.55 else name
    if key == "os":
        return rng.choice(_OS)
    if key == "server":
        host = rng.choice([f"{_stem(rng)}-{rng.randint(1, 30):02d}", f"{_stem(rng)}.example", "the staging server"])
        return host if rng.random() < 0.8 else f"{rng.choice(['web', 'db', 'app', 'mail', 'test'])}{rng.randint(1, 9)}"
    if key == "key":
        joint = rng.choice(["_", "_", ".", "-"])
        option = joint.join(rng.sample(_WORD, rng.choice([1, 2, 2, 3])))
        return option.upper() if joint == "_" and rng.random() < 0.35 else option
    if key == "file":
        return f"{_stem(rng)}{rng.choice(['', '', '-' + str(rng.randint(1, 99)), '_' + rng.choice(_WORD)])}.{rng.choice(_FILE_END)}"
    if key == "path":
        return f"{rng.choice(_ROOTS)}/{_stem(rng)}{rng.choice(['', '/' + rng.choice(_WORD)])}"
    if key == "port":
        return str(rng.randint(80, 65000))
    return rng.choice(
        [str(rng.randint(1, 9000)), "true", "false", f"{rng.randint(1, 90)}s", f"{rng.randint(1, 64)}GB", _stem(rng)]
    )


def slug(tool: str) -> str:
    """The command name of a tool: "Lumen CLI" -> "lumen"."""
    return "".join(c for c in tool.split(maxsplit=1)[0].lower() if c.isalnum())


def flag(rng: random.Random) -> str:
    """A command-line option, with a value half of the time."""
    name = f"--{rng.choice(_WORD)}" if rng.random() < 0.75 else f"-{rng.choice('abcdfhinopqrstuvx')}"
    return name if rng.random() < 0.5 else f"{name}{rng.choice(['=', ' '])}{draw(rng, 'value')}"
