"""Title and findings say what the ranks and tests say."""

import dataclasses

import pytest

from coral_plugin.bench.findings import findings, title_of


def test_the_title_names_methods_and_data(comparison_of):
    few = comparison_of({"coral": (0.8, 0.7), "other": (0.7, 0.6), "raw": (0.1, 0.1)}, seeds=(1, 2))
    assert title_of(few) == "COrAL and other on digits"
    many = comparison_of({f"m{i}": (0.8, 0.7) for i in range(5)}, seeds=(1, 2))
    assert title_of(many) == "5 methods on digits"
    named = dataclasses.replace(few, grid=dataclasses.replace(few.grid, title="Table 1"))
    assert title_of(named) == "Table 1"
    assert title_of(comparison_of({"raw": (0.1, 0.1)}, seeds=(1, 2))) == "raw on digits"


BEST = "COrAL is best with {} % balanced accuracy (linear probe)."
CLEAR, CLOSE = (0.8, 0.81, 0.82), (0.8, 0.7, 0.9)


@pytest.mark.parametrize(
    ("values", "sentences"),
    [
        (
            {"coral": CLEAR, "b": (0.5, 0.52, 0.5)},
            [BEST.format("81.0 ± 1.0"), "The corrected test separates it from b (p < 0.05).", "Chance 10.0 %."],
        ),
        (
            {"coral": CLOSE, "b": (0.79, 0.75, 0.8)},
            [
                BEST.format("80.0 ± 10.0"),
                "The corrected test does not separate it from b.",
                "Chance 10.0 %.",
            ],
        ),
        (
            {"coral": CLEAR, "b": (0.5, 0.52, 0.5), "c": (0.79, 0.8, 0.82)},
            [
                BEST.format("81.0 ± 1.0"),
                "The corrected test separates it from b (p < 0.05), not from c.",
                "Chance 10.0 %.",
            ],
        ),
        (
            {"coral": CLEAR, **dict.fromkeys("cdefg", (0.79, 0.8, 0.82)), "b": (0.5, 0.52, 0.5)},
            [
                BEST.format("81.0 ± 1.0"),
                "The corrected test separates it from b (p < 0.05), not from 5 methods.",
                "Chance 10.0 %.",
            ],
        ),
        (
            {"coral": CLEAR, "b": (0.5, 0.52, 0.5), "c": (0.4, 0.42, 0.41)},
            [
                BEST.format("81.0 ± 1.0"),
                "The corrected test separates it from b and c (p < 0.05).",
                "Chance 10.0 %.",
            ],
        ),
        (
            {"coral": CLEAR, "b": tuple(value - 0.3 for value in CLEAR), "c": (0.4, 0.42, 0.41)},
            [
                BEST.format("81.0 ± 1.0"),
                "The corrected test separates it from c (p < 0.05).",
                "1 method has too few seeds in common with it for a test, or the same difference in every seed.",
                "Chance 10.0 %.",
            ],
        ),
        (
            {"coral": CLEAR, "b": (0.9, None, None)},
            [
                BEST.format("81.0 ± 1.0"),
                "1 method has too few seeds in common with it for a test, or the same difference in every seed.",
                "Chance 10.0 %.",
            ],
        ),
        (
            {"coral": CLEAR, "raw": (0.2, 0.2, 0.2), "labelled": (0.9, 0.9, 0.9)},
            [
                "COrAL reaches 81.0 ± 1.0 % balanced accuracy (linear probe).",
                "Raw 20.0 ± 0.0 %, labelled (with labels) 90.0 ± 0.0 %, chance 10.0 %.",
            ],
        ),
        (
            {"coral": (0.1, 0.1, 0.1), "b": (0.15, 0.15, 0.15), "raw": (0.2, 0.2, 0.2)},
            [
                "No method reaches the raw features;",
                "the closest is b with 15.0 ± 0.0 % balanced accuracy (linear probe).",
                "Raw 20.0 ± 0.0 %, chance 10.0 %.",
            ],
        ),
    ],
)
def test_findings_follow_ranks_and_tests(comparison_of, values, sentences):
    assert findings(comparison_of(values, seeds=(1, 2, 3))) == [" ".join(sentences)]


def test_errors_are_better_when_lower_and_one_seed_is_not_tested(comparison_of):
    found = comparison_of({"coral": (0.5,), "b": (0.25,)}, seeds=(1,), metric="mse", failed={"c": "no memory"})
    assert findings(found) == [
        "b is best with MSE 0.250 (linear probe).",
        "One seed: differences were not tested.",
        "1 run has failed and is missing.",
    ]
    alone = comparison_of({"coral": (0.1, 0.1), "raw": (0.2, 0.2)}, seeds=(1, 2))
    assert "balanced accuracy (linear probe), worse than the raw features." in findings(alone)[0]
    below = comparison_of({"coral": (0.5, 0.5), "b": (0.4, 0.4), "raw": (0.1, 0.1)}, seeds=(1, 2), metric="mse")
    assert "the closest is b with MSE 0.400" in findings(below)[0]


def test_the_best_is_not_tested_against_itself(comparison_of):
    """Three means of 0.2 and less, two of them equal but for rounding, in both orders of the rows."""
    values = {"coral": (0.1, 0.2, 0.3), "b": (0.2, 0.2, 0.2), "c": (0.1, 0.1, 0.2)}
    for names in (list(values), ["b", "coral", "c"]):
        (text,) = findings(comparison_of({name: values[name] for name in names}, seeds=(1, 2, 3)))
        best, other = ("COrAL" if name == "coral" else name for name in names[:2])
        assert text.startswith(f"{best} is best")
        assert f"does not separate it from {other} and c." in text


def test_an_incomplete_method_above_the_raw_features_is_not_denied(comparison_of):
    values = {"coral": (0.1, 0.2, 0.3), "b": (0.4, 0.3, None), "raw": (0.25, 0.25, 0.25)}
    (text,) = findings(comparison_of(values, seeds=(1, 2, 3)))
    assert text.startswith("No method with all its seeds reaches the raw features; the closest is COrAL with 20.0")
