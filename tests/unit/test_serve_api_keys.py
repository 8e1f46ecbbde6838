"""Clients' keys: what opens, what is kept of them, and what each may do within a minute and at a time."""

import stat
import subprocess
import sys
from datetime import date

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.cli.serving_keys import client_keys, keys, nobody_comes_in
from bakeoff.core.errors import InvalidFile, UsageError
from bakeoff.serve.api_keys import ApiKey, KeyLimits, KeyRing, StoredKey, hash_of, key_of_environment, keys_of, make_key
from bakeoff.serve.key_file import add_key, read_key_file, remove_key
from bakeoff.serve.key_limits import KeyUse, KeyUses
from bakeoff.serve.settings import ServeSettings


def stored(key="k", **limits):
    return StoredKey(sha256=hash_of(key), made=date(2026, 11, 27), **limits)


def test_a_key_is_long_new_each_time_and_fit_for_a_header():
    made = {make_key() for _ in range(200)}
    assert len(made) == 200
    assert all(len(key) >= 43 and key.isascii() and " " not in key for key in made)


def test_a_ring_opens_for_its_keys_and_nothing_near_them():
    key = make_key()
    ring = KeyRing(keys_of({"phone": stored(key), "other": stored("x")}))
    assert ring.find(key.encode()).name == "phone"
    wrong = [
        b"",
        key[:-1].encode(),
        key.upper().encode(),
        b"\0" * 32,
        hash_of(key).encode(),
        bytes.fromhex(hash_of(key)),
    ]
    assert [ring.find(each) for each in wrong] == [None] * len(wrong)


def test_an_empty_ring_is_open_and_a_locked_one_is_not():
    assert not KeyRing().locked
    assert KeyRing(locked=True).locked
    assert KeyRing(locked=True).find(b"") is None
    assert KeyRing([key_of_environment("x")]).locked


def test_the_environment_may_hold_the_hash_alone():
    for value in ("secret", f"sha256:{hash_of('secret')}"):
        assert KeyRing([key_of_environment(value)]).find(b"secret").name == "environment"
    odd = "sha256:not-a-hash"
    assert KeyRing([key_of_environment(odd)]).find(odd.encode()) is not None


def test_a_key_file_holds_hashes_is_private_and_says_the_same_again(tmp_path):
    file = tmp_path / "deep" / "keys.toml"
    key = make_key()
    add_key(file, "phone", stored(key, requests_per_minute=60))
    add_key(file, "a.b-c_d", stored("other", concurrent_requests=2))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in file.read_text()
    assert read_key_file(file) == {
        "phone": stored(key, requests_per_minute=60),
        "a.b-c_d": stored("other", concurrent_requests=2),
    }
    remove_key(file, "phone")
    assert list(read_key_file(file)) == ["a.b-c_d"]
    assert [each.name for each in file.parent.iterdir()] == ["keys.toml"]
    with pytest.raises(UsageError, match="already"):
        add_key(file, "a.b-c_d", stored())
    with pytest.raises(UsageError, match="no key 'phone'"):
        remove_key(file, "phone")


def test_two_who_make_keys_at_once_lose_none(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from bakeoff.serve.api_keys import StoredKey, hash_of\nfrom bakeoff.serve.key_file import add_key\n"
        "for n in range(20):\n"
        "    name = f'{sys.argv[2]}{n}'\n"
        "    add_key(Path(sys.argv[1]), name, StoredKey(sha256=hash_of(name)))\n"
    )
    file = tmp_path / "keys.toml"
    both = [subprocess.Popen([sys.executable, "-c", code, str(file), name]) for name in ("a", "b")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(read_key_file(file)) == 40


HASH = hash_of("k")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[keys.a]\nsha256 = 'short'\n", ["keys.toml:2: keys.a.sha256"]),
        ("[keys.a]\n", ["keys.toml:1: keys.a.sha256: is missing"]),
        (
            f"[keys.a]\nsha256 = '{HASH}'\nrequests_per_minut = 3\n",
            ["keys.toml:3:", "did you mean requests_per_minute?"],
        ),
        (f"[keys.a]\nsha256 = '{HASH}'\nconcurrent_requests = 0\n", ["keys.toml:3: keys.a.concurrent_requests: is 0"]),
        (f"[keys.a]\nsha256 = '{HASH}'\n[keys.b]\nsha256 = '{HASH}'\n", ["keys.toml:4: keys.b: is the same key as a"]),
        ("[keys.'a b']\nsha256 = 1\n", ["keys.toml:"]),
        ("[kees]\n", ["keys.toml:1: kees", "did you mean keys?"]),
        ("nothing\n", ["keys.toml:1:", "is not TOML"]),
    ],
)
def test_every_mistake_of_a_key_file_is_told_with_its_line(text, said, tmp_path):
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with pytest.raises(InvalidFile) as caught:
        read_key_file(file)
    for each in said:
        assert each in caught.value.message


def test_a_key_file_that_others_may_write_is_refused(tmp_path):
    file = tmp_path / "keys.toml"
    add_key(file, "a", stored())
    file.chmod(0o620)
    with pytest.raises(InvalidFile, match="may be written by others"):
        read_key_file(file)
    file.chmod(0o644)
    assert list(read_key_file(file)) == ["a"]


def use_of(**limits):
    return KeyUse(ApiKey("a", b"", KeyLimits(**limits)))


@given(
    most=st.integers(1, 5),
    steps=st.lists(st.floats(0, 40), min_size=1, max_size=60),
)
def test_no_minute_holds_more_requests_than_may_and_come_again_is_true(most, steps):
    use, now, let_in = use_of(requests_per_minute=most), 0.0, []
    for step in steps:
        now += step
        over = use.enter(now)
        inside = [at for at in let_in if at > now - 60]
        assert (over is None) == (len(inside) < most)
        if over is None:
            let_in.append(now)
            use.leave()
        else:
            assert 0 < over.retry_after_s <= 60 + 1e-9
            later = KeyUse(ApiKey("b", b"", KeyLimits(requests_per_minute=most)))
            for at in inside:
                later.enter(at)
            assert later.enter(now + over.retry_after_s + 1e-6) is None


@given(
    most=st.integers(1, 100),
    steps=st.lists(st.tuples(st.floats(0, 40), st.integers(0, 60)), min_size=1, max_size=60),
)
def test_nobody_is_let_in_while_a_minute_holds_as_many_tokens_as_may_and_come_again_is_true(most, steps):
    use, now, spent = use_of(tokens_per_minute=most), 0.0, []
    for step, tokens in steps:
        now += step
        over = use.enter(now)
        inside = [(at, count) for at, count in spent if at > now - 60]
        assert (over is None) == (sum(count for _, count in inside) < most)
        if over is None:
            use.spend(now, tokens)
            spent.append((now, tokens))
            use.leave()
        else:
            assert (over.limit, over.most) == ("tokens_per_minute", most)
            assert 0 < over.retry_after_s <= 60 + 1e-9
            for early_s, is_over in ((1e-6, False), (-1e-3, True)):
                at = now + over.retry_after_s + early_s
                later = sum(count for ended, count in inside if ended > at - 60)
                assert (later >= most) == is_over
    assert use.tokens == sum(count for _, count in spent)


def test_tokens_of_answers_under_way_pass_the_limit_and_count():
    use = use_of(tokens_per_minute=10)
    assert [use.enter(0.0), use.enter(0.0)] == [None, None]
    use.spend(1.0, 9)
    assert use.enter(1.0) is None  # one is left
    use.spend(2.0, 30)
    assert use.enter(3.0).retry_after_s == pytest.approx(2.0 + 60 - 3)
    assert use.enter(61.5).retry_after_s == pytest.approx(0.5)
    assert use.enter(62.0) is None


def test_as_many_at_a_time_as_may_and_one_that_ends_makes_room():
    use = use_of(concurrent_requests=2)
    assert [use.enter(0.0), use.enter(0.0)] == [None, None]
    assert use.enter(0.0).limit == "concurrent_requests"
    use.leave()
    assert use.enter(0.0) is None
    assert (use.admitted, use.refused["concurrent_requests"], use.under_way) == (3, 1, 2)


def test_limits_that_change_count_what_was_used_before():
    uses = KeyUses()
    key = ApiKey("a", b"a", KeyLimits(requests_per_minute=5))
    uses.take([key])
    for at in range(5):
        assert uses.of(key).enter(float(at)) is None
    lowered = ApiKey("a", b"a", KeyLimits(requests_per_minute=2))
    uses.take([lowered])
    over = uses.of(lowered).enter(10.0)
    assert over.retry_after_s == pytest.approx(3.0 + 60 - 10)
    uses.take([])
    assert list(uses) == []


def ask(*arguments):
    done = CliRunner().invoke(keys, arguments)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    monkeypatch.delenv("BAKEOFF_API_KEY", raising=False)
    return tmp_path


def test_who_takes_the_last_key_away_is_told_how_to_come_in_again(home):
    ask("new", "a")
    ask("new", "b")
    assert "nobody" not in ask("remove", "a")
    for said in (ask("remove", "b"), ask("list")):
        assert "nobody may come in. A new key: bakeoff serve keys new NAME; or delete that file and start" in said
    other = str(home / "of the phones.toml")
    ask("new", "c", "--file", other)
    said = ask("remove", "c", "--file", other)
    assert f"bakeoff serve keys new NAME --file '{other}'" in said
    assert "take server.key_file out of the settings" in said


def test_a_gateway_that_no_key_opens_says_so_and_no_other_one_does(home, monkeypatch):
    def said():
        return nobody_comes_in(ServeSettings(), None, client_keys(ServeSettings(), None))

    assert said() == ()
    ask("new", "a")
    assert said() == ()
    ask("remove", "a")
    (note,) = said()
    assert (
        note
        == f"nobody may come in: {home / 'serve' / 'keys.toml'} holds no key. Make one: bakeoff serve keys new NAME"
    )
    monkeypatch.setenv("BAKEOFF_API_KEY", "secret")
    assert said() == ()
