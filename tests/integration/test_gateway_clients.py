"""Clients that people really use, against a gateway over a fake worker: each streams and does not."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateways import fakes, make_plan, running

NODE = """
import OpenAI from "openai";
const client = new OpenAI({baseURL: process.env.URL, apiKey: "none"});
const messages = [{role: "user", content: "x"}];
const whole = await client.chat.completions.create({model: "bakeoff/tweet", messages});
let text = "";
for await (const chunk of await client.chat.completions.create({model: "a", messages, stream: true}))
  text += chunk.choices[0]?.delta?.content ?? "";
const names = [];
for await (const model of client.models.list()) names.push(model.id);
console.log(JSON.stringify({whole: whole.choices[0].message.content, text, names}));
"""
LANGCHAIN = """
import json, os
from langchain_openai import ChatOpenAI
chat = ChatOpenAI(base_url=os.environ["URL"], api_key="none", model="bakeoff/tweet")
text = "".join(chunk.content for chunk in chat.stream("x"))
print(json.dumps({"whole": chat.invoke("x").content, "text": text}))
"""
LITELLM = """
import json, os, litellm
ask = dict(model="openai/a", api_base=os.environ["URL"], api_key="none", messages=[{"role": "user", "content": "x"}])
text = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(**ask, stream=True))
print(json.dumps({"whole": litellm.completion(**ask).choices[0].message.content, "text": text}))
"""
TEXT = "w0 w1 w2 "


def against_a_gateway(tmp_path, *command, environment=None, folder=None):
    """Run a command with the gateway's base URL in URL; return what it printed."""

    async def work():
        plan = make_plan("a", routes={"tweet": ["a"]})
        async with running(plan, tmp_path, commands=fakes(a=["--tokens", "3"])) as gateway:
            own = {"URL": f"{gateway.url}/v1", "PYTHONPATH": "", **(environment or {})}
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder or tmp_path,
                env={**os.environ, **own},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await asyncio.wait_for(process.communicate(), 120)
            assert process.returncode == 0, err.decode()
            return out.decode()

    return asyncio.run(work())


def python_with(module):
    """Return a Python that has the module: this one, or one of BAKEOFF_TEST_CLIENTS (virtual environments, as in PATH)."""
    named = os.environ.get("BAKEOFF_TEST_CLIENTS", "")
    others = [str(Path(folder) / "bin" / "python") for folder in named.split(os.pathsep) if folder]
    for python in [sys.executable, *others]:
        found = subprocess.run(
            [python, "-c", f"import importlib.util as u, sys; sys.exit(not u.find_spec('{module}'))"], check=False
        )
        if found.returncode == 0:
            return python
    return pytest.skip(f"{module} is not installed, here or in an environment that BAKEOFF_TEST_CLIENTS names")


def test_openais_client_for_node(tmp_path):
    modules = os.environ.get("BAKEOFF_TEST_NODE_MODULES")
    if shutil.which("node") is None or modules is None or not (Path(modules) / "openai").is_dir():
        pytest.skip("node or its package openai is not there; BAKEOFF_TEST_NODE_MODULES names a node_modules folder")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "ask.mjs").write_text(NODE)
    said = json.loads(against_a_gateway(tmp_path, "node", "ask.mjs"))
    assert (said["whole"], said["text"]) == (TEXT, TEXT)
    assert "bakeoff/tweet" in said["names"]


@pytest.mark.parametrize(("module", "code"), [("langchain_openai", LANGCHAIN), ("litellm", LITELLM)])
def test_libraries_for_python(module, code, tmp_path):
    python = python_with(module)
    quiet = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
    }  # else it asks the network, and waits
    said = json.loads(against_a_gateway(tmp_path, python, "-c", code, environment=quiet).splitlines()[-1])
    assert said == {"whole": TEXT, "text": TEXT}


def test_the_command_llm(tmp_path):
    python = python_with("llm")
    models = tmp_path / "llm"
    models.mkdir()
    code = (
        "import os, pathlib, subprocess, sys\n"
        "entry = '- model_id: mine\\n  model_name: bakeoff/tweet\\n  api_base: ' + os.environ['URL'] + '\\n'\n"
        "pathlib.Path(os.environ['LLM_USER_PATH'], 'extra-openai-models.yaml').write_text(entry)\n"
        "for more in ([], ['--no-stream']):\n"
        "    command = [sys.executable, '-m', 'llm', '-m', 'mine', *more, 'x']\n"
        "    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())\n"
    )
    environment = {"LLM_USER_PATH": str(models), "OPENAI_API_KEY": "none"}
    said = against_a_gateway(tmp_path, python, "-c", code, environment=environment)
    assert said.split("\n")[:2] == [TEXT.strip()] * 2
