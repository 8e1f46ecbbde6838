"""What a gateway imports before it answers: nothing that takes long, or is of no use to it."""

import subprocess
import sys

HEAVY = ("aiohttp", "numpy", "onnxruntime", "scipy", "sqlalchemy", "tokenizers", "torch", "transformers", "yaml")
GATEWAY = "bakeoff.cli.serve, bakeoff.cli.planned, bakeoff.serve.server, bakeoff.serve.supervisor, bakeoff.serve.app"


def test_a_gateway_starts_without_what_it_may_never_need():
    program = f"import sys, {GATEWAY}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
