"""MIMIC: MultiBench's split, tasks and values, with statistics of the training split unless asked otherwise."""

import numpy as np
import pytest
import torch

from coral_plugin.adapters.mimic import Mimic, MimicSettings, split_mimic
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS
from coral_plugin.runs.settings import make_settings

from . import formats


@pytest.fixture
def path(tmp_path):
    return str(formats.save(tmp_path / "im.pk", formats.mimic(), protocol=2))


def whole(split):
    return split.batch(torch.arange(len(split)))


def test_it_is_registered_with_its_recipe():
    assert DATASETS.get("mimic") is Mimic
    settings = make_settings("coral", "mimic")
    assert settings.network.width == 512
    assert settings.network.encoders == {"static": "mlp(hidden=10, output=10)", "series": "gru"}
    assert settings.augmentations == {"static": "noise", "series": "drop+noise"}


def test_values_and_split(path):
    data, made = Mimic.load(path), formats.mimic()
    assert {label: len(split) for label, split in data.splits().items()} == {"train": 48, "valid": 6, "test": 6}
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("static", "tabular", (5,)), ("series", "timeseries", (24, 12))
    ]  # fmt: skip
    assert data.notes == (
        "1 values of static are not finite and become 0",
        "2 values of series are not finite and become 0",
    )
    rows = split_mimic(60)
    assert sorted(np.concatenate(list(rows.values()))) == list(range(60))
    for label, split in data.splits().items():
        series = made["ep_tdata"][rows[label]]
        series[~np.isfinite(series)] = 0
        np.testing.assert_array_equal(whole(split)["series"].numpy(), series.astype(np.float32))
        np.testing.assert_array_equal(split.targets["icd9_7"].numpy(), made["y_icd9"][rows[label], 7])


@pytest.mark.parametrize("statistics", ["train", "all"])
def test_statistics(path, statistics):
    data, made = Mimic.load(path, MimicSettings(statistics=statistics)), formats.mimic()
    static = np.where(np.isfinite(made["adm_features_all"]), made["adm_features_all"], 0)
    chosen = static if statistics == "all" else static[split_mimic(60)["train"]]
    assert np.allclose(data.modalities[0].mean, chosen.mean(0), atol=1e-5)
    assert np.allclose(data.modalities[0].std, chosen.std(0), atol=1e-5)
    assert any("test included" in note for note in data.notes) == (statistics == "all")


def test_every_task(path):
    data = Mimic.load(path, MimicSettings(tasks=(-1, *range(20))))
    assert [task.name for task in data.tasks] == ["mortality", *(f"icd9_{group}" for group in range(20))]
    deaths = formats.mimic()["adm_labels_all"][split_mimic(60)["test"]]
    # the column that is set; the first one (0) stands for none of the others
    assert data.test.targets["mortality"].tolist() == deaths.argmax(1).tolist()


@pytest.mark.parametrize("settings", [{"tasks": ()}, {"tasks": (7, 7)}, {"tasks": (20,)}, {"statistics": "test"}])
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        check_choices(MimicSettings(**settings))


def test_mortality_that_is_not_known_is_no_class(tmp_path):
    made = formats.mimic()
    made["adm_labels_all"] = made["adm_labels_all"].astype(float)
    made["adm_labels_all"][:7, 2] = np.nan
    with pytest.raises(InputError, match=r"adm_labels_all lacks the mortality of 7 samples \(NaN\)"):
        Mimic.load(str(formats.save(tmp_path / "im.pk", made)), MimicSettings(tasks=(-1,)))


def test_a_task_of_one_class(tmp_path):
    made = formats.mimic()
    made["y_icd9"][:, 3] = 0
    with pytest.raises(InputError, match="every training sample has one class of icd9_3"):
        Mimic.load(str(formats.save(tmp_path / "im.pk", made)), MimicSettings(tasks=(3,)))


@pytest.mark.multibench
@pytest.mark.parametrize("task", [7, 1, -1])
def test_the_batches_are_multibenchs(path, multibench, task, monkeypatch, capfd):
    """Scaled with statistics of all samples, as there; MultiBench works in double precision."""
    import random

    state = random.getstate()  # its loader seeds Python's generator
    train, valid, test = multibench("datasets.mimic.get_data").get_dataloader(
        task, batch_size=16, num_workers=0, train_shuffle=False, imputed_path=path,
        tabular_robust=False, timeseries_robust=False,
    )  # fmt: skip
    random.setstate(state)
    data = Mimic.load(path, MimicSettings(tasks=(task,), statistics="all"))
    splits = zip(data.splits().values(), (train, valid, test["timeseries"][0]), strict=True)
    for split, loader in splits:
        for ours, theirs in zip(split.batches(16), loader, strict=True):
            for at, modality in enumerate(data.modalities):
                torch.testing.assert_close(
                    modality.standardise(ours[modality.name]), theirs[at].float(), atol=2e-6, rtol=0
                )
            assert torch.equal(ours.targets[data.tasks[0].name], theirs[2].long())


def test_a_feature_far_from_zero_keeps_its_digits(tmp_path):
    content = formats.mimic(holes=False)
    content["adm_features_all"][:, 2] += 1.7e9
    data = Mimic.load(str(formats.save(tmp_path / "im.pk", content, protocol=2)))
    rows = split_mimic(60)
    train = content["adm_features_all"][rows["train"]]
    for label, split in data.splits().items():
        scaled = data.modalities[0].standardise(whole(split)["static"]).numpy()
        expected = (content["adm_features_all"][rows[label]] - train.mean(0)) / train.std(0)
        np.testing.assert_allclose(scaled, expected, atol=1e-4)
