"""Types and sizes of settings, whatever a file or a caller gives; damage in result.json is reported with its place."""

import copy
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest

from coral_plugin.errors import InputError
from coral_plugin.io.paths import is_path, is_text
from coral_plugin.runs.checks import check_fields
from coral_plugin.runs.result import incomplete, misfit
from coral_plugin.runs.settings import build, make_settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    count: int = 1
    rate: float = 0.5
    name: str = "x"
    on: bool = False
    kind: Literal["a", "b"] = "a"
    period: int | None = None
    stages: tuple[float, ...] = ()
    pair: tuple[int, int] = (1, 2)
    parts: tuple[Literal["a", "b", "c"], ...] = ()
    names: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    "values",
    [
        {"count": 3, "rate": 2, "on": True, "kind": "b", "period": None},
        {"period": 4, "stages": [0.1, 1], "names": {"a": "b"}},
        {"stages": (0.5,), "names": {}, "count": -(2**32)},
    ],
)
def test_what_fits(values):
    check_fields(Settings, values, "group")


@pytest.mark.parametrize("text", ["2,8", "(2,8)", "[2, 8]", " (2, 8) ", [2, 8], (2, 8)])
def test_a_tuple_is_written_in_any_bracket_or_none(text):
    assert build(Settings, {"pair": text}, "group").pair == (2, 8)


def test_a_tuple_of_one_and_of_none_and_of_names():
    assert build(Settings, {"stages": 5, "parts": "b"}, "group") == Settings(stages=(5,), parts=("b",))
    assert build(Settings, {"stages": "1e-3, 1", "parts": "()"}, "group") == Settings(stages=(0.001, 1), parts=())
    for text, match in (("2,x", "2 whole numbers, such as 2,8, got"), ("{", "The value of 'group.pair' is not valid")):
        with pytest.raises(InputError, match=match):
            build(Settings, {"pair": text}, "group")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"coun": 1}, "Did you mean 'count'"),
        ({5: 1}, "Unknown group setting 5"),
        ({"count": True}, "group.count must be of type int"),
        ({"count": 2**32 + 1}, "at most 4294967296"),
        ({"count": 1.0}, "of type int"),
        ({"rate": "1"}, "of type float"),
        ({"rate": float("nan")}, "finite"),
        ({"rate": 10**400}, "finite"),
        ({"name": 1}, "of type str"),
        ({"name": "a\0"}, "null"),
        ({"name": "\ud800"}, "UTF-8"),
        ({"on": 1}, "of type bool"),
        ({"kind": []}, "Unknown value of group.kind"),
        ({"period": "1"}, r"int \| None"),
        ({"stages": 0.1}, r"group.stages must be a list of numbers, such as 0\.2,0\.8, got 0\.1"),
        ({"stages": [0.1, None]}, "a list of numbers"),
        ({"stages": "ab"}, "a list of numbers"),
        ({"pair": (1,)}, r"group.pair must be 2 whole numbers, such as 2,8, got \(1,\)"),
        ({"pair": (1, 2.5)}, "2 whole numbers"),
        ({"parts": ("a", "d")}, "group.parts must be a list of names, such as a,b"),
        ({"names": ["a"]}, "dict"),
        ({"names": {1: "a"}}, "dict"),
        ({"names": {"a": 1}}, "dict"),
    ],
)
def test_what_does_not_fit(values, match):
    with pytest.raises(InputError, match=match):
        check_fields(Settings, values, "group")


def test_numbers_of_numpy_become_plain():
    built = build(Settings, {"count": np.int64(3), "rate": np.float32(0.5)}, "group")
    assert (type(built.count), type(built.rate)) == (int, float)
    settings = make_settings("coral", "digits", training__learning_rate=np.logspace(-3, -1, 3)[0])
    assert "learning_rate: 0.001" in settings.to_yaml()


def test_texts_and_paths():
    assert is_text("a\nb")
    assert not is_path("a\nb")
    assert is_path("Größe 1.npz")
    assert not is_text("a\udcff")
    assert not is_text("x" * 20_000)


GOOD = {
    "scores": {"all": {"label": {"metric": "mse", "value": 1, "also": {"r2": 0.5}}}},
    "disentanglement": {},
    "train": {"seconds": 1.0, "samples_per_second": 2.0, "peak_memory_bytes": 3, "parameters": 4},
    "history": [{"epoch": 0}, {"epoch": 1}],
}


def test_a_whole_one():
    assert misfit(GOOD) is None
    assert misfit({**GOOD, "scores": {}}) is None
    assert incomplete(GOOD, ["label"]) is None
    assert incomplete({**GOOD, "scores": {}}, []) is None


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("scores",), [], "lacks 'scores'"),
        (("matched_width",), {"width": 3}, "matched_width lacks"),
        (("matched_width",), {"width": 3, "scores": {"label": {}}}, "matched_width lacks"),
        (("scores", "all"), "x", "scores of part 'all'"),
        (("scores", "all", "label"), {}, "scores of part 'all'"),
        (("scores", "all", "label", "value"), True, "scores of part 'all'"),
        (("scores", "all", "label", "also"), {"r2": None}, "scores of part 'all'"),
        (("train", "seconds"), None, "train.seconds"),
        (("history", 1), {"epoch": "x"}, "history[1]"),
        (("history", 1), {"step": 1}, "other entries"),
    ],
)
def test_a_damaged_one(path, value, says):
    result = copy.deepcopy(GOOD)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert says in misfit(result)
    assert misfit([]) == "it is no object"


def test_scores_that_are_not_there():
    assert "label" in incomplete({**GOOD, "scores": {}}, ["label"])
    assert "matched_width" in incomplete({**GOOD, "matched_width": {"width": 3, "scores": {}}}, ["label"])
    assert "other" in incomplete(GOOD, ["label", "other"])
