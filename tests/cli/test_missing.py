"""``coral evaluate --missing`` and ``coral embed`` of data in which modalities are absent."""

import json

import numpy as np
import pytest

from coral_plugin.evaluation.tables.run import missing_table


def test_the_table_over_all_subsets(coral, run_folder):
    (run_folder / "evaluation-ridge.json").unlink(missing_ok=True)  # of other tests, which this call would say
    status, out, err = coral("evaluate", run_folder, "--probe", "ridge", "--missing", "all")
    assert (status, err) == (0, "")
    written = json.loads((run_folder / "evaluation-ridge.json").read_text())
    entries = {tuple(entry["modalities"]): entry for entry in written["missing"]}
    assert list(entries) == [("table", "wave"), ("table",), ("wave",)]
    whole = entries["table", "wave"]
    assert whole["complete"]["label"]["values"] == written["tasks"]["label"]["values"]
    assert whole["refitted"] == whole["complete"]
    assert {entry["without"] for entry in written["missing"]} == {0}
    for entry in written["missing"]:
        for kind in ("complete", "refitted"):
            assert entry[kind]["label"]["chance"] == pytest.approx(1 / 3)
            assert 0 <= entry[kind]["label"]["mean"] <= 1
    assert missing_table(written).text() in out
    rows = [line.split("  ")[0] for line in missing_table(written).text().splitlines()]
    for name in ("table + wave", "table", "wave", "chance"):
        assert name in rows


def test_named_subsets_only(coral, run_folder):
    status, out, _ = coral("evaluate", run_folder, "--probe", "knn", "--missing", "wave,wave+table")
    assert status == 0
    written = json.loads((run_folder / "evaluation-knn.json").read_text())
    assert [entry["modalities"] for entry in written["missing"]] == [["wave"], ["table", "wave"]]
    assert "coral (paper) on tiny, 20 nearest neighbours, all parts" in out
    assert "nearest neighbours" in (run_folder / "plots" / "missing.svg").read_text()
    assert coral("evaluate", run_folder, "--probe", "knn")[0] == 0
    assert "missing" not in json.loads((run_folder / "evaluation-knn.json").read_text())


@pytest.mark.parametrize("text", ["wve", "wave+wave", "", "wave,,table"])
def test_subsets_refused(coral, run_folder, text):
    status, out, err = coral("evaluate", run_folder, "--probe", "knn", "--missing", text)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--missing" in err


def test_embed_without_a_modality(coral, run_folder, npz, tmp_path):
    arrays = dict(np.load(npz))
    np.savez(tmp_path / "new.npz", table=arrays["test/table"])
    status, out, err = coral("embed", run_folder, "--data", tmp_path / "new.npz", "--output", tmp_path / "z.npz")
    assert status == 0
    assert (
        err == "wave is missing: embedded from the modalities present; parts of a missing modality alone are constant\n"
    )
    written = np.load(tmp_path / "z.npz")
    assert {key: written[key].shape for key in written} == {
        "shared": (30, 16), "unique/table": (30, 8), "unique/wave": (30, 8), "all": (30, 32), "wave/present": (30,),
    }  # fmt: skip
    assert not written["unique/wave"].any()
    assert not written["wave/present"].any()
    assert written["unique/table"].any(axis=1).all()
    assert "wave/present  30" in out


def test_embed_with_flags(coral, run_folder, npz, tmp_path):
    arrays = dict(np.load(npz))
    flags = np.arange(30) % 3 > 0
    arrays["test/table"][~flags] = np.nan
    np.savez(tmp_path / "new.npz", **arrays, **{"test/table/present": flags})
    coral("embed", run_folder, "--data", npz, "--output", tmp_path / "whole.npz")
    status, _, err = coral("embed", run_folder, "--data", tmp_path / "new.npz", "--output", tmp_path / "z.npz")
    assert (status, err.count("\n")) == (0, 1)
    assert err.startswith("test: table is missing in 10 of 30 samples: embedded from the modalities present")
    whole, some = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "z.npz")
    np.testing.assert_array_equal(some["test/table/present"], flags)
    assert "train/table/present" not in some
    np.testing.assert_allclose(some["test/all"][flags], whole["test/all"][flags], atol=1e-5)
    assert not some["test/unique/table"][~flags].any()
    np.testing.assert_allclose(some["test/unique/wave"], whole["test/unique/wave"], atol=1e-5)
    assert not np.allclose(some["test/shared"][~flags], whole["test/shared"][~flags], atol=1e-3)


def test_training_says_what_is_missing_and_goes_through(coral, npz, flags, tmp_path):
    arrays = dict(np.load(npz))
    for split, count in (("train", 60), ("valid", 30), ("test", 30)):
        arrays[f"{split}/wave/present"] = np.arange(count) % 4 > 0
        arrays[f"{split}/wave"][::4] = np.nan
    np.savez(tmp_path / "lacks.npz", **arrays)
    loud = [flag for flag in flags if flag != "--quiet"]
    command = ["train", "--dataset", "arrays", "--data", tmp_path / "lacks.npz", "--output", tmp_path / "run"]
    status, out, err = coral(*command, *loud, "--probe.kind=ridge")
    assert status == 0, err
    assert "of 60 samples of train some lack a modality: wave in 15" in err
    record = json.loads((tmp_path / "run" / "data.json").read_text())
    assert any("wave in 15" in note for note in record["notes"])
    status, out, _ = coral("evaluate", tmp_path / "run", "--probe", "ridge", "--missing", "wave")
    assert status == 0
    assert "wave (8 samples have none)" in out
