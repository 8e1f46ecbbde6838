"""Third-party parts, found by entry point and imported only when they are used.

A group is a kind of part (`bakeoff.scorers`, `bakeoff.engines`, ...); a name is what the user writes. Listing reads
package metadata and runs nobody's code; `load_plugin` runs exactly one plug-in's.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from bakeoff.core.errors import UsageError

# What importing a stranger's module can raise. Not `Exception`: a KeyboardInterrupt or MemoryError is not the plug-in's.
_LOAD_FAILURES = (
    ImportError,
    AttributeError,
    SyntaxError,
    NameError,
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    OSError,
    RuntimeError,
    AssertionError,
)


class PluginUnknown(UsageError):
    """No installed package offers this name in this group."""


class PluginFailed(UsageError):
    """A plug-in is installed, and its code cannot be imported. `entry_point` is `group: name = module:object`."""

    def __init__(self, message: str, hint: str, entry_point: str) -> None:
        super().__init__(message, hint)
        self.entry_point = entry_point


@dataclass(frozen=True, slots=True)
class PluginRef:
    """A plug-in that is installed: `target` is `module:object`, `distribution` the package (None if unknown)."""

    group: str
    name: str
    target: str
    distribution: str | None

    def __str__(self) -> str:
        """`group: name = module:object (package)`."""
        package = f" ({self.distribution})" if self.distribution else ""
        return f"{self.group}: {self.name} = {self.target}{package}"


def list_plugins(group: str) -> tuple[PluginRef, ...]:
    """Return what is installed for `group`, by name; imports nothing. The first of equal names on the path wins."""
    found: dict[str, PluginRef] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, _describe(point))
    return tuple(found[name] for name in sorted(found))


def load_plugin(group: str, name: str) -> object:
    """Import and return the object that the entry point `name` of `group` points at.

    Raises:
        PluginUnknown: nothing of that name is installed; the hint lists what is.
        PluginFailed: its import raised; the message names the entry point and the cause.
    """
    for point in entry_points(group=group, name=name):
        ref = _describe(point)
        try:
            return point.load()
        except _LOAD_FAILURES as error:
            raise PluginFailed(
                f"plug-in {ref} cannot be imported: {type(error).__name__}: {error}",
                f"repair or uninstall {ref.distribution or 'the package that declares it'}",
                str(ref),
            ) from error
    known = ", ".join(ref.name for ref in list_plugins(group)) or "none"
    raise PluginUnknown(f"no plug-in named {name!r} in group {group}", f"installed: {known}")


def _describe(point: EntryPoint) -> PluginRef:
    package = point.dist.name if point.dist is not None else None
    return PluginRef(group=point.group, name=point.name, target=point.value, distribution=package)
