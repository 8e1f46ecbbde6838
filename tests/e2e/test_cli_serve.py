"""`bakeoff serve` as a user starts it, over a real run of the bundled models, asked by OpenAI's own client."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import openai
import psutil
import pytest

from bakeoff.catalog.references import bundled_folder
from bakeoff.store.db import Store
from bakeoff.study.admission import read_observations
from bakeoff_command import Workspace, write_suite
from waiting import wait_until

HELLO = [{"role": "user", "content": "Write a tweet: our shop opens on 14 March."}]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with one finished run: 12 briefs, two models, one of them a folder of the workspace."""
    made = Workspace(tmp_path_factory.mktemp("served"))
    write_suite(made.folder / "small.yaml", briefs=12)
    shutil.copytree(bundled_folder() / "social", made.folder / "mine")
    done = made.call("run", "small.yaml", "--models", "bundled:baseline,mine", "--fixed-n", "12", timeout_s=200)
    assert done.returncode == 0, done.stderr
    return made


class Served:
    """A gateway under way."""

    def __init__(self, workspace, *arguments, environment=None):
        workspace = Workspace(workspace.folder)
        workspace.environment |= environment or {}
        self.process = workspace.start("serve", "--port", "0", "--json", *arguments)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate(timeout=20)[1])
        self.ready = json.loads(line)
        self.url = self.ready["url"]

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.terminate()
        self.out, self.err = self.process.communicate(timeout=40)

    def client(self, **options):
        return openai.OpenAI(base_url=self.url, **{"api_key": "none", "max_retries": 0, **options})

    def get(self, path):
        with urllib.request.urlopen(self.url.removesuffix("/v1") + path, timeout=10) as response:
            return response.status, response.read()


@pytest.fixture(scope="module")
def served(workspace):
    with Served(workspace) as made:
        yield made


def test_it_says_where_it_listens_and_who_serves(served):
    assert served.ready["schema"] == "bakeoff.serve/1"
    assert set(served.ready["routes"]) == {"tweet", "business_email"}
    assert set(served.ready["models"]) == {"bundled:baseline", "mine"}
    assert served.ready["run_id"] is not None
    assert served.get("/health") == (200, b'{"status":"ok"}')
    assert served.get("/ready")[0] == 200


def test_openais_client_gets_a_text_from_the_route_of_its_content(served):
    with served.client() as client:
        raw = client.chat.completions.with_raw_response.create(model="bakeoff/auto", messages=HELLO, max_tokens=20)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens >= 1
    assert raw.headers["x-bakeoff-route"] == "tweet"
    assert raw.headers["x-bakeoff-candidate"] == served.ready["routes"]["tweet"]["candidate"] == answer.model
    assert raw.headers["x-bakeoff-run"] == served.ready["run_id"]
    assert raw.headers["x-bakeoff-fallback"] == "0"
    assert re.search(r"outcome=\w+; over=tweet; score=\d", raw.headers["x-bakeoff-evidence"])
    assert raw.headers["x-bakeoff-routed-by"].startswith("classifier")


def test_a_stream_is_the_same_text_in_pieces(served):
    asked = {"model": "mine", "messages": HELLO, "max_tokens": 24, "seed": 7}
    with served.client() as client:
        whole = client.chat.completions.create(**asked)
        pieces = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        silent = list(client.chat.completions.create(**asked, stream=True))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content
    assert pieces[-1].usage == whole.usage
    assert all(piece.usage is None for piece in silent)


def test_the_metadata_name_the_content_type(served):
    with served.client() as client:
        raw = client.chat.completions.with_raw_response.create(
            model="auto", messages=HELLO, metadata={"content_type": "E-Mail"}, max_tokens=3
        )
    assert raw.headers["x-bakeoff-route"] == "business_email"
    assert raw.headers["x-bakeoff-routed-by"] == "metadata"


def test_plain_completions_too(served):
    with served.client() as client:
        whole = client.completions.create(model="mine", prompt="We open on", max_tokens=6, seed=1)
        pieces = list(client.completions.create(model="mine", prompt="We open on", max_tokens=6, seed=1, stream=True))
    assert whole.object == "text_completion"
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == whole.choices[0].text


def test_log_probabilities_come_from_our_worker(served):
    with served.client() as client:
        answer = client.chat.completions.create(
            model="mine", messages=HELLO, max_tokens=2, logprobs=True, top_logprobs=2
        )
    assert len(answer.choices[0].logprobs.content) >= 1


def test_the_list_of_models_says_which_serves_what_and_why(served):
    with served.client() as client:
        names = [model.id for model in client.models.list()]
        route = client.models.retrieve("bakeoff/tweet").model_extra["bakeoff"]
        candidate = client.models.retrieve("bundled:baseline").model_extra["bakeoff"]
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-4")
    assert {"auto", "bakeoff/auto", "bakeoff/tweet", "bakeoff/general", "mine", "bundled:baseline"} <= set(names)
    assert route["evidence"]["briefs"] == 6
    assert route["run"] == served.ready["run_id"]
    assert candidate["score"]["estimate"] is not None
    assert candidate["state"] in {"absent", "ready", "loading"}


def test_errors_are_the_clients_own_kinds(served):
    with served.client() as client:
        with pytest.raises(openai.NotFoundError, match="does not exist here"):
            client.chat.completions.create(model="gpt-4", messages=HELLO)
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="mine", messages=HELLO, temperature=-1)
        with pytest.raises(openai.NotFoundError, match="embeddings"):
            client.embeddings.create(model="x", input="y")
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="mine", input="y")


def test_the_async_client_many_at_a_time_and_one_that_gives_up(served):
    async def work():
        async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
            asked = {"messages": HELLO, "max_tokens": 12}
            answers = await asyncio.gather(
                *(client.chat.completions.create(model="bakeoff/auto", **asked) for _ in range(12))
            )
            stream = await client.chat.completions.create(model="mine", messages=HELLO, stream=True)
            async for _ in stream:
                break
            await stream.close()
            with pytest.raises(openai.APITimeoutError):
                await client.with_options(timeout=0.001).chat.completions.create(model="mine", **asked)
            return answers

    assert all(answer.choices[0].message.content is not None for answer in asyncio.run(work()))
    wait_until(lambda: b"bakeoff_open_requests 0.0" in served.get("/metrics")[1], "no request is left open")


def test_metrics_have_the_names_of_opentelemetry(served):
    text = served.get("/metrics")[1].decode()
    for name in (
        "gen_ai_server_request_duration_seconds_count{",
        "gen_ai_server_time_to_first_token_seconds_bucket{",
        "gen_ai_server_time_per_output_token_seconds_sum{",
        "gen_ai_client_token_usage_count{",
        'bakeoff_committed_bytes{memory="host"} ',
        'bakeoff_model_held_bytes{memory="host",model="mine"} ',
        'bakeoff_model_state{model="mine",state=',
        'bakeoff_breaker_state{model="mine",state="closed"} 1.0',
        'bakeoff_model_loads_total{model="mine",outcome="ready"} 1.0',
    ):
        assert name in text


def test_answers_are_graded_against_the_run_and_top_shows_it(workspace):
    config = workspace.folder / "watched.toml"
    config.write_text("[quality]\nshare = 1.0\n[cost]\nagainst = 'big'\nprice_in = 1.0\nprice_out = 4.0\n")
    with Served(workspace, "--config", str(config)) as served, served.client() as client:
        shown = lambda: json.loads(served.get("/status")[1])  # noqa: E731
        wait_until(lambda: shown()["quality"]["streams"], "the run's texts are graded", 60)
        client.chat.completions.create(model="bakeoff/tweet", messages=HELLO)
        wait_until(lambda: shown()["quality"]["graded"] == 1, "the answer is graded")
        status = shown()
        top = workspace.call("top", "--url", served.url, "--once")
        document = json.loads(workspace.call("top", "--url", served.url, "--json").stdout)
    assert {each["measure"] for each in status["quality"]["streams"]} == {"publishable", "score"}
    assert status["cost"]["provenance"] == "assumed"
    assert status["cost"]["cloud"] > 0
    assert top.returncode == 0
    assert "mine" in top.stdout
    assert "at big" in top.stdout
    assert max(len(line) for line in top.stdout.splitlines()) <= 80
    assert document["schema"] == "bakeoff.status/1"


def test_top_without_a_gateway_says_how_to_start_one(workspace):
    done = workspace.call("top", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "no gateway answers at http://127.0.0.1:9" in done.stderr
    assert "bakeoff serve" in done.stderr
    assert workspace.call("top", "--url", "nonsense").returncode == 2


def test_it_stays_small_and_loads_no_runtime(served):
    process = psutil.Process(served.ready["pid"])
    assert process.memory_info().rss < 80e6
    mapped = [found.path for found in process.memory_maps()]
    assert not [path for path in mapped if re.search(r"/(torch|onnxruntime|numpy|sqlalchemy|scipy|yaml)/", path)]


def test_what_it_imports():
    code = (
        "import sys\n"
        "import bakeoff.cli.main, bakeoff.cli.serve, bakeoff.serve.server, bakeoff.serve.supervisor\n"
        "heavy = {'torch', 'numpy', 'scipy', 'onnxruntime', 'onnx', 'transformers', 'mlx', 'sqlalchemy', 'rich', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sigterm_lets_an_answer_finish_and_leaves_nobody(workspace):
    served = Served(workspace)
    with served, served.client() as client:
        client.chat.completions.create(model="mine", messages=HELLO, max_tokens=1)
        workers = psutil.Process(served.process.pid).children(recursive=True)
        assert workers
        stream = iter(client.chat.completions.create(model="mine", messages=HELLO, max_tokens=200, stream=True))
        next(stream)
        served.process.send_signal(signal.SIGTERM)
        last = list(stream)[-1]
        assert last.choices[0].finish_reason in {"stop", "length"}
        assert served.process.wait(30) == 0
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
    assert served.err == ""


def test_a_signal_to_all_of_its_group_ends_the_grading_without_a_word(workspace):
    """What Ctrl-C does, and `timeout`: the gateway and what it has started beside itself hear it alike."""
    process = workspace.start("serve", "--port", "0", "--json", own_group=True)
    assert process.stdout.readline()

    def grading():
        children = psutil.Process(process.pid).children()
        return [child for child in children if "--print-references" in child.cmdline()]

    wait_until(grading, "the run's texts are being graded")
    graders = grading()
    os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=40)
    assert (process.returncode, err) == (0, "")
    assert not [grader for grader in graders if grader.is_running() and grader.status() != psutil.STATUS_ZOMBIE]


def test_a_signal_to_all_of_its_group_at_the_start_ends_the_planning_beside_it(workspace):
    process = workspace.start("serve", "--port", "0", own_group=True)

    def planning():
        return [one for one in psutil.Process(process.pid).children() if "--print-plan" in one.cmdline()]

    wait_until(planning, "the plan is being made")
    planners = planning()
    os.killpg(process.pid, signal.SIGTERM)
    said, err = process.communicate(timeout=40)
    assert (process.returncode, said, err.split()) == (130, "", ["interrupted"])
    assert not [one for one in planners if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_planning_that_is_killed_at_the_start_is_told(workspace):
    process = workspace.start("serve", "--port", "0")

    def planning():
        return [one for one in psutil.Process(process.pid).children() if "--print-plan" in one.cmdline()]

    wait_until(planning, "the plan is being made")
    planning()[0].kill()
    _, err = process.communicate(timeout=40)
    assert (process.returncode, err) == (1, "error: the process that plans was ended by signal 9 (Killed)\n")


def test_a_key_from_the_environment(workspace):
    with Served(workspace, environment={"BAKEOFF_API_KEY": "sk-mine\n"}) as served:
        with served.client(api_key="sk-mine") as client:
            assert client.models.list().data
        with served.client(api_key="other") as client, pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_the_message_for_people_names_url_routes_and_a_curl_that_works(workspace):
    process = workspace.start("serve", "--port", "0", "--run", "latest")
    try:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], process.communicate(timeout=20)[1]
        said = "".join(lines)
        command = re.search(r"curl .*?'\n", said.split("Try:\n")[1], re.DOTALL)[0]
        asked = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert "bakeoff/tweet" in said
    assert "anything else" in said
    assert "x-bakeoff-route: tweet" in asked.stdout
    assert '"content"' in asked.stdout


def test_a_gateway_whose_last_key_was_taken_away_says_that_nobody_may_come_in(tmp_path):
    space = Workspace(tmp_path)
    for arguments in (("new", "phone"), ("remove", "phone")):
        assert space.call("serve", "keys", *arguments).returncode == 0
    with Served(space, "--models", "bundled:social") as served:
        assert any("nobody may come in" in note for note in served.ready["notes"])
        with served.client() as client, pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_models_without_a_run(workspace):
    with Served(workspace, "--models", "bundled:social,bundled:technical") as served, served.client() as client:
        raw = client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, max_tokens=2)
        assert raw.headers["x-bakeoff-candidate"] == "bundled:social"
        assert raw.headers["x-bakeoff-route"] == "general"
        assert "x-bakeoff-run" not in raw.headers
        assert "x-bakeoff-evidence" not in raw.headers


def test_a_config_file(workspace):
    config = workspace.folder / "serve.toml"
    config.write_text(
        '[keeping.models."mine"]\npreload = true\n[routes]\ntwitter = "mine"\nhaiku = ["bundled:baseline", "mine"]\n'
    )
    with Served(workspace, "--config", str(config)) as served:
        assert served.ready["routes"]["tweet"]["candidate"] == "mine"
        assert served.ready["routes"]["tweet"]["outcome"] is None
        assert served.ready["routes"]["haiku"]["fallbacks"] == ["mine"]
        shown = lambda: json.loads(served.get("/v1/models/mine")[1])["bakeoff"]["state"]  # noqa: E731
        wait_until(lambda: shown() == "ready", "the preloaded model is ready")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (
            "[server]\nport = 99999\nhots = 1\n",
            ["serve.toml:2: server.port", "serve.toml:3: server.hots", "did you mean host?"],
        ),
        ("[server]\nport = \n", ["serve.toml:2:", "is not TOML"]),
        ("[server]\napi_key = 'x'\n", ["serve.toml:2: server.api_key", "BAKEOFF_API_KEY"]),
        ("[keeping]\nbudget_bytes = 'much'\n\n[nope]\n", ["serve.toml:2: keeping.budget_bytes", "serve.toml:4: nope"]),
        (
            '[keeping.models."mine"]\npined = true\n',
            ["serve.toml:2: keeping.models.mine.pined", "did you mean pinned?"],
        ),
        ('[routes]\ntweet = []\nx = "mine"\n', ["serve.toml:3: routes.x", "serve.toml:2: routes.tweet"]),
        (
            '[routes]\ntweet = ["nobody"]\n',
            ["serve.toml:2: routes.tweet: 'nobody' is not served", "served: bundled:baseline, mine"],
        ),
        ('[keeping.models."nobody"]\npinned = true\n', ["serve.toml:1: keeping.models.nobody"]),
        ('[embeddings]\nendpoint = "ftp://x"\n', ["serve.toml:2: embeddings.endpoint"]),
        ("[waiting]\nstall_s = 0\n", ["serve.toml:2: waiting.stall_s"]),
        (
            "[keeping.budget_bytes]\nhost = 2_000_000_000\n'cuda:7' = 1_000\n",
            ["serve.toml:3: keeping.budget_bytes.cuda:7: is no memory of this machine", "it has: host"],
        ),
        (
            "[keeping]\nbudget_bytes = { host = 'x' }\n",
            ["serve.toml:2: keeping.budget_bytes: ", "expected: a whole number of bytes, or a table of them by memory"],
        ),
    ],
)
def test_every_mistake_of_a_config_file_is_told_with_its_line(workspace, text, places):
    config = workspace.folder / "serve.toml"
    config.write_text(text)
    done = workspace.call("serve", "--port", "0", "--config", str(config), timeout_s=60)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for place in places:
        assert place in done.stderr


def test_a_port_that_is_taken(workspace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = workspace.call("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "another program listens there" in done.stderr


def test_beyond_this_machine_only_with_a_key_or_on_purpose(workspace):
    done = workspace.call("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    assert "BAKEOFF_API_KEY" in done.stderr
    with Served(workspace, "--host", "0.0.0.0", "--allow-anyone") as served:
        assert served.get("/health")[0] == 200


def test_a_workspace_without_a_run(tmp_path):
    done = Workspace(tmp_path).call("serve", "--port", "0")
    assert done.returncode == 2
    assert "there is no run in this workspace" in done.stderr
    assert "bakeoff serve --models" in done.stderr


def test_a_run_that_does_not_exist(workspace):
    done = workspace.call("serve", "--run", "nope", "--port", "0")
    assert done.returncode == 2
    assert "there is no run 'nope'" in done.stderr


def test_run_and_models_exclude_each_other(workspace):
    assert workspace.call("serve", "--run", "latest", "--models", "bundled:social").returncode == 2


def test_a_model_that_has_changed_is_left_out_and_the_next_serves(workspace):
    changed = workspace.folder / "mine" / "tokenizer.json"
    before = changed.read_bytes()
    try:
        changed.write_bytes(before + b"\n")
        with Served(workspace) as served:
            assert served.ready["models"] == ["bundled:baseline"]
            assert served.ready["routes"]["tweet"]["candidate"] == "bundled:baseline"
            assert any("changed since they were measured" in note for note in served.ready["notes"])
        shutil.move(workspace.folder / "mine", workspace.folder / "elsewhere")
        with Served(workspace) as served:
            assert any(note.startswith("mine is not served") for note in served.ready["notes"])
    finally:
        if (workspace.folder / "elsewhere").exists():
            shutil.move(workspace.folder / "elsewhere", workspace.folder / "mine")
        changed.write_bytes(before)


def test_models_too_large_for_the_budget_are_left_out(workspace):
    done = workspace.call("serve", "--port", "0", "--budget", "20MB")
    assert done.returncode == 2
    assert "it may need" in done.stderr


def test_the_settings_say_what_a_model_needs_also_at_the_start(tmp_path):
    workspace = Workspace(tmp_path)
    asked = ("serve", "--models", "bundled:social", "--print-plan", "--budget", "host=300000")
    refused = workspace.call(*asked)
    assert refused.returncode == 2
    assert "keeping.models.NAME.need_bytes" in refused.stderr
    (tmp_path / "serve.toml").write_text('[keeping.models."bundled:social"]\nneed_bytes = 250_000\n')
    plan = json.loads(workspace.call(*asked, "--config", str(tmp_path / "serve.toml")).stdout)
    assert [model["candidate"]["id"] for model in plan["plan"]["models"]] == ["bundled:social"]


def test_what_its_models_took_is_learnt_from(workspace):
    with Served(workspace, "--models", "mine") as served, served.client() as client:
        used = client.chat.completions.create(model="mine", messages=HELLO, max_tokens=24).usage
    (line,) = (workspace.home / "served-loads.jsonl").read_text().splitlines()
    load = json.loads(line)
    assert (load["candidate"]["id"], load["device"], load["rows"]) == ("mine", "cpu", 1)
    assert load["tokens"] == used.total_tokens
    assert load["peak_bytes"] > 50 << 20
    assert workspace.call("fit", "bundled:baseline", "--json").returncode == 0
    assert not (workspace.home / "served-loads.jsonl").exists()
    store = Store.open_folder(workspace.home)
    try:
        assert load["peak_bytes"] in {one.measured_bytes for one in read_observations(store, workspace.home)}
    finally:
        store.close()
