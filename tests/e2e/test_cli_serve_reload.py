"""`bakeoff serve` that changes while it runs: keys made and taken away, settings read anew, mistakes kept out, streams uncut."""

import json
import os
import pty
import re
import signal
import stat
import sys
import urllib.error
import urllib.request

import psutil
import pytest

from bakeoff_command import Workspace
from waiting import wait_until

BODY = {"messages": [{"role": "user", "content": "Write a tweet: our shop opens on 14 March."}], "max_tokens": 4}


class Served:
    """A gateway of two small models without a run, over a settings file that tests may rewrite."""

    def __init__(self, folder, *arguments, settings="", config=True, environment=None, own_group=False):
        self.workspace = Workspace(folder)
        self.workspace.environment |= environment or {}
        self.config = self.workspace.folder / "serve.toml"
        self.keys = self.workspace.home / "serve" / "keys.toml"
        self.config.write_text(settings)
        self.log = (folder / "log").open("w+")
        given = ["--config", str(self.config)] if config else []
        models = ("--models", "bundled:social,bundled:technical")
        command = ("serve", "--port", "0", "--json", *models, *given, *arguments)
        self.process = self.workspace.start(*command, err=self.log, own_group=own_group)
        line = self.process.stdout.readline()
        assert line, self.said()
        self.url = json.loads(line)["url"].removesuffix("/v1")

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(40)
        self.process.stdout.close()
        self.log.close()

    def said(self):
        return (self.workspace.folder / "log").read_text()

    def open(self, path, key=None, body=None):
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=30)

    def get(self, path, key=None, body=None):
        """The status, the headers, and the JSON value of an answer."""
        try:
            with self.open(path, key, body) as answer:
                return answer.status, answer.headers, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read())

    def ask(self, model="auto", key=None, **fields):
        return self.get("/v1/chat/completions", key, {"model": model, **BODY, **fields})

    def config_state(self, key=None):
        return self.get("/status", key)[2]["config"]

    def write(self, text):
        """Write the settings, and wait until they were looked at."""
        before = self.config_state()["reloads"]
        self.config.write_text(text)
        wait_until(lambda: self.config_state()["reloads"] != before, "the settings are read anew", 60)
        return self.config_state()

    def make_key(self, *arguments):
        done = self.workspace.call("serve", "keys", "new", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("served")) as made:
        yield made


def test_routes_and_limits_change_and_a_running_stream_is_not_cut(served):
    before = served.get("/v1/models")[2]
    assert "bakeoff/haiku" not in [entry["id"] for entry in before["data"]]
    text = "[routes]\nhaiku = 'bundled:technical'\n[server]\nmax_body_bytes = 2048\n"
    with served.open(
        "/v1/chat/completions", body={"model": "bundled:social", **BODY, "max_tokens": 400, "stream": True}
    ) as stream:
        first = stream.readline()
        state = served.write(text)
        status, headers, _ = served.ask("bakeoff/haiku")
        rest = stream.read()
    assert first
    assert rest.endswith(b"data: [DONE]\n\n")
    assert state["refused"] is None
    assert (status, headers["x-bakeoff-candidate"]) == (200, "bundled:technical")
    assert served.ask(padding="x" * 3000)[0] == 413
    state = served.write("[routes]\nhaiku = 'bundled:social'\n")
    assert served.ask("bakeoff/haiku")[1]["x-bakeoff-candidate"] == "bundled:social"
    assert served.ask(padding="x" * 3000)[0] == 200
    assert "settings were read anew and are in force" in served.said()


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[server]\nmax_body_byte = 5000\n", "serve.toml:2: server.max_body_byte", "did you mean max_body_bytes?"),
        ("[server]\nport = \n", "serve.toml:2:", "is not TOML"),
        ("[routes]\nhaiku = ['nobody']\n", "serve.toml:2: routes.haiku", "'nobody' is not served"),
        ("[keeping]\nbudget_bytes = 1000\n", "not served", "budget"),
        (
            "[keeping]\nbudget_bytes = {gpu = 5}\n",
            "serve.toml:2: keeping.budget_bytes.gpu",
            "no memory of this machine",
        ),
        ("[alerts]\nwebhook = 'SECRET'\n", "serve.toml:2: alerts.webhook", "expected"),
    ],
)
def test_a_mistake_changes_nothing_and_is_told_wherever_one_looks(served, text, where, what):
    served.write("[routes]\nhaiku = 'bundled:technical'\n")
    state = served.write(text)
    for part in (where, what):
        assert part in state["refused"], state
        assert part in served.said()
    assert str(served.workspace.folder) not in json.dumps(state)
    assert "SECRET" not in json.dumps(state)
    with served.open("/metrics") as answer:
        assert b"bakeoff_config_refused 1.0" in answer.read()
    with served.open("/") as answer:
        page = answer.read().decode()
    assert "new settings refused" in page
    assert "In force are those read at" in page
    assert served.ask("bakeoff/haiku")[1]["x-bakeoff-candidate"] == "bundled:technical"
    state = served.write("[routes]\nhaiku = 'bundled:technical' # right again\n")
    assert state["refused"] is None


def test_what_needs_a_restart_is_named_and_the_rest_is_taken(served):
    state = served.write("[server]\nport = 1\nhead_s = 3\n[routes]\nhaiku = 'bundled:social'\n")
    assert state["needs_restart"] == ["server.head_s"]  # --port goes above the settings
    assert served.ask("bakeoff/haiku")[1]["x-bakeoff-candidate"] == "bundled:social"
    assert "in force only after a restart: server.head_s" in served.said()
    assert served.write("")["needs_restart"] == []


def test_sighup_reads_the_settings_anew(served):
    before = served.config_state()["reloads"]["taken"]
    served.process.send_signal(signal.SIGHUP)
    wait_until(lambda: served.config_state()["reloads"]["taken"] == before + 1, "SIGHUP was heard", 60)
    assert served.get("/health")[0] == 200


def test_rules_of_a_model_in_memory_change(served):
    assert served.ask("bundled:social")[0] == 200
    assert served.write("[keeping.models.'bundled:social']\nslots = 2\nqueue = 7\n")["refused"] is None
    assert served.ask("bundled:social")[0] == 200
    shown = served.get("/status")[2]["models"]["bundled:social"]
    assert (shown["slots"], shown["queue"]) == (2, 7)


def test_keys_are_made_asked_for_limited_and_taken_away_while_it_runs(tmp_path):
    with Served(tmp_path, config=False) as served:
        assert served.get("/v1/models")[0] == 200
        phone, said = served.make_key("phone", "--requests-per-minute", "2")
        assert re.fullmatch(r"bo-[\w-]{43}", phone)
        assert "shown this once" in said
        assert stat.S_IMODE(served.keys.stat().st_mode) == 0o600
        assert phone not in served.keys.read_text()
        wait_until(lambda: served.get("/v1/models")[0] == 401, "the key is asked for", 20)
        assert [served.ask(key=phone)[0] for _ in range(3)] == [200, 200, 429]
        other, _ = served.make_key("other")
        wait_until(lambda: served.get("/v1/models", other)[0] == 200, "the second key opens", 20)
        assert served.ask(key=phone)[0] == 429  # what was used stays used
        listed = served.workspace.call("serve", "keys", "list").stdout
        assert "requests_per_minute 2" in listed
        assert served.workspace.call("serve", "keys", "remove", "other").returncode == 0
        wait_until(lambda: served.get("/v1/models", other)[0] == 401, "the second key opens nothing", 20)
        assert served.get("/v1/models", phone)[0] == 200
        served.keys.unlink()
        wait_until(lambda: served.config_state(phone)["refused"], "the loss of the file is noticed", 20)
        assert served.get("/v1/models")[0] == 401
        assert served.get("/v1/models", phone)[0] == 200
        assert phone not in served.said()


def test_a_key_is_taken_away_though_the_settings_are_wrong(tmp_path):
    key = Workspace(tmp_path).call("serve", "keys", "new", "phone").stdout.strip()
    other = Workspace(tmp_path).call("serve", "keys", "new", "other").stdout.strip()
    with Served(tmp_path) as served:
        served.config.write_text("[server]\nport = 'x'\n")
        wait_until(lambda: served.config_state(other)["refused"], "the mistake is noticed", 20)
        assert served.workspace.call("serve", "keys", "remove", "phone").returncode == 0
        wait_until(lambda: served.get("/v1/models", key)[0] == 401, "the key opens nothing", 20)
        assert "server.port" in served.config_state(other)["refused"]  # keys that are right say nothing of the settings


def test_a_key_file_of_the_settings_and_one_in_the_environment_open_both(tmp_path):
    workspace = Workspace(tmp_path)
    made = workspace.call("serve", "keys", "new", "a.b", "--file", str(tmp_path / "own.toml"))
    hidden = workspace.call("serve", "keys", "new", "x", "--no-file")
    variable, _, value = hidden.stderr.strip().partition("=")
    assert value.startswith("sha256:")
    settings = "[server]\nkey_file = 'own.toml'\n"
    with Served(tmp_path, settings=settings, environment={variable: value}) as served:
        for key in (made.stdout.strip(), hidden.stdout.strip()):
            assert served.get("/v1/models", key)[0] == 200
        assert served.get("/v1/models", value)[0] == 401
        assert {each["key"] for each in served.get("/status", made.stdout.strip())[2]["keys"]} == {"a.b", "environment"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "new", "two words"), "is no name for a key"),
        (("keys", "new", "environment"), "is the name of the key in BAKEOFF_API_KEY"),
        (("keys", "remove", "nobody"), "is not there"),
        (("--port", "0", "keys", "list"), "options of serve itself"),
        (("keyes",), "No such command 'keyes'"),
        (("keys", "new", "a", "--no-file", "--requests-per-minute", "3"), "--no-file keeps no limits"),
    ],
)
def test_wrong_use_of_keys_is_one_clear_line(tmp_path, arguments, said):
    done = Workspace(tmp_path).call("serve", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_beyond_this_machine_only_with_a_key(tmp_path):
    workspace = Workspace(tmp_path)
    given = ("serve", "--models", "bundled:social", "--host", "0.0.0.0", "--port", "0", "--json")
    refused = workspace.call(*given)
    assert refused.returncode == 2
    assert "bakeoff serve keys new NAME" in refused.stderr
    key = workspace.call("serve", "keys", "new", "phone").stdout.strip()
    process = workspace.start(*given)
    try:
        url = json.loads(process.stdout.readline())["url"]
        ask = urllib.request.Request(f"{url}/models", headers={"authorization": f"Bearer {key}"})
        with urllib.request.urlopen(ask, timeout=10) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{url}/models", timeout=10)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_terminal_that_is_closed_ends_it(tmp_path):
    """SIGHUP of a terminal's end is not a wish to read settings: a gateway that nobody can reach any more ends."""
    workspace = Workspace(tmp_path)
    command = [sys.executable, "-m", "bakeoff", "serve", "--models", "bundled:social", "--port", "0", "--json"]
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests with nohup hands on that it is ignored
        os.chdir(workspace.folder)
        os.execve(sys.executable, command, workspace.environment)
    said = b""
    while b'"url"' not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    wait_until(lambda: os.waitpid(pid, os.WNOHANG) != (0, 0), "the gateway ended", 30)


def lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_kill_9_leaves_no_worker_that_can_end_and_the_next_start_ends_one_that_cannot(tmp_path):
    with Served(tmp_path) as served:
        assert served.ask("bundled:social")[0] == served.ask("bundled:technical")[0] == 200
        children = psutil.Process(served.process.pid).children(recursive=True)
        stopped, other = [each for each in children if "bakeoff.engines.worker" in each.cmdline()]
        stopped.suspend()
        served.process.kill()
        served.process.wait(10)
        wait_until(lambda: not lives(other), "the worker of a gateway that is gone ends")
    assert lives(stopped)
    with Served(tmp_path) as again:
        wait_until(lambda: not lives(stopped), "the worker that could not end is ended")
        assert again.ask("bundled:social")[0] == 200
    assert list((again.workspace.home / "serve" / "logs").glob("workers-*.json")) == []


def test_sigterm_while_settings_are_read_ends_it_cleanly(tmp_path):
    with Served(tmp_path) as served:
        assert served.ask()[0] == 200
        served.process.send_signal(signal.SIGHUP)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0
        assert "Traceback" not in served.said()


def test_a_signal_to_all_of_its_group_ends_the_planning_of_a_reload_without_a_word(tmp_path):
    """What Ctrl-C does, and `timeout`."""
    with Served(tmp_path, own_group=True) as served:

        def planning():
            children = psutil.Process(served.process.pid).children()
            return [child for child in children if "--print-plan" in child.cmdline()]

        served.process.send_signal(signal.SIGHUP)
        wait_until(planning, "the plan is being made anew")
        planners = planning()
        os.killpg(served.process.pid, signal.SIGTERM)
        assert served.process.wait(40) == 0
        assert served.said() == ""
        assert not [planner for planner in planners if lives(planner)]


def test_a_gateway_that_was_told_to_outlive_its_terminal_does(tmp_path):
    """What `nohup` does: SIGHUP is ignored when it starts. It then only has the settings read anew."""
    workspace = Workspace(tmp_path)
    command = [sys.executable, "-m", "bakeoff", "serve", "--models", "bundled:social", "--port", "0", "--json"]
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.chdir(workspace.folder)
        os.execve(sys.executable, command, workspace.environment)
    said = b""
    while b"\n" not in said:
        said += os.read(terminal, 4096)
    url = json.loads(said)["url"].removesuffix("/v1")
    os.close(terminal)

    def reloads():
        with urllib.request.urlopen(f"{url}/status", timeout=30) as answer:
            return json.loads(answer.read())["config"]["reloads"]

    try:
        wait_until(lambda: reloads() == {"taken": 1, "refused": 0}, "the settings are read anew", 60)
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
