"""Models known by name: the catalogue, the user's file, and the TOML of both."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.catalog.registry import REGISTRY_FILE, add_entries, find_entry, load_catalogue, load_registry, remove_entry
from bakeoff.catalog.spec_file import Entry, SeedClaim, parse_specs, write_specs
from bakeoff.core.errors import InvalidFile, UnknownModel, UsageError

COMMENTED = """\
# mine
[models."org/one"]
reference = "first"

# about the second
[models.two]
  reference = "second"  # indented
[models.two.facts]
head_dim = 3
"""


def test_the_catalogue_has_the_seeds_six_and_what_the_seed_got_wrong() -> None:
    catalogue = load_catalogue()
    assert len(catalogue) >= 18
    six = {name: entry.seed for name, entry in catalogue.items() if entry.seed}
    assert len(six) == 6
    assert all(
        entry.sources and entry.licence and entry.reference == f"hf:{entry.name}" for entry in catalogue.values()
    )
    dialogpt, flan, opt = (
        six[name] for name in ("microsoft/DialoGPT-medium", "google/flan-t5-large", "facebook/opt-2.7b")
    )
    assert dialogpt is not None
    assert flan is not None
    assert opt is not None
    assert any("354,823,168" in wrong for wrong in dialogpt.wrong)
    assert any("Seq2Seq" in wrong for wrong in flan.wrong)
    assert any("non-commercial" in wrong for wrong in opt.wrong)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1_100_048_384),
        ("bigscience/bloom-560m", 559_214_592),
        ("facebook/opt-2.7b", 2_651_596_800),
        ("microsoft/DialoGPT-medium", 354_823_168),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("Qwen/Qwen3-8B", 8_190_735_360),
        ("openai/gpt-oss-20b", 20_914_757_184),
    ],
)
def test_parameters_are_those_counted(name: str, parameters: int) -> None:
    assert find_entry(name).facts["param_count"] == parameters


def test_the_sizes_in_the_catalogue_agree_with_each_other() -> None:
    for entry in load_catalogue().values():
        facts = entry.facts
        assert facts["weights_bytes_16bit"] == 2 * int(str(facts["param_count"]))
        kv = 2 * int(str(facts["num_key_value_heads"])) * int(str(facts["head_dim"])) * 2
        assert facts["kv_bytes_per_token_per_layer_16bit"] == kv


@pytest.mark.parametrize(
    "name", ["facebook/opt-2.7b", "FACEBOOK/OPT-2.7B", "opt-2.7b", "hf:facebook/opt-2.7b", " opt-2.7b "]
)
def test_a_model_is_found_by_its_name_reference_or_short_name(name: str) -> None:
    assert find_entry(name).name == "facebook/opt-2.7b"


def test_a_name_that_nothing_has_is_told_with_near_ones() -> None:
    with pytest.raises(UnknownModel) as told:
        find_entry("Qwen3-8")
    assert "Qwen/Qwen3-8B" in told.value.hint
    for hopeless in ("", "   ", "xyzzy-9000"):
        with pytest.raises(UnknownModel) as told:
            find_entry(hopeless)
        assert "bakeoff models list" in told.value.hint


def test_a_name_that_two_have_is_told_with_both(tmp_path: Path) -> None:
    add_entries(tmp_path, [Entry(name="me/opt-2.7b", reference="here")])
    with pytest.raises(UnknownModel, match="several") as told:
        find_entry("opt-2.7b", tmp_path)
    assert "me/opt-2.7b" in told.value.hint
    assert "facebook/opt-2.7b" in told.value.hint


def test_the_users_own_entry_goes_first(tmp_path: Path) -> None:
    add_entries(tmp_path, [Entry(name="facebook/opt-2.7b", reference="my/folder")])
    assert find_entry("facebook/opt-2.7b", tmp_path).reference == "my/folder"
    assert find_entry("facebook/opt-2.7b").reference == "hf:facebook/opt-2.7b"


def test_comments_in_the_users_file_outlive_what_is_added_and_removed(tmp_path: Path) -> None:
    file = tmp_path / REGISTRY_FILE
    file.write_text(COMMENTED)
    add_entries(tmp_path, [Entry(name="three", reference="third")])
    assert list(load_registry(tmp_path)) == ["org/one", "two", "three"]
    remove_entry(tmp_path, "two")
    assert list(load_registry(tmp_path)) == ["org/one", "three"]
    assert file.read_text().startswith('# mine\n[models."org/one"]\nreference = "first"\n\n# about the second\n')
    add_entries(tmp_path, [Entry(name="org/one", reference="other")], replace=True)
    assert load_registry(tmp_path)["org/one"].reference == "other"
    assert [path.name for path in tmp_path.iterdir()] == [REGISTRY_FILE]


@pytest.mark.parametrize(
    "text",
    [
        'models = {one = {reference = "1"}, two = {reference = "2", facts = {head_dim = 3}}}\n',
        '[models]\none = {reference = "1"}\ntwo = {reference = "2"}\n',
        '[models.one]\nreference = "1"\n[models]\ntwo.reference = "2"\n',
        '[models.two]\nreference = "2"\nsources = [\n"[models.one]",\n]\n[models.one]\nreference = """\n[models.two]\n"""\n',
    ],
)
def test_a_model_is_removed_however_its_table_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / REGISTRY_FILE).write_text(text)
    before = load_registry(tmp_path)
    remove_entry(tmp_path, "two")
    assert load_registry(tmp_path) == {"one": before["one"]}


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    add_entries(tmp_path, [Entry(name="one", reference="a")])
    with pytest.raises(UsageError, match="already"):
        add_entries(tmp_path, [Entry(name="one", reference="b")])
    assert load_registry(tmp_path)["one"].reference == "a"


@pytest.mark.parametrize(
    "name", [" ", " x", "x ", "\x1b[31mx", "a\nb", "a,b", "bundled:social", "hf:org/name", "llamacpp+org/name"]
)
def test_a_name_that_could_not_be_used_is_refused_before_it_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        add_entries(tmp_path, [Entry(name="good", reference="a"), Entry(name=name, reference="b")])
    assert not (tmp_path / REGISTRY_FILE).exists()


@pytest.mark.parametrize("name", [" ", "\x1b[31mx"])
def test_an_entry_that_is_wrong_can_be_taken_out(tmp_path: Path, name: str) -> None:
    file = tmp_path / REGISTRY_FILE
    good = '# mine\n[models."org/one"]\nreference = "first"\n'
    wrong = write_specs([Entry(name=name, reference="b", facts={"head_dim": 3})])
    file.write_text(f"{good}{wrong}[models.two]\nreference = 3\n")
    with pytest.raises(InvalidFile):
        remove_entry(tmp_path, "org/three")
    remove_entry(tmp_path, name)
    with pytest.raises(InvalidFile) as told:
        load_registry(tmp_path)
    assert "two: reference" in str(told.value)
    remove_entry(tmp_path, "two")
    assert file.read_text() == good
    assert list(load_registry(tmp_path)) == ["org/one"]


def test_what_is_not_the_users_cannot_be_removed(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="catalogue"):
        remove_entry(tmp_path, "facebook/opt-2.7b")
    with pytest.raises(UnknownModel, match="no model of that name"):
        remove_entry(tmp_path, "one")
    assert not (tmp_path / REGISTRY_FILE).exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[models.a]\nreference = "x\n', "F:2: is not TOML"),
        ("[models.a]\nsources = [\n", "F:3: is not TOML"),
        ('[models."a"]\nreference = 3\n', "F:2: a: reference: is 3"),
        ('[models."a"]\n\nlicense = "mit"\n', "did you mean licence?"),
        ("[models.a]\n[models.a.facts]\n# sizes\nhead_dim = -3\n", "F:4: a: facts.head_dim: is -3"),
        ("[models.a]\nfacts = {head_dim = 1.5}\n", "F:2: a: facts.head_dim: is 1.5"),
        ("[models.a]\n[models.a.facts]\nmade = 1979-05-27\n", "F:3: a: facts.made"),
        ("[models.a]\n[models.a.facts]\nrope.factor = 2\n", "a: facts.rope"),
        ("[models.a]\nsources = 'x'\n", "F:2: a: sources"),
        ("[models.a]\n[models.a.seed]\nparams_b = -1\n", "F:3: a: seed.params_b"),
        ("[models.a]\ncommercial_use = 'no'\n", "true or false"),
        ("a = 1\n", "F:1: a: is not a known key"),
        ("models = 3\n", "F:1: models: is not a table"),
        ("[models]\na = 3\n", "F:2: a: is not a table"),
        ('[models."a\\nb"]\n', "is no name"),
        ('[models.""]\n', "is no name"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InvalidFile) as error:
        parse_specs(text, "F")
    assert told in error.value.message


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(InvalidFile) as error:
        parse_specs('[models.a]\nreference = 3\n[models.a.facts]\nhead_dim = 0\n[models.b]\nsize = "big"\n', "F")
    assert [problem.line for problem in error.value.problems] == [4, 2, 6]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / REGISTRY_FILE
    file.write_bytes(b"# \xff\n")
    with pytest.raises(InvalidFile, match="UTF-8"):
        load_registry(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(InvalidFile, match="cannot be read"):
        load_registry(tmp_path)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
names = st.text(min_size=1, max_size=30).filter(lambda name: name.isprintable() and bool(name.strip()))
facts = st.one_of(texts, st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
entries = st.builds(
    Entry,
    name=names,
    reference=st.none() | texts,
    licence=st.none() | texts,
    note=st.none() | texts,
    commercial_use=st.none() | st.booleans(),
    sources=st.lists(texts, max_size=3).map(tuple),
    facts=st.dictionaries(
        texts.map("my ".__add__), st.one_of(facts, st.lists(texts, max_size=3).map(tuple)), max_size=4
    ),
    seed=st.none() | st.builds(SeedClaim, params_b=st.none() | st.floats(0.1, 100), wrong=st.just(())),
)


@given(st.lists(entries, max_size=3, unique_by=lambda entry: entry.name))
def test_what_is_written_is_what_is_read(written: list[Entry]) -> None:
    text = write_specs(written)
    tomllib.loads(text)
    assert list(parse_specs(text, "F").values()) == written
