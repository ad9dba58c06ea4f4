"""Types and sizes of settings, whatever a file or a caller gives."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest

from coral_plugin.errors import InputError
from coral_plugin.runs.checks import check_fields, is_path, is_text
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
        ({"stages": 0.1}, "tuple"),
        ({"stages": [0.1, None]}, "tuple"),
        ({"stages": "ab"}, "tuple"),
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
