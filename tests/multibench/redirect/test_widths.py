"""Features in the widths of a script."""

import numpy as np
import pytest

from coral_plugin.multibench.redirect.widths import PACKS, expected, fit_widths


def content(vision, audio, text, count=20, steps=6, seed=0):
    rng = np.random.default_rng(seed)
    made = {}
    for split in ("train", "test"):
        arrays = {
            name: rng.normal(size=(count, steps, size)).astype(np.float32)
            for name, size in (("vision", vision), ("audio", audio), ("text", text))
        }
        for array in arrays.values():
            array[:, :2] = 0
        made[split] = {**arrays, "labels": np.ones((count, 1, 1)), "id": np.arange(count)}
    return made


def test_fewer_columns_get_zeros_behind():
    was = content(3, 4, 5)
    now, said = fit_widths(was, {"vision": 7, "audio": 4, "text": 5})
    assert np.array_equal(now["test"]["vision"][:, :, :3], was["test"]["vision"])
    assert not now["test"]["vision"][:, :, 3:].any()
    assert said == ["vision 3 -> 7 (zeros behind)"]
    assert now["train"]["audio"] is was["train"]["audio"]
    assert now["train"]["labels"] is was["train"]["labels"]


def test_more_columns_are_projected_on_what_train_varies_along():
    """Ten columns that hold two directions: two are enough to tell all of them."""
    was = content(10, 4, 5)
    rng = np.random.default_rng(1)
    basis = rng.normal(size=(2, 10)).astype(np.float32)
    for part in was.values():
        part["vision"] = part["vision"][:, :, :2] @ basis
    now, said = fit_widths(was, {"vision": 2})
    assert said == ["vision 10 -> 2 (leading directions of train, 100.0 % of its scaled energy)"]
    back, *_ = np.linalg.lstsq(
        now["train"]["vision"].reshape(-1, 2), was["train"]["vision"].reshape(-1, 10), rcond=None
    )
    assert np.allclose(now["test"]["vision"].reshape(-1, 2) @ back, was["test"]["vision"].reshape(-1, 10), atol=1e-4)


def test_the_share_that_is_kept_is_that_of_the_squares():
    was = content(6, 4, 5, count=500)
    flat = was["train"]["vision"].reshape(-1, 6)
    scaled = flat / np.sqrt((flat**2).mean(0))
    values = np.linalg.svd(scaled, compute_uv=False) ** 2
    said = fit_widths(was, {"vision": 3})[1][0]
    assert f"{100 * values[:3].sum() / values.sum():.1f} %" in said


def test_scale_of_a_column_does_not_decide():
    was, louder = content(6, 4, 5), content(6, 4, 5)
    for part in louder.values():
        part["vision"] = part["vision"] * np.array([1000, 1, 1, 1, 1, 1], dtype=np.float32)
    a, b = (fit_widths(each, {"vision": 3})[0]["test"]["vision"] for each in (was, louder))
    assert np.allclose(a, b, atol=1e-3)


def test_padding_stays_padding():
    now, _ = fit_widths(content(10, 4, 5), {"vision": 2, "audio": 9})
    assert not now["train"]["vision"][:, :2].any()
    assert now["train"]["vision"][:, 2:].any(axis=2).all()


def test_the_labels_and_the_test_split_have_no_part():
    was, other = content(10, 4, 5), content(10, 4, 5)
    other["train"]["labels"] = -other["train"]["labels"]
    other["test"]["vision"] = other["test"]["vision"] * 7 + 1
    assert np.array_equal(
        fit_widths(was, {"vision": 2})[0]["train"]["vision"], fit_widths(other, {"vision": 2})[0]["train"]["vision"]
    )


def test_infinite_values_do_not_spread():
    was = content(10, 4, 5)
    was["train"]["vision"][0, 3, 4] = -np.inf
    was["test"]["vision"][0, 3, 4] = np.nan
    now, _ = fit_widths(was, {"vision": 2})
    assert np.isfinite(now["train"]["vision"]).all()
    assert np.isfinite(now["test"]["vision"]).all()


@pytest.mark.parametrize("odd", [None, [1], {"train": 3}, {"train": {"vision": [1, 2]}}, {"a": {}}])
def test_what_is_no_affect_pickle_comes_back(odd):
    assert fit_widths(odd, {"vision": 2}) == (odd, [])


@pytest.mark.parametrize(
    ("source", "widths"),
    [
        ("GRU(35, 70); GRU(74, 200); GRU(300, 600)", PACKS["mosi_raw.pkl"]),
        ("GRU(409, 512)", PACKS["mosi_raw.pkl"]),  # their sum
        ("x = MLP(300, 512, 1)", PACKS["mosi_raw.pkl"]),  # one modality
        ("GRU(100, 70); GRU(73, 200); f(x, 101)", {}),  # edited for other features
        ("'35'; 35.0; True", {}),
        ("not python (", {}),
    ],
)
def test_a_script_is_written_for_a_pack_if_its_numbers_are_in_it(tmp_path, source, widths):
    path = tmp_path / "script.py"
    path.write_text(source)
    assert expected(path, "/home/x/mosi_raw.pkl") == widths
    assert expected(path, "/home/x/my_own.pkl") == {}


@pytest.mark.multibench
def test_the_scripts_of_the_real_one_are_understood(checkout):
    found = {path.stem: path for path in (checkout.root / "examples/affect").glob("affect_*.py")}
    for name, asked in (
        ("late_fusion", "mosi_raw"),
        ("early_fusion", "mosi_raw"),
        ("mult", "mosi_data"),
        ("mfm", "mosi_raw"),
    ):
        if path := found.get(f"affect_{name}"):
            assert expected(path, f"{asked}.pkl") == PACKS[f"{asked}.pkl"]
