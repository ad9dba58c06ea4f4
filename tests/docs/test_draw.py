"""The schematics and the generated parts of the pages are up to date, and every name has its page and its picture."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from coral_plugin.registry import AUGMENTATIONS, OBJECTIVES, OURS

DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = 60_000


def ours(registry):
    return {entry.name for entry in registry.entries() if entry.distribution == OURS}


@pytest.fixture
def modules(monkeypatch):
    """The modules of ``docs/draw``, whose names are taken by nobody else before or after a test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(DOCS / "draw"))
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(DOCS / "draw")):
            del sys.modules[name]


def test_what_is_generated_is_up_to_date():
    done = subprocess.run(
        [sys.executable, DOCS / "draw", "--check"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_method_has_a_page_with_all_its_parts():
    pages = {page.stem: page.read_text() for page in (DOCS / "methods").glob("*.md") if page.stem != "index"}
    assert set(pages) == ours(OBJECTIVES) == {path.stem for path in (DOCS / "pictures" / "methods").glob("*.svg")}
    for name, page in pages.items():
        assert set(re.findall(rf"<!-- generated: (\w+) {name} -->", page)) == {
            "at_a_glance", "presets", "settings", "results",
        }  # fmt: skip
        assert f"](../pictures/methods/{name}.svg)" in page
        assert f"coral train --objective {name} " in page


def test_every_augmentation_has_a_small_picture():
    pictures = {path.stem: path for path in (DOCS / "pictures" / "augmentations").glob("*.png")}
    assert set(pictures) == ours(AUGMENTATIONS)
    assert not {name for name, path in pictures.items() if not 1000 < path.stat().st_size < MOST_BYTES}


@pytest.mark.usefixtures("modules")
def test_only_generated_parts_of_a_page_are_filled():
    from blocks import filled

    page = "text\n<!-- generated: settings cmc -->\nstale\n<!-- end -->\nspecification 2.7\n"
    new = filled(page, "../")
    assert new.startswith("text\n<!-- generated: settings cmc -->\n\n| setting | default | meaning |\n")
    assert "| `temperature` | `0.1` | Divisor of the similarities. |" in new
    assert new.endswith("<!-- end -->\nspecification 2.7\n")
    assert filled(new, "../") == new


@pytest.mark.usefixtures("modules")
def test_what_a_step_reads_is_observed():
    from registered import at_a_glance

    assert "**A step reads:** the sample, and two augmented views\n" in at_a_glance("slip")
    assert "**A step reads:** two augmented views, and labels\n" in at_a_glance("supervised")
    assert "`shared` (D), `unique/a` (D/2), `unique/b` (D/2)" in at_a_glance("coral")


@pytest.mark.usefixtures("modules")
def test_scores_are_those_of_the_records(tmp_path, monkeypatch):
    import measured

    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    monkeypatch.setattr(measured, "RECORDS", {("one", "x"): "data"})
    (tmp_path / "one").mkdir()
    score = {"column": "x", "score": "label", "metric": "balanced_accuracy", "chance": 0.5, "mean": 0.75, "n": 2}
    rows = [
        {"name": name, "objective": name, "kind": kind, "chosen": {}, "scores": [score | {"mean": mean, "std": std}]}
        for name, kind, mean, std in (("comm", "method", 0.75, 0.01), ("concat_raw", "raw features", 0.5, None))
    ]
    record = tmp_path / "one" / "table.json"
    record.write_text(measured.json.dumps({"rows": rows}))
    row = "| [data](../../results/one) | – | 75.0\u00a0±\u00a01.0 | 50.0 | – | 50.0 | 2 |"  # noqa: RUF001
    assert row in measured.results("comm")
    assert measured.results("clip") == "There is no record yet."
    rows[0]["scores"][0]["metric"] = "auroc"
    record.write_text(measured.json.dumps({"rows": rows}))
    with pytest.raises(ValueError, match="auroc is no balanced accuracy"):
        measured.results("comm")


@pytest.mark.usefixtures("modules")
def test_a_picture_shows_what_the_augmentation_does():
    import numpy as np
    from augmentations import draw

    before, after = (axes.images[0].get_array() for axes in draw("flip").axes)
    assert np.array_equal(before[:, ::-1], after)
    assert not np.array_equal(before, after)
    panels = draw("drop").axes
    assert len(panels) == 8
    assert [(panel.lines[1].get_ydata() == 0).any() for panel in panels[:4]] == [False, True, True, True]
