"""Every exported file is really read by whom it is for: a real proxy, the real validators; what is absent is skipped and said."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from bakeoff.core.spec import Sampling
from bakeoff.serve.handover.handover import Copies
from bakeoff.serve.handover.litellm import litellm_config
from bakeoff.serve.handover.ray_serve import kuberay_service, ray_serve_config
from bakeoff.serve.handover.semantic_router import semantic_router_config
from bakeoff.serve.handover.vllm import vllm_compose
from bakeoff.serve.plan import ServedRoute
from handovers import endpoint, estimate, gguf, hand, model
from other_servers import Stub, ask_python, stub_server, tool
from postgres_server import free_port
from waiting import wait_until

KEY = "sk-only-of-this-test-0123456789abcdef"


def routed(*order: str) -> ServedRoute:
    return ServedRoute(candidate=order[0], fallbacks=order[1:], outcome="winner", evidence=estimate(7, 9))


class Proxy:
    """A LiteLLM proxy that listens."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self._base, self._process = f"http://127.0.0.1:{port}", process

    def is_ready(self) -> bool:
        assert self._process.poll() is None, "litellm ended"
        try:
            with urllib.request.urlopen(f"{self._base}/health/liveliness", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, name: str, **more: object) -> str:
        body = {"model": name, "messages": [{"role": "user", "content": "hi"}], **more}
        return str(self.get("/v1/chat/completions", body)["choices"][0]["message"]["content"])

    def get(self, path: str, body: dict[str, object] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self._base}{path}",
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())


def test_litellm_serves_every_content_type_from_its_route_and_falls_back(tmp_path: Path) -> None:
    program = tool("litellm", "litellm")
    with stub_server() as stub:
        plan = hand(
            model("a:first"),
            model("b"),
            endpoint("cloud", stub.url),
            gguf("c.gguf"),
            routes={"tweet": routed("b", "a:first"), "e-mail é": routed("cloud", "b"), "doc": routed("c.gguf")},
            urls={"c.gguf": stub.url},
        )
        config = tmp_path / "config.yaml"
        config.write_text(litellm_config(plan), encoding="utf-8")
        assert yaml.safe_load(config.read_text())["general_settings"]["master_key"] == "os.environ/LITELLM_MASTER_KEY"
        port = free_port()
        said = {
            "BAKEOFF_URL_A_FIRST": stub.url,
            "BAKEOFF_URL_B": stub.url,
            "OPENAI_API_KEY": "sk-of-the-environment",
            "LITELLM_MASTER_KEY": KEY,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, "--config", str(config), "--port", str(port), "--host", "127.0.0.1"],
                env={**kept, **said},
                cwd=tmp_path,
                stdout=log,
                stderr=log,
            )
        try:
            proxy = Proxy(port, process)
            wait_until(proxy.is_ready, "LiteLLM is ready", 120)
            _check_routes(proxy, stub)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _check_routes(proxy: Proxy, stub: Stub) -> None:
    assert proxy.ask("bakeoff/tweet") == "from b"
    assert proxy.ask("bakeoff/e-mail é") == "from cloud-1"
    assert proxy.ask("bakeoff/doc") == "from c.gguf"
    assert proxy.ask("bakeoff/general") == proxy.ask("bakeoff/auto") == proxy.ask("a:first") == "from a:first"
    # A key of the environment goes to whom it belongs, and to no server of one's own.
    sent = {call["model"]: call["authorization"] for call in stub.asked}
    assert sent["cloud-1"] == "Bearer sk-of-the-environment"
    assert sent["b"] == sent["c.gguf"] == "Bearer none"
    assert stub.asked[0]["temperature"] == 0.7
    assert proxy.ask("bakeoff/tweet", temperature=0.1) == "from b"
    assert stub.asked[-1]["temperature"] == 0.1
    stub.broken.add("b")
    assert proxy.ask("bakeoff/tweet") == "from a:first"
    with pytest.raises(urllib.error.HTTPError) as refused:
        proxy.ask("bakeoff/nothing")
    assert refused.value.code == 400
    refused.value.close()
    infos = {each["model_name"]: each["model_info"] for each in proxy.get("/v1/model/info")["data"]}
    assert infos["bakeoff/tweet"]["bakeoff_candidate"] == "b"
    assert infos["bakeoff/tweet"]["bakeoff_score_low"] == 5.0
    assert infos["bakeoff/tweet"]["bakeoff_route_outcome"] == "winner"


RAY = """
import ast, inspect, json, sys, yaml, pathlib, ray
from ray.serve.schema import ServeDeploySchema
from ray.serve._private.config import DeploymentConfig
given = yaml.safe_load(open(sys.argv[1]))
parsed = ServeDeploySchema.model_validate(given).model_dump(exclude_unset=True)
source = pathlib.Path(ray.__file__).parent / "llm/_internal/serve/core/configs/llm_config.py"
fields = {}
for node in ast.walk(ast.parse(source.read_text())):
    if isinstance(node, ast.ClassDef):
        fields[node.name] = [each.target.id for each in node.body if isinstance(each, ast.AnnAssign)]
for config in given["applications"][0]["args"]["llm_configs"]:
    DeploymentConfig(**config["deployment_config"])
deployment = list(DeploymentConfig.model_fields)
print(json.dumps({"parsed": parsed, "llm": fields["LLMConfig"], "loading": fields["ModelLoadingConfig"], "deployment": deployment}, default=str))
"""


def lost(given: object, parsed: object, at: str = "") -> list[str]:
    """What was given and is not in what was read: Ray drops keys that it does not know, without a word."""
    if isinstance(given, dict):
        found = parsed if isinstance(parsed, dict) else {}
        return [
            each
            for key, value in given.items()
            for each in ([f"{at}.{key}"] if key not in found else lost(value, found[key], f"{at}.{key}"))
        ]
    if isinstance(given, list):
        found = parsed if isinstance(parsed, list) else []
        pairs = zip(given, [*found, *[None] * len(given)], strict=False)
        return [each for i, (a, b) in enumerate(pairs) for each in lost(a, b, f"{at}[{i}]")]
    return [] if given == parsed else [f"{at}: {given!r} became {parsed!r}"]


def check_ray(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    given = yaml.safe_load(text)
    said: Any = ask_python("ray", RAY, str(file))
    assert lost(given, said["parsed"]) == []
    for config in given["applications"][0]["args"]["llm_configs"]:
        assert set(config) <= set(said["llm"])
        assert set(config["model_loading_config"]) <= set(said["loading"])
        assert set(config["deployment_config"]) <= set(said["deployment"])


def ray_plan() -> Any:
    return hand(
        model("plain", reference="hf:org/plain@main", revision="abc123"),
        model("measured there", engine="vllm", dtype="bfloat16"),
        gguf(),
        weights={"small.gguf": "hf:org/small"},
        copies={"plain": Copies(count=3, low=2, high=4, why="for 2/s")},
    )


def test_ray_reads_every_key(tmp_path: Path) -> None:
    text = ray_serve_config(ray_plan())
    check_ray(text, tmp_path / "serve.yaml")
    first, second, third = yaml.safe_load(text)["applications"][0]["args"]["llm_configs"]
    assert first["model_loading_config"] == {"model_id": "plain", "model_source": "org/plain"}
    assert first["engine_kwargs"]["revision"] == "abc123"
    assert first["deployment_config"]["num_replicas"] == 3
    assert second["engine_kwargs"]["dtype"] == "bfloat16"
    assert second["deployment_config"]["max_ongoing_requests"] == 16
    assert third["model_loading_config"]["model_source"] == "org/small"


def test_a_misspelt_key_would_be_found(tmp_path: Path) -> None:
    for right, wrong in (("route_prefix:", "route_prefx:"), ("model_source:", "model_sorce:")):
        text = ray_serve_config(ray_plan()).replace(right, wrong)
        with pytest.raises(AssertionError):
            check_ray(text, tmp_path / "serve.yaml")


PODS = """
import json, sys, yaml, kubernetes_validate
cluster = yaml.safe_load(open(sys.argv[1]))["spec"]["rayClusterConfig"]
for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **group["template"]}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
meta = yaml.safe_load(open(sys.argv[1]))["metadata"]
kubernetes_validate.validate({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}, kubernetes_validate.latest_version(), strict=True)
print(json.dumps("ok"))
"""


def test_kuberay_pods_are_valid_and_the_config_inside_is_ray_s(tmp_path: Path) -> None:
    text = kuberay_service(ray_plan(), "rayproject/ray-llm:2.50.1")
    file = tmp_path / "service.yaml"
    file.write_text(text, encoding="utf-8")
    document = yaml.safe_load(text)
    (workers,) = document["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert workers["replicas"] == 5  # 3 and 1 and 1
    assert document["metadata"]["annotations"]["bakeoff.plain/score_low"] == "5.0"
    assert document["metadata"]["annotations"]["bakeoff.small-gguf/measured"] == "no"
    check_ray(document["spec"]["serveConfigV2"], tmp_path / "serve.yaml")
    assert ask_python("schemas", PODS, str(file)) == "ok"


COMPOSE = """
import json, re, sys, yaml, compose_spec
# Compose puts variables in before it reads the file; this reader does not.
text = re.sub(r"\\$\\{\\w+:-([^}]*)\\}", r"\\1", open(sys.argv[1]).read()).replace("$$", "$")
given = yaml.safe_load(text)
try:
    model = compose_spec.ComposeSpecification.model_validate(given)
    read = compose_spec.PyCompose.from_yaml(text)
    read.validate()
    print(json.dumps({"services": sorted(read.service_names()), "error": None}))
except Exception as error:
    print(json.dumps({"services": [], "error": str(error)[:2000]}))
"""


def test_the_compose_file_is_one(tmp_path: Path) -> None:
    plan = hand(
        model("plain", reference="hf:org/plain", sampling=Sampling(temperature=0.2)),
        model("pays $HOME"),
        copies={"plain": Copies(count=3)},
    )
    file = tmp_path / "compose.yaml"
    file.write_text(vllm_compose(plan), encoding="utf-8")
    said: Any = ask_python("schemas", COMPOSE, str(file))
    assert said == {"services": ["pays-home", "plain", "plain-2", "plain-3"], "error": None}
    services = yaml.safe_load(file.read_text())["services"]
    (ports,) = services["plain-3"]["ports"]
    assert ports == {"target": 8000, "host_ip": "127.0.0.1", "published": "8002"}
    assert services["pays-home"]["ports"][0]["published"] == "8003"
    assert services["pays-home"]["volumes"][0]["source"] == "/models here/pays $$HOME"
    file.write_text(file.read_text().replace("    ports:", "    prots:"))
    wrong: Any = ask_python("schemas", COMPOSE, str(file))
    assert wrong["error"] is not None


def test_the_semantic_router_s_own_validation_passes(tmp_path: Path) -> None:
    program = tool("vllm-sr", "vllm-sr")
    plan = hand(
        model("a:first"),
        endpoint("cloud"),
        gguf("c.gguf"),
        routes={"tweet": routed("cloud", "a:first"), "business_email": routed("c.gguf", "cloud")},
        urls={"a:first": "http://127.0.0.1:8000/v1", "c.gguf": "http://127.0.0.1:8001/v1"},
    )
    text = semantic_router_config(plan)
    document = yaml.safe_load(text)
    assert [each["name"] for each in document["routing"]["decisions"]] == ["tweet", "business-email", "general-route"]
    assert [each["model"] for each in document["routing"]["decisions"][0]["modelRefs"]] == ["cloud", "a:first"]
    scores = {
        (each["model"], each["benchmark_profile"]): each["metrics"]["score"]
        for each in document["evaluation"]["records"]
    }
    assert scores["cloud", "all"] == 6.0
    assert scores["cloud", "tweet"] == 6.5
    assert ("cloud", "business-email") not in scores  # nobody measured it
    for wrong, accepted in ((text, True), (text.replace("modelRefs:", "modelRef:"), False)):
        file = tmp_path / "config.yaml"
        file.write_text(wrong, encoding="utf-8")
        done = subprocess.run(
            [program, "config", "validate", "--config", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        )
        assert (done.returncode == 0) == accepted, done.stdout + done.stderr
