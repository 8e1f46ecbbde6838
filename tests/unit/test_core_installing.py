"""The command that adds an extra names where this installation came from."""

from __future__ import annotations

import shlex

import pytest

from bakeoff.core.installing import command_for, install_command
from bakeoff.engines.local import BUILT_IN


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        ({}, ["bakeoff[mlx]"]),
        ({"url": "file:///home/ann/my%20tools/bakeoff", "dir_info": {}}, ["/home/ann/my tools/bakeoff[mlx]"]),
        ({"url": "file:///home/ann/bakeoff", "dir_info": {"editable": True}}, ["-e", "/home/ann/bakeoff[mlx]"]),
        (
            {"url": "file:///tmp/bakeoff-0.1.0-py3-none-any.whl", "archive_info": {}},
            ["/tmp/bakeoff-0.1.0-py3-none-any.whl[mlx]"],
        ),
        (
            {"url": "https://git.example/ann/bakeoff.git", "vcs_info": {"vcs": "git", "commit_id": "0"}},
            ["bakeoff[mlx] @ git+https://git.example/ann/bakeoff.git"],
        ),
    ],
)
def test_the_command_is_for_how_it_was_installed(origin, wanted):
    said = command_for("mlx", origin)
    assert shlex.split(said) == ["pip", "install", *wanted]
    assert "'" in said  # a shell would take the brackets for a pattern


def test_engines_are_added_to_this_installation():
    assert BUILT_IN["mlx"].install == install_command("mlx")
