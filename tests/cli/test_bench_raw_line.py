"""``coral bench`` on data whose labels stand in one raw feature: no method is in bold, and every format says so."""

import csv
import json
import re

import numpy as np
import pytest

FLAGS = [
    "--epochs", "1", "--batch-size", "64", "--device", "cpu", "--set", "network.width=4", "--set", "network.heads=2",
    "--set", "network.head_hidden=8", "--set", "network.head_output=8", "--quiet", "--workers", "2", "--seeds", "41,42",
]  # fmt: skip
LINE = "No method reaches the raw features (100.0) on mine, label: none is in bold."


@pytest.fixture
def hidden(tmp_path):
    """Noise in two modalities, and the label of two in one feature of forty."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 160), ("valid", 60), ("test", 80)):
        arrays[f"{split}/labels"] = np.arange(count) % 2
        for name in ("first", "second"):
            arrays[f"{split}/{name}"] = rng.normal(size=(count, 40)).astype(np.float32)
        arrays[f"{split}/first"][:, 7] = 2.0 * arrays[f"{split}/labels"] - 1 + 0.01 * rng.normal(size=count)
    np.savez(tmp_path / "hidden.npz", **arrays)
    return tmp_path / "hidden.npz"


@pytest.mark.slow
def test_where_raw_features_win_no_method_is_in_bold(coral, hidden, tmp_path):
    out_folder = tmp_path / "out"
    status, out, err = coral(
        "bench", "--objectives", "coral,clip,supervised,concat_raw", "--datasets", "mine=arrays",
        "--data", f"mine={hidden}", "--output", out_folder, *FLAGS,
    )  # fmt: skip
    assert status == 0, err
    texts = {name: (out_folder / name).read_text() for name in ("table.md", "table.tex", "report.html")}
    rows = list(csv.DictReader((out_folder / "table.csv").read_text().splitlines()))
    by_kind = {row["kind"]: float(row["mean"]) for row in rows if row["kind"] != "method"}
    assert by_kind["raw features"] == 1.0
    assert max(float(row["mean"]) for row in rows if row["kind"] == "method") < 1.0
    terminal = LINE.replace("in bold", "marked")  # which has no bold
    for text, line in ((out, terminal), *((text, LINE) for text in texts.values())):
        assert line in text
        assert not re.search(r"\*\*\d|\\textbf|\\underline|<strong|<u>|\*\d", text)
    assert {row["rank"] for row in rows} == {""}
    stored = json.loads((out_folder / "table.json").read_text())
    assert {score["rank"] for row in stored["rows"] for score in row["scores"]} == {None}
    assert "concat_raw (raw features)" in texts["table.md"]
