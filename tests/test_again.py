"""benchmarks/again.py makes the numbers of a record again."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import again

from coral_plugin.cli.main import main
from coral_plugin.io.files import read_json, write_json


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A checkout with a record of raw features and a short training."""
    root = tmp_path_factory.mktemp("root")
    words = ("--epochs", "1", "--batch-size", "256", "--set", "network.width=8", "--no-embeddings", "--quiet")
    command = ["bench", "--objectives", "clip,concat_raw", "--datasets", "digits", "--seeds", "41,42", *words]
    folders = ["--output", str(root / "runs"), "--record", str(root / "results" / "digits")]
    assert main([*command, *folders, "--workers", "1"]) == 0
    return root


@pytest.fixture(autouse=True)
def in_root(root, monkeypatch):
    monkeypatch.setattr(again, "ROOT", root)


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["again.py", *map(str, words)])
    again.main()


def test_a_number_comes_out_again_to_the_digit(root, tmp_path, monkeypatch, capsys):
    found = {tuple(number.place[1:]): number.value for number in again.numbers(root / "results")}
    assert set(found) == {(row, "digits", "digit", seed) for row in ("clip", "concat_raw") for seed in (41, 42)}
    call(
        monkeypatch,
        "--record",
        root / "results" / "digits",
        "--row",
        "clip",
        "--seed",
        42,
        "--output",
        tmp_path / "out",
    )
    (row,) = read_json(tmp_path / "out" / "again.json")["rows"]
    assert row["again"] == row["recorded"] == found["clip", "digits", "digit", 42]
    assert "+0.00" in capsys.readouterr().out

    changed = read_json(tmp_path / "out" / "again.json")
    changed["rows"][0]["again"] -= 0.25
    write_json(tmp_path / "out" / "again.json", changed)
    call(monkeypatch, "--row", "clip", "--output", tmp_path / "out")  # goes on with seed 41 alone
    rows = read_json(tmp_path / "out" / "again.json")["rows"]
    assert [row["place"][-1] for row in rows] == [42, 41]
    assert "-25.00" in (tmp_path / "out" / "again.md").read_text()


def test_the_draw_is_that_of_its_text(monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(again, "made_again", lambda number: drawn.append(number.place) or number.value)
    for text in ("one", "one", "two", "three", "four"):
        call(monkeypatch, "--draw", text, "--number", 2)
    pairs = [drawn[start : start + 2] for start in range(0, 10, 2)]
    assert pairs[0] == pairs[1]
    assert any(pair != pairs[0] for pair in pairs[2:])
    assert all(len({tuple(place) for place in pair}) == 2 for pair in pairs)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name a number, or --draw one"),
        (("--row", "none"), "no such number"),
        (("--record", "/elsewhere"), "no such number"),
        (("--draw", "one", "--number", "-1"), "no whole number from 1"),
    ],
)
def test_what_cannot_be_made_again(monkeypatch, capsys, words, message):
    with pytest.raises(SystemExit):
        call(monkeypatch, *words)
    assert message in capsys.readouterr().err


def test_scores_of_trifeature_are_those_of_its_own_training():
    assert again._condition({"score": "synergy"}) == "biased"
    assert again._condition({"score": "uniqueness"}) == "unbiased"
    assert again._condition({"score": "label"}) == ""


def test_what_is_no_training_of_its_own_is_left_out(root, tmp_path):
    table = read_json(root / "results" / "digits" / "table.json")
    old, tuned = table["rows"]
    old["trainings"], tuned["finetune"] = {}, {"loss": "cross_entropy"}
    write_json(tmp_path / "results" / "old" / "table.json", table)
    assert list(again.numbers(tmp_path / "results")) == []
