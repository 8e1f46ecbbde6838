"""What goes into other servers' files: translated or refused, nothing invented, no secret, the evidence in each."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

import pytest
import yaml

from bakeoff.cli.worker import worker as worker_command
from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Sampling
from bakeoff.decide.capacity import Service
from bakeoff.engines.chat_template import FALLBACK
from bakeoff.serve.handover.evidence import comment, facts
from bakeoff.serve.handover.handover import Copies, Handover, leaders, narrow, slugs, url_of
from bakeoff.serve.handover.litellm import litellm_config
from bakeoff.serve.handover.llama_swap import command, llama_swap_config
from bakeoff.serve.handover.ollama import modelfiles
from bakeoff.serve.handover.ray_serve import kuberay_service, ray_serve_config
from bakeoff.serve.handover.replicas import rates_by_model, replicas
from bakeoff.serve.handover.semantic_router import semantic_router_config
from bakeoff.serve.handover.vllm import vllm_compose
from bakeoff.serve.handover.weights import measure_command
from bakeoff.serve.plan import ServedModel, ServedRoute
from handovers import RUN, endpoint, estimate, gguf, hand, model

URL = {"urls": {"a": "http://127.0.0.1:8000/v1"}}


def all_files(plan: Handover) -> dict[str, str]:
    made = {
        "llama-swap": llama_swap_config(plan),
        "litellm": litellm_config(plan),
        "vllm-compose": vllm_compose(plan),
        "ray-serve": ray_serve_config(plan),
        "kuberay": kuberay_service(plan, "rayproject/ray-llm:2.50.1"),
        "semantic-router": semantic_router_config(plan),
    }
    return made | {f"ollama {name}": text for name, text in modelfiles(plan).items()}


def test_every_file_says_which_run_which_score_and_which_interval() -> None:
    for name, text in all_files(hand(model("a"), **URL)).items():
        assert RUN in text, name
        assert "a: 6.0 [5.0, 7.0] of 10 on 20 briefs" in text, name
        assert "600 tokens/s [500, 700], 8 in flight" in text, name
        assert "bakeoff/general: a (best within eps)" in text, name


def test_what_was_not_measured_is_in_no_file() -> None:
    bare = model(
        "a",
        peak_memory_bytes=None,
        tokens_per_s=None,
        tokens_per_s_low=None,
        tokens_per_s_high=None,
        device=None,
        dtype=None,
    )
    bare = bare.model_copy(update={"quality": None, "by_content_type": {}, "tokens_per_s_concurrency": None})
    made = facts(bare, RUN)
    assert not [name for name in made if name.startswith(("score", "tokens_per_s", "peak", "measured_on_device"))]
    for name, text in all_files(hand(bare, **URL)).items():
        assert "None" not in text, name
        assert "null" not in text, name
        assert "no score" in text, name


def test_names_and_suites_cannot_break_out_of_a_comment() -> None:
    plan = hand(model("a\nservices: {evil: {}}\x1b[31m"), urls={"a\nservices: {evil: {}}\x1b[31m": "http://h/v1"})
    text = litellm_config(plan)
    assert "\x1b" not in text.partition("model_list")[0]
    assert all(line.startswith("#") or not line for line in text.partition("model_list")[0].splitlines())
    assert comment(["a\r\nb\x0bc\x85d\u2028e"]).count("\n") == len(comment(["a\r\nb\x0bc\x85d\u2028e"]).splitlines())
    assert all(line.startswith("#") for line in comment(["a\r\nb\x0bc\x85d\u2028e"]).splitlines())


@pytest.mark.parametrize("write", [vllm_compose, ray_serve_config, lambda plan: kuberay_service(plan, "i:1")])
@pytest.mark.parametrize("served", [gguf(), model("small.gguf", quantisation="MLX 4-bit", engine="mlx")])
def test_a_format_that_vllm_has_not_is_refused_with_the_command_that_measures_it(write, served) -> None:
    with pytest.raises(UsageError) as refused:
        write(hand(model("a"), served))
    assert "was not measured for any format that vLLM serves" in refused.value.message
    assert served.candidate.model.quantisation in refused.value.message
    found = re.search(r"bakeoff run .*", refused.value.hint)
    assert shlex.split(found[0]) == ["bakeoff", "run", "mine.yaml", "--models", "vllm+FOLDER,models/small.gguf"]
    with pytest.raises(UsageError) as refused:
        write(hand(model("a"), served, origins={"small.gguf": "hf:org/large"}))
    assert "bakeoff run mine.yaml --models vllm+hf:org/large,models/small.gguf" in refused.value.hint
    assert "--weights small.gguf=hf:org/large" in refused.value.hint


@pytest.mark.parametrize("write", [vllm_compose, ray_serve_config, lambda plan: kuberay_service(plan, "i:1")])
def test_other_weights_are_written_and_marked_as_unmeasured(write) -> None:
    text = write(hand(gguf(), weights={"small.gguf": "hf:org/small@v1"}))
    assert "# NOT MEASURED: the run measured small.gguf from a GGUF file (Q4_K_M) on llamacpp" in text
    assert "bakeoff run mine.yaml --models vllm+hf:org/small@v1,models/small.gguf" in text
    assert text.index("NOT MEASURED") < text.index("as they were measured")
    document = text[text.index("\n\n") :]
    assert "max_model_len" not in document.replace("-", "_")  # of the other weights nobody knows the limit
    assert "score" not in document
    assert "org/small" in document
    assert "v1" in document


def test_the_same_weights_on_another_engine_are_said_to_be_so() -> None:
    text = vllm_compose(hand(model("a"), model("b", engine="vllm", dtype="bfloat16")))
    assert "a: the same weights were measured on onnx in float32, not on vLLM" in text
    assert "bakeoff run mine.yaml --models vllm+models/a,onnx+models/a" in text
    assert "b: the same weights" not in text
    services = yaml.safe_load(text)["services"]
    assert "--max-num-seqs" not in services["a"]["command"]  # what a CPU was measured with is no limit of a GPU
    assert services["b"]["command"][-2:] == ["--dtype", "bfloat16"]


ODD = Sampling(temperature=0.25, top_p=0.9, top_k=40, max_tokens=99, stop=("###", "$two\nlines"))


@pytest.mark.parametrize(
    ("sampling", "drawn", "drawn_text", "ended_text"),
    [
        (
            ODD,
            {"temperature": 0.25, "top_p": 0.9, "top_k": 40},
            "temperature 0.25, top_p 0.9, top_k 40",
            r'max_tokens 99, stop ["###", "$two\nlines"]',
        ),
        (
            Sampling(temperature=0.0, top_p=1.0),
            {"temperature": 0.0, "top_p": 1.0},
            "temperature 0.0, top_p 1.0",
            "max_tokens 512",
        ),
    ],
)
def test_vllm_draws_as_in_the_run_where_a_request_says_nothing(
    sampling: Sampling, drawn: dict[str, float], drawn_text: str, ended_text: str
) -> None:
    """Also where vLLM itself was measured: there each request of the run said it."""
    plan = hand(model("a", engine="vllm", dtype="bfloat16", sampling=sampling))
    compose, ray, kuberay = vllm_compose(plan), ray_serve_config(plan), kuberay_service(plan, "i:1")
    command = yaml.safe_load(compose)["services"]["a"]["command"]
    assert command[command.index("--generation-config") + 1] == "vllm"
    assert json.loads(command[command.index("--override-generation-config") + 1]) == drawn
    for document in (yaml.safe_load(ray), yaml.safe_load(yaml.safe_load(kuberay)["spec"]["serveConfigV2"])):
        (config,) = document["applications"][0]["args"]["llm_configs"]
        assert config["engine_kwargs"]["override_generation_config"] == drawn
    for text in (compose, ray, kuberay):
        assert f"# Sampling of a where a request says none, as in the run: {drawn_text}.\n" in text
        assert f"each says itself: {ended_text}.\n" in text


def test_llama_swap_says_which_sampling_its_commands_cannot_carry() -> None:
    plan = hand(model("a", sampling=ODD), model("b"), gguf(sampling=ODD))
    text = llama_swap_config(plan)
    server = shlex.split(yaml.safe_load(text)["models"]["small.gguf"]["cmd"])
    told = {name: server[server.index(name) + 1] for name in ("--temp", "--top-p", "--top-k", "--min-p", "--predict")}
    assert told == {"--temp": "0.25", "--top-p": "0.9", "--top-k": "40", "--min-p": "0", "--predict": "99"}
    assert r'each to small.gguf says itself: stop ["###", "$two\nlines"].' in text
    assert "a request that says none gets temperature 1, top_p 1" in text
    assert r'#   a: temperature 0.25, top_p 0.9, top_k 40, max_tokens 99, stop ["###", "$two\nlines"]' in text
    assert "#   b: temperature 0.7, top_p 0.95, max_tokens 512\n" in text
    assert "Stop texts" not in llama_swap_config(hand(gguf()))
    assert "bakeoff worker" not in llama_swap_config(hand(gguf()))


def test_llama_server_has_the_device_that_was_asked_for() -> None:
    on_cpu, on_card = on_device(gguf(), "cpu"), on_device(gguf("b.gguf"), "cuda")
    text = llama_swap_config(hand(on_cpu, on_card, gguf("c.gguf")))
    models = yaml.safe_load(text)["models"]
    assert "--device none" in models["small.gguf"]["cmd"]
    assert "--device" not in models["b.gguf"]["cmd"] + models["c.gguf"]["cmd"]
    assert "b.gguf was measured on cuda, which llama-server calls otherwise" in text
    assert "small.gguf was measured on" not in text
    assert "c.gguf was measured on" not in text


def test_a_worker_is_allowed_the_fallback_that_it_was_measured_with() -> None:
    """Without it the worker refuses to start. The command is read by the worker's own command line."""
    moved = on_device(model("a", engine="transformers"), "mps", allow_fallback=True)
    moved_gguf = on_device(gguf(), "mps", allow_fallback=True)
    models = yaml.safe_load(llama_swap_config(hand(moved, model("b"), moved_gguf)))["models"]
    program, subcommand, *arguments = shlex.split(models["a"]["cmd"].replace("${PORT}", "8080"))
    assert (program, subcommand) == ("bakeoff", "worker")
    with worker_command.make_context(subcommand, arguments) as context:
        assert context.params["allow_fallback"] is True
        assert context.params["device"] == "mps"
    assert "--allow-fallback" not in models["b"]["cmd"] + models["small.gguf"]["cmd"]
    assert "--models vllm+models/a,transformers+models/a --allow-fallback\n" in vllm_compose(hand(moved))
    assert "--models ollama:a,models/a --allow-fallback\n" in modelfiles(hand(moved))["a"]


def on_device(served: ServedModel, device: str, **more: object) -> ServedModel:
    return served.model_copy(update={"candidate": served.candidate.model_copy(update={"device": device, **more})})


def test_servers_of_others_have_no_weights() -> None:
    for write in (vllm_compose, modelfiles):
        with pytest.raises(UsageError, match="there are no weights of it to serve"):
            write(hand(model("a"), endpoint()))


@pytest.mark.parametrize(
    "url", ["http://h/v1?key=sk-secret", "http://me:sk-secret@h/v1", "ftp://h/v1", "sk-secret", "http://h/v1#sk-secret"]
)
def test_a_url_that_may_hold_a_secret_is_refused_and_not_repeated(url: str) -> None:
    for plan in (hand(endpoint("cloud", url)), hand(model("a"), urls={"a": url})):
        for write in (litellm_config, llama_swap_config, semantic_router_config):
            with pytest.raises(UsageError) as refused:
                write(plan)
            assert "sk-secret" not in refused.value.message + refused.value.hint


def test_keys_are_references_to_the_environment() -> None:
    plan = hand(endpoint("cloud"), endpoint("own", "http://127.0.0.1:11434/v1", reference="ollama:own"))
    assert set(re.findall(r"api_key: (\S+)", litellm_config(plan))) == {"os.environ/OPENAI_API_KEY", "none"}
    peers = yaml.safe_load(llama_swap_config(plan))["peers"]
    assert peers["cloud"] == {
        "proxy": "https://api.example",
        "apiKey": "${env.OPENAI_API_KEY}",
        "models": ["cloud-1"],
    }
    assert "apiKey" not in peers["own"]
    assert semantic_router_config(plan).count("api_key_env: OPENAI_API_KEY") == 1


def test_where_a_model_answers_is_not_invented() -> None:
    assert "os.environ/BAKEOFF_URL_A_B" in litellm_config(hand(model("a:b")))
    with pytest.raises(UsageError, match="a:b will answer is not known") as refused:
        semantic_router_config(hand(model("a:b")))
    assert "every model needs its --endpoint" in refused.value.message
    assert "--endpoint a:b=http://HOST:PORT/v1" in refused.value.hint


def test_a_hint_may_be_pasted_whatever_a_model_is_called() -> None:
    name = "m: *y &a %b`c$(touch pwned)'d"
    with pytest.raises(UsageError) as refused:
        semantic_router_config(hand(model(name), model("two words")))
    said = refused.value.hint.removeprefix("add:  ").partition("    or take fewer")[0]
    assert shlex.split(said) == [
        "--endpoint",
        f"{name}=http://HOST:PORT/v1",
        "--endpoint",
        "two words=http://HOST:PORT/v1",
    ]
    run = subprocess.run(["sh", "-c", f"printf '%s\\n' {said}"], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.splitlines() == shlex.split(said)


def test_llama_swap_gets_a_command_that_starts_what_was_measured() -> None:
    document = yaml.safe_load(llama_swap_config(hand(model("a"), gguf(), endpoint())))
    assert document["models"]["a"]["aliases"] == ["bakeoff/general", "bakeoff/auto"]
    aliases = [alias for each in document["models"].values() for alias in each.get("aliases", [])]
    assert len(aliases) == len(set(aliases))
    assert shlex.split(document["models"]["a"]["cmd"])[:6] == [
        "bakeoff",
        "worker",
        "--model",
        "/models here/a",
        "--engine",
        "onnx",
    ]
    server = shlex.split(document["models"]["small.gguf"]["cmd"])
    assert server[:3] == ["llama-server", "--model", "/models here/small.gguf"]
    assert server[-2:] == ["--port", "${PORT}"]
    assert document["models"]["a"]["metadata"]["bakeoff"]["score_high"] == 7.0
    with pytest.raises(UsageError, match="macro"):
        command(model("a${PORT}"), None)


def test_a_model_without_a_chat_template_gets_the_one_of_the_run() -> None:
    plan = hand(model("a"), gguf(), model("b"), without_template=frozenset({"a", "small.gguf"}))
    server = shlex.split(yaml.safe_load(llama_swap_config(plan))["models"]["small.gguf"]["cmd"])
    assert server[server.index("--chat-template") + 1] == FALLBACK
    bare = hand(model("a"), model("b"), without_template=frozenset({"a"}))
    services = yaml.safe_load(vllm_compose(bare))["services"]
    given = services["a"]["command"]
    assert given[given.index("--chat-template") + 1] == FALLBACK
    assert "--chat-template" not in services["b"]["command"]
    configs = yaml.safe_load(ray_serve_config(bare))["applications"][0]["args"]["llm_configs"]
    assert [config["engine_kwargs"].get("chat_template") for config in configs] == [FALLBACK, None]
    other = hand(model("a"), without_template=frozenset({"a"}), weights={"a": "hf:org/x"})
    assert "chat-template" not in vllm_compose(other)
    made = modelfiles(bare)
    assert 'Assistant:"""' in made["a"]
    assert read_modelfile(made["a"])[0] == "/models here/a"
    assert "TEMPLATE" not in made["b"]


INSTRUCTIONS = {"FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER", "LICENSE", "MESSAGE", "REQUIRES"}
# Ollama's documented parameters, "Valid Parameters and Values", and what each is.
PARAMETERS = {
    "num_ctx": int,
    "num_predict": int,
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "min_p": float,
    "repeat_penalty": float,
    "repeat_last_n": int,
    "seed": int,
    "stop": str,
}


def read_modelfile(text: str) -> tuple[str, list[tuple[str, object]]]:
    """Read a Modelfile by its grammar: comments, `INSTRUCTION arguments`, values in quotes or in three of them."""
    source, found, rest = "", [], text
    while rest:
        line, _, rest = rest.partition("\n")
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, argument = line.partition(" ")
        assert instruction in INSTRUCTIONS, line
        if '"""' in argument and argument.count('"""') == 1:
            more, closed, rest = rest.partition('"""')
            assert closed
            argument += "\n" + more + '"""'
            rest = rest.removeprefix("\n")
        if instruction == "FROM":
            assert not source
            source = argument
        elif instruction == "PARAMETER":
            name, _, value = argument.partition(" ")
            quotes = '"""' if value.startswith('"""') else '"'
            plain = value.removeprefix(quotes).removesuffix(quotes) if value.startswith('"') else value
            found.append((name, PARAMETERS[name](plain)))
    assert source
    return source, found


def test_modelfiles_are_read_by_ollama_s_grammar() -> None:
    odd = gguf(sampling=Sampling(temperature=0.3, top_k=40, max_tokens=99, stop=("###", 'say "no"', "two\nlines")))
    made = modelfiles(hand(odd, context=1024))
    source, parameters = read_modelfile(made["small-gguf"])
    assert source == "/models here/small.gguf"
    assert dict(parameters) | {"stop": None} == {
        "num_ctx": 1024,
        "num_predict": 99,
        "temperature": 0.3,
        "top_p": 0.95,
        "top_k": 40,
        "min_p": 0.0,
        "repeat_penalty": 1.0,
        "stop": None,
    }
    assert [value for name, value in parameters if name == "stop"] == ["###", 'say "no"', "two\nlines"]
    assert "bakeoff run mine.yaml --models ollama:small-gguf,models/small.gguf" in made["small-gguf"]
    with pytest.raises(UsageError, match="does not load hf:org/x"):
        modelfiles(hand(gguf(), weights={"small.gguf": "hf:org/x"}))
    other = modelfiles(hand(gguf(), weights={"small.gguf": "other.gguf"}))["small-gguf"]
    assert read_modelfile(other)[0] == "other.gguf"
    assert "NOT MEASURED" in other
    with pytest.raises(UsageError, match="which Ollama cannot read"):
        modelfiles(hand(model("m", quantisation="MLX 4-bit", engine="mlx")))
    served = endpoint("llama3", "http://127.0.0.1:11434/v1", reference="ollama:llama3")
    assert read_modelfile(modelfiles(hand(served))["llama3"])[0] == "llama3-1"


def test_a_modelfile_tells_of_its_own_model_and_of_the_routes_that_it_earned() -> None:
    made = modelfiles(hand(model("a"), model("b")))
    assert "bakeoff/tweet: b > a (winner)" in made["b"]
    assert "bakeoff/general" not in made["b"]
    assert "bakeoff/general: a > b (best within eps)" in made["a"]
    assert "  b: 6.0" not in made["a"]


def test_the_router_s_decisions_have_names_of_their_own() -> None:
    names = ("all", "a b", "a-b", "general route")
    plan = hand(model("a"), routes={name: ServedRoute(candidate="a") for name in names}, **URL)
    routing = yaml.safe_load(semantic_router_config(plan))["routing"]
    assert [each["name"] for each in routing["decisions"]] == [
        "all-2",
        "a-b",
        "a-b-2",
        "general-route-2",
        "general-route",
    ]
    asked = {each["name"]: each["predicate"]["equals"] for each in routing["signals"]["metadata"]}
    assert asked == {"all-2": "all", "a-b": "a b", "a-b-2": "a-b", "general-route-2": "general route"}


def test_more_context_than_a_model_has_is_refused() -> None:
    with pytest.raises(UsageError, match="--context 4096: a has 2048"):
        vllm_compose(hand(model("a"), context=4096))


def test_a_cluster_s_image_is_not_invented() -> None:
    for image in (None, "", " "):
        with pytest.raises(UsageError, match="no run knows which image"):
            kuberay_service(hand(model("a")), image)


def test_narrowing_says_who_serves_instead() -> None:
    plan = hand(model("a"), model("b"), model("c")).plan
    assert leaders(plan) == ("a", "c")
    less = narrow(plan, ["a"])
    assert less.routes["tweet"].candidate == "a"
    assert less.routes["tweet"].evidence.estimate == 6.5
    assert "c, which serves tweet, was left out" in less.routes["tweet"].reasons[-1]
    assert less.routes["tweet"].how_sure == "stands in for c"  # the run's "winner" is of c
    with pytest.raises(UsageError, match="'nobody' is not in the plan"):
        narrow(plan, ["a", "nobody"])


def test_plain_names_never_meet() -> None:
    names = slugs(hand(model("A b"), model("a-b"), model("a:b"), model("日本")).plan)
    assert list(names.values()) == ["a-b", "a-b-2", "a-b-3", "model"]


def test_a_url_of_the_user_s_own_goes_before_the_run_s() -> None:
    plan = hand(endpoint("cloud"), urls={"cloud": "http://here:1/v1/"})
    assert url_of(plan.plan.models[0], plan) == "http://here:1/v1"


SERVICE = Service(first_token_s=0.2, per_token_s=0.01, tokens=(80, 100, 120), tokens_per_s=400.0, slots=8)


def test_replicas_grow_with_the_traffic_and_carry_their_interval() -> None:
    few = replicas("a", SERVICE, 0.5, 5.0, (300.0, 500.0))
    many = replicas("a", SERVICE, 12.0, 5.0, (300.0, 500.0))
    assert few.count == 1
    assert many.low <= many.count <= many.high
    assert many.low < many.high
    assert many.count >= 3
    text = vllm_compose(hand(model("a"), copies={"a": many}))
    assert f"Replicas of a: {many.count} [{many.low} to {many.high}]; for 12 requests/s with 95 % within 5.0 s" in text
    assert len(yaml.safe_load(text)["services"]) == many.count
    assert "Replicas of a: 1; no traffic was stated." in vllm_compose(hand(model("a")))
    without = replicas("a", SERVICE, 12.0, 5.0, None)
    assert (without.low, without.high) == (None, None)
    assert "no interval" in without.why
    with pytest.raises(UsageError, match="no number of replicas of a holds"):
        replicas("a", SERVICE, 1.0, 0.1, None)


def test_no_two_services_of_a_compose_file_have_the_same_gpu_or_port() -> None:
    """Docker takes `count: 1` as the first GPU for each of them, so that the second vLLM finds its memory taken."""
    plan = hand(model("a"), model("a-2"), model("b"), copies={"a": Copies(count=3), "b": Copies(count=2)})
    text = vllm_compose(plan)
    services = yaml.safe_load(text)["services"]
    assert list(services) == ["a", "a-3", "a-4", "a-2", "b", "b-2"]
    served = [each["command"][each["command"].index("--served-model-name") + 1] for each in services.values()]
    assert served == ["a", "a", "a", "a-2", "b", "b"]
    devices = [each["deploy"]["resources"]["reservations"]["devices"] for each in services.values()]
    assert [[each["device_ids"] for each in of_one] for of_one in devices] == [[[str(k)]] for k in range(6)]
    assert not any("count" in each for of_one in devices for each in of_one)
    assert not any("replicas" in each["deploy"] for each in services.values())
    ports = [port["published"] for each in services.values() for port in each["ports"]]
    assert ports == [str(8000 + k) for k in range(6)]
    assert "# GPUs that this file needs: 6, numbers 0 to 5, one a service." in text
    assert "#   b: http://127.0.0.1:8004/v1\n#   b-2: http://127.0.0.1:8005/v1\n" in text
    alone = vllm_compose(hand(model("a")))
    assert "# GPUs that this file needs: 1, number 0." in alone
    assert "divides requests" not in alone


def test_traffic_goes_to_who_serves_it_and_is_divided_by_nobody_but_the_user() -> None:
    plan = hand(model("a"), model("b")).plan  # b leads tweets, a the rest
    assert rates_by_model(plan, {"tweet": 2.0, "general": 1.0, "twitter": 0.5}) == {"b": 2.5, "a": 1.0}
    with pytest.raises(UsageError, match="routes lead to different models"):
        rates_by_model(plan, {None: 1.0})
    with pytest.raises(UsageError, match="there is no route for 'sonnets'"):
        rates_by_model(plan, {"sonnets": 1.0})
    one = hand(model("a"), model("b"), routes={"tweet": ServedRoute(candidate="a")}).plan
    assert rates_by_model(one, {None: 1.0}) == {"a": 1.0}


def test_a_route_is_served_as_sure_as_the_run_is_and_not_as_if_it_had_been_earned() -> None:
    tweet = ServedRoute(candidate="a", outcome="no_clear_winner", sure="as overall", evidence=model("a").quality)
    plan = hand(model("a"), routes={"tweet": tweet}, **URL)
    for name, text in all_files(plan).items():
        assert "bakeoff/tweet: a (as overall)" in text, name
        assert "earned" not in text, name
    (text,) = modelfiles(plan).values()
    assert "It serves: bakeoff/tweet (as overall), bakeoff/general (best within eps)" in text
    assert "description: 'as overall; a: 6.0" in semantic_router_config(plan)


def test_the_routers_scores_are_of_the_same_briefs_or_left_out() -> None:
    """The chosen one's score is confirmed on 24 briefs held back; what may be compared is that of the 72 that chose it."""
    contest = {"by_content_type_in_contest": {}}
    chosen = model("a").model_copy(update={"quality": estimate(5.19, 24), "in_contest": estimate(5.02, 72), **contest})
    other = model("b").model_copy(update={"quality": estimate(4.31, 72), "in_contest": estimate(4.31, 72), **contest})
    urls = {"a": "http://h/v1", "b": "http://h/v2"}
    found = yaml.safe_load(semantic_router_config(hand(chosen, other, urls=urls)))["evaluation"]
    scores = [(each["model"], each["metrics"]["score"], each["metadata"]["briefs"]) for each in found["records"]]
    assert scores == [("a", 5.02, 72), ("b", 4.31, 72)]
    assert [each["id"] for each in found["benchmarks"][0]["profiles"]] == ["all"]
    fewer = other.model_copy(update={"in_contest": estimate(4.31, 30)})
    assert "evaluation" not in yaml.safe_load(semantic_router_config(hand(chosen, fewer, urls=urls)))


def test_a_suite_whose_file_is_not_found_is_named_as_one_to_fill_in() -> None:
    made = hand(model("a"))
    lost = made.model_copy(update={"plan": made.plan.model_copy(update={"suite_file": None})})
    assert (
        measure_command(lost, "x", "y")
        == "bakeoff run SUITE.yaml --models x,y    # SUITE.yaml: the file of suite business"
    )
