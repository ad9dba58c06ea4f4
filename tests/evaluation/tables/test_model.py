"""Cells and formats of a table, to the letter."""
# ruff: noqa: RUF001 - the dash of an empty cell is meant

import pytest

from coral_plugin.evaluation.tables.model import Table, cell


@pytest.mark.parametrize(
    ("values", "how", "expected"),
    [
        ([], {}, "–"),
        ([None], {}, "–"),
        ([0.679], {}, "67.9"),
        ([0.672, 0.686], {}, "67.9 ± 1.0"),
        ([0.672, None, 0.686], {}, "67.9 ± 1.0"),
        ([1.0, 1.0], {}, "100.0 ± 0.0"),
        ([0.0], {"percent": False}, "0.0"),
        ([0.012345], {"percent": False}, "0.0123"),
        ([-0.5], {"percent": False}, "-0.500"),
        ([1234.5, 1236.5], {"percent": False}, "1236 ± 1"),
        ([1e-12], {"percent": False}, "0.000000"),
        ([0.5, 0.7], {"percent": False, "decimals": 3}, "0.600 ± 0.141"),
        ([float("nan"), 0.5], {}, "not finite"),
        ([float("inf")], {"percent": False}, "not finite"),
    ],
)
def test_cell(values, how, expected):
    assert cell(values, **how) == expected


def test_markdown():
    table = Table(("name", "score, %"), (("a|b\nc", "1.0"),), "A title", "A caption.")
    assert table.markdown() == (
        "**A title**\n\n| name | score, % |\n| :--- | ---: |\n| a\\|b c | 1.0 |\n\nA caption.\n"
    )


def test_text_is_aligned_and_puts_long_heads_on_two_lines():
    table = Table(("part", "label: MSE ↓", "b: F1"), (("shared", "1.5", "–"), ("all", "10.25", "3")), "T", "C.")
    assert table.text() == (
        "T\n\n        label   b\npart    MSE ↓  F1\n------  -----  --\nshared    1.5   –\nall     10.25   3\n\nC.\n"
    )
