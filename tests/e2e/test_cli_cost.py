"""`bakeoff cost` as a user runs it: on a run's own texts, on a few numbers, and with what cannot be meant."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bakeoff_command import write_suite
from contracts import check_cost_document, one_document
from inside import InsideWorkspace

UNPRICED = "US"
"""A country whose price of a kilowatt-hour is not in the table."""
NUMBERS = ["--watts", "35", "--latency-ms", "1588", "--tariff", "0.15", "--cloud-per-request", "0.00015"]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


def test_a_few_numbers(workspace: InsideWorkspace) -> None:
    document = one_document(workspace.call("cost", *NUMBERS, "--json").stdout)
    check_cost_document(document)
    assert document["local"]["energy_j"] == pytest.approx(55.58)
    assert document["local"]["total"] == pytest.approx(2.315833e-6, rel=1e-6)
    assert (document["local"]["idle_cost"], document["local"]["hardware_cost"]) == (None, None)
    assert document["local"]["electricity_cost"] * 3.6e6 / 0.15 == pytest.approx(55.58)
    assert document["saving_percent"] == pytest.approx(98.4561, abs=1e-4)
    assert document["annual_saving"]["estimate"] is None  # nobody said how many
    for assumption in document["assumptions"]:
        assert assumption["provenance"] in {"measured", "reported", "derived", "assumed"}
    bought = one_document(workspace.call("cost", *NUMBERS, "--hardware-price", "2000", "--years", "4", "--json").stdout)
    assert bought["break_even_per_day"] == pytest.approx(9275.6, abs=0.1)
    shown = workspace.call(
        "cost", *NUMBERS, "--hardware-price", "2000", "--years", "4", "--requests-per-day", "1000"
    ).stdout
    assert "Here: electricity, and the machine." in shown
    alone = " ".join(workspace.call("cost", *NUMBERS).stdout.split())
    assert "Here: electricity alone, without the machine" in alone
    assert "1,000 pieces here" in alone
    assert "$0.00232" in alone  # of a thousand: 2.3158e-6 dollars each
    assert "the first" not in alone
    assert document["break_even_per_day"] is None  # of a machine whose price nobody stated
    kept = one_document(workspace.call("cost", *NUMBERS, "--maintenance", "36.5", "--json").stdout)
    assert kept["break_even_per_day"] == pytest.approx(0.1 / (0.00015 - 2.315833e-6), rel=1e-4)
    assert "677 a day" in " ".join(workspace.call("cost", *NUMBERS, "--maintenance", "36.5").stdout.split())
    unspread = " ".join(workspace.call("cost", *NUMBERS, "--hardware-price", "2000").stdout.split())
    assert "which no figure here holds until a volume is stated" in unspread
    assert "9,276 a day" in unspread
    assert "costs $446.10 more than the cloud" in shown
    assert "9 x dearer" in shown
    # Plain words and numbers that people write; options and the document keep their names.
    for plain in ("price of the machine", "price in the cloud", "$0.15/kWh", "usable texts a day", "1,000", "9,276"):
        assert plain in shown
    for own in ("hardware_price", "cloud_per_request", "requests_per_day", "cloud_accepted", "pieces/day"):
        assert own not in shown
    far = workspace.call(
        "cost", *NUMBERS[:-1], "15", "--hardware-price", "2000", "--requests-per-day", "1000000"
    ).stdout
    assert not re.search(r"\de[+-]\d", far + shown)
    assert "not stated, and not in it: its idle time (--idle-watts)" in shown
    # What was not stated is never told as if it had been.
    assumed = one_document(
        workspace.call("cost", *NUMBERS, "--hardware-price", "2000", "--requests-per-day", "1000", "--json").stdout
    )
    check_cost_document(assumed)
    told = {each["name"]: each for each in assumed["assumptions"]}
    assert (told["years"]["provenance"], told["years"]["low"], told["years"]["high"]) == ("assumed", 3, 6)
    assert (told["attribution"]["provenance"], told["hardware_price"]["provenance"]) == ("assumed", "reported")
    assert assumed["annual_saving"]["low"] < assumed["annual_saving"]["estimate"] < assumed["annual_saving"]["high"]
    never = one_document(workspace.call("cost", *NUMBERS[:-1], "0.000001", "--json").stdout)
    assert never["break_even_per_day"] == "never"


def test_a_usable_share_that_nobody_stated_is_marked(workspace: InsideWorkspace) -> None:
    document = one_document(workspace.call("cost", *NUMBERS, "--json").stdout)
    check_cost_document(document)
    told = {each["name"]: each for each in document["assumptions"]}["accepted"]
    assert (told["value"], told["provenance"]) == (1.0, "assumed")
    shown = " ".join(workspace.call("cost", *NUMBERS).stdout.split())
    assert "100% ASSUMED" in shown
    assert "every text is usable; give --accepted" in shown
    stated = " ".join(workspace.call("cost", *NUMBERS, "--accepted", "0.9996").stdout.split())
    assert ">99.9%" not in stated
    assert ">99% " in stated  # not 100%
    assert "ASSUMED" not in stated.split("What that rests on")[0]


def test_hardly_any_saving_and_nearly_all_are_told_as_that(workspace: InsideWorkspace) -> None:
    dear = " ".join(workspace.call("cost", *NUMBERS[:-1], "50").stdout.split())
    assert ">99.9 % cheaper" in dear
    even = " ".join(workspace.call("cost", *NUMBERS[:-1], "0.000002316").stdout.split())
    assert "<0.1 % cheaper" in even


def test_a_run(workspace: InsideWorkspace) -> None:
    write_suite(workspace.folder / "s.yaml", 10)
    ran = one_document(
        workspace.call(
            "run", "s.yaml", "--models", "bundled:social,bundled:baseline", "--fixed-n", "10", "--json"
        ).stdout
    )
    for candidate in ran["candidates"]:
        energy = candidate["energy_j_per_generation"]
        assert energy["provenance"] == "assumed"
        assert energy["low"] <= 0.5 * energy["value"]
        assert "ASSUMED" in energy["reason"]
        assert candidate["cost_per_generation"]["provenance"] == "assumed"
    document = one_document(workspace.call("cost", "latest", "--against", "gpt-3.5-turbo", "--json").stdout)
    check_cost_document(document)
    assert (document["cloud"]["input_per_million"], document["cloud"]["output_per_million"]) == (0.5, 1.5)
    assert document["cloud"]["catalogue"].startswith("genai-prices ")
    assert document["local"]["energy_provenance"] == "assumed"
    by_name = {found["candidate"]: found for found in document["candidates"]}
    assert set(by_name) == {"bundled:social", "bundled:baseline"}
    for name, found in by_name.items():
        candidate = next(each for each in ran["candidates"] if each["id"] == name)
        # A piece is a usable text: the energy of one text over the share that is usable.
        expected = candidate["energy_j_per_generation"]["value"] / found["accepted"]
        assert found["local"]["energy_j"] == pytest.approx(expected, rel=1e-6)
        assert set(found["by_content_type"]) == {"tweet", "business_email"}
        assert found["saving"]["low"] < found["saving"]["estimate"] < found["saving"]["high"]
    shown = workspace.call("cost", "latest").stdout
    assert "ASSUMED" in shown
    assert "since none was named" in shown
    assert "tokens in the cloud: the cloud's tokens for a text over the model's own" in " ".join(shown.split())
    assert "token_ratio" not in shown
    assert re.search(r"bundled:social +\d+% of 10 ", shown)
    assert "usable of 10 texts" in shown
    workspace.environment["COLUMNS"] = "80"
    assert max(len(line) for line in workspace.call("cost", "latest").stdout.splitlines()) <= 80


def test_a_model_none_of_whose_texts_is_usable(workspace: InsideWorkspace) -> None:
    """What a usable text of it costs is not known, and no number stands for that."""
    (workspace.folder / "s.yaml").write_text(
        "version: 1\nname: cut\nsampling: {max_tokens: 3}\nbriefs:\n"
        + "".join(
            f"  - {{id: b{n}, content_type: tweet, prompt: Write a tweet, must_include: [Opening day {n}]}}\n"
            for n in range(2)
        )
    )
    assert workspace.call("run", "s.yaml", "--models", "bundled:social", "--fixed-n", "2").returncode in {0, 3}
    refused = workspace.call("cost", "latest")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "none of its 2 texts was usable" in refused.stderr
    assert "--accepted 0.5" in refused.stderr
    document = one_document(workspace.call("cost", "latest", "--accepted", "0.5", "--json").stdout)
    check_cost_document(document)
    told = {each["name"]: each for each in document["assumptions"]}
    assert (told["accepted"]["value"], told["accepted"]["provenance"]) == (0.5, "reported")
    assert told["token_ratio"]["provenance"] == "assumed"
    flat = one_document(
        workspace.call("cost", "latest", "--accepted", "0.5", "--cloud-per-request", "0.001", "--json").stdout
    )
    check_cost_document(flat)
    assert (flat["cloud"]["cost"], flat["cloud"]["catalogue"], flat["cloud"]["date"]) == (0.001, "stated", None)


def test_prices_of_ones_own_and_countries(workspace: InsideWorkspace) -> None:
    write_suite(workspace.folder / "s.yaml", 2)
    workspace.call("run", "s.yaml", "--models", "bundled:social", "--fixed-n", "2")
    (workspace.folder / "p.toml").write_text('["my-model"]\ninput = 1.0\noutput = 2.0\ndate = "2026-11-01"\n')
    document = one_document(
        workspace.call(
            "cost",
            "latest",
            "--prices",
            "p.toml",
            "--against",
            "my-model",
            "--country",
            "de",
            "--rate",
            "1.1",
            "--json",
        ).stdout
    )
    assert (document["cloud"]["input_per_million"], document["cloud"]["date"]) == (1.0, "2026-11-01")
    (tariff,) = (each for each in document["assumptions"] if each["name"] == "tariff")
    assert tariff["value"] == pytest.approx(0.3943 * 1.1)
    assert document["co2_g"] == pytest.approx(document["local"]["energy_j"] / 3.6e6 * 381.0)


def test_texts_that_existed_have_no_cost_here(workspace: InsideWorkspace) -> None:
    write_suite(workspace.folder / "s.yaml", 2)
    lines = [
        {"brief_id": brief, "text": "Our shop opens on 14 March, number 0."}
        for brief in ("tweet-0", "business_email-1")
    ]
    (workspace.folder / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    workspace.call("run", "s.yaml", "--models", "recorded:old.jsonl", "--fixed-n", "2")
    shown = workspace.call("cost", "latest")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "its texts existed before" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a RUN, or give --watts and --latency-ms"),
        (["--watts", "35", "--latency-ms", "1588"], "give --cloud-per-request"),
        ([*NUMBERS, "--watts", "-1"], "-1"),
        ([*NUMBERS, "--watts", "nan"], "nan"),
        ([*NUMBERS, "--years", "0"], "0"),
        ([*NUMBERS, "--years", "3", "--attribution", "0.5"], "--years and --attribution would change nothing"),
        ([*NUMBERS, "--rate", "1"], "--rate would change nothing without --country"),
        ([*NUMBERS, "--country", "de", "--rate", "1.1"], "--rate would change nothing beside --tariff"),
        ([*NUMBERS[:4], *NUMBERS[6:], "--country", UNPRICED, "--rate", "1"], f"no price of {UNPRICED} is known"),
        ([*NUMBERS, "--residual", "5"], "--residual is more than"),
        ([*NUMBERS, "--country", "xx"], "countries: "),
        ([*NUMBERS[:4], *NUMBERS[6:], "--country", "fr"], "--rate 1.1"),
        ([*NUMBERS, "--prices", "nowhere.toml"], "nowhere.toml: cannot be read"),
        ([*NUMBERS, "--prices", "bad.toml"], "bad.toml: m.input: is -1"),
        ([*NUMBERS, "--price-in", "1"], "both --price-in and --price-out"),
        (["no-such-run"], "there is no run 'no-such-run'"),
        (["latest", "--latency-ms", "3"], "leave out --latency-ms"),
        (["latest", "--against", "gpt-4o-minni"], "did you mean gpt-4o-mini"),
    ],
)
def test_what_cannot_be_meant(workspace: InsideWorkspace, arguments: list[str], said: str) -> None:
    (workspace.folder / "bad.toml").write_text("[m]\ninput = -1\noutput = 2\n")
    if "gpt-4o-minni" in arguments:
        write_suite(workspace.folder / "s.yaml", 1)
        workspace.call("run", "s.yaml", "--models", "bundled:social", "--fixed-n", "1")
    shown = workspace.call("cost", *arguments)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert said in shown.stderr
    assert "Traceback" not in shown.stderr
