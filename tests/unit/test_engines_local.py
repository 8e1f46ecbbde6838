"""Which engines there are, and what is said of those that do not work."""

import subprocess
import sys

import pytest

from bakeoff.core.errors import MissingDependency, UsageError
from bakeoff.engines.local import BUILT_IN, DEFAULT_ENGINE, Engine, find_engine, inspect_engine, inspect_engines


def test_the_default_engine_works_wherever_bakeoff_does():
    states = {state.name: state for state in inspect_engines()}
    assert states[DEFAULT_ENGINE].available
    assert states[DEFAULT_ENGINE].version
    assert DEFAULT_ENGINE in BUILT_IN


def test_a_missing_package_is_named_with_the_command_that_adds_it():
    state = inspect_engine(Engine("x", "x:load", ("numpy", "no_such_module"), "no-such", "pip install no-such"))
    assert (state.available, state.version, state.reason) == (False, None, "not installed: no_such_module")
    assert state.install == "pip install no-such"


def test_listing_imports_no_runtime():
    """In a process of its own: other tests of this one may have imported a runtime."""
    script = (
        "import sys; from bakeoff.engines.local import inspect_engines; inspect_engines(); "
        "print(sorted({'torch', 'transformers', 'onnxruntime', 'mlx', 'llama_cpp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_engine_lists_the_known():
    with pytest.raises(UsageError) as caught:
        find_engine("transformer")
    assert not isinstance(caught.value, MissingDependency)
    assert caught.value.hint.startswith("did you mean transformers? engines: onnx, transformers")
