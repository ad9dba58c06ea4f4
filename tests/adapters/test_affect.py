"""The affect pickles: padding is lengths, every modality begins with the text, labels follow the chosen rule."""

import numpy as np
import pytest
import torch

from coral_plugin.adapters.affect import AffectSettings, Humor, Mosei, Mosi, Sarcasm
from coral_plugin.cli.train_flags import parse_run
from coral_plugin.data.adapter import check_choices
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS

from . import formats


@pytest.fixture
def content():
    return formats.affect()


@pytest.fixture
def read(tmp_path, content):
    def load(settings=None, dataset=Mosi, changed=None):
        return dataset.load(str(formats.save(tmp_path / "x.pkl", content if changed is None else changed)), settings)

    return load


def valid_values(split, name, row):
    """The steps of one sample that are no padding."""
    batch = split.batch(torch.tensor([row]))
    return batch[name][0][~batch.padding[name][0]].numpy()


def test_all_four_are_registered():
    for name, dataset in {"mosi": Mosi, "mosei": Mosei, "humor": Humor, "sarcasm": Sarcasm}.items():
        assert DATASETS.get(name) is dataset
        assert dataset.Settings is AffectSettings
        assert dataset.recipe["network.width"] == 40


def test_padding_in_front_becomes_lengths(read, content):
    data = read()
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("vision", "sequence", (7, 4)), ("audio", "sequence", (7, 3)), ("text", "sequence", (7, 5))
    ]  # fmt: skip
    assert {label: len(split) for label, split in data.splits().items()} == {"train": 12, "valid": 6, "test": 6}
    for label, split in data.splits().items():
        for row in range(len(split)):
            length = 1 + row % 7
            for name in ("vision", "audio", "text"):
                np.testing.assert_array_equal(valid_values(split, name, row), content[label][name][row, 7 - length :])


def test_alignment_begins_where_the_text_does(read, content):
    content["train"]["vision"][2] = 5  # from step 0 on, while the text of sample 2 begins at step 4
    content["train"]["audio"][2, :6] = 0
    aligned, own = read().train, read(AffectSettings(align=False)).train
    for name in ("vision", "audio", "text"):
        assert len(valid_values(aligned, name, 2)) == 3
    assert [len(valid_values(own, name, 2)) for name in ("vision", "audio", "text")] == [7, 1, 3]
    np.testing.assert_array_equal(valid_values(aligned, "audio", 2), content["train"]["audio"][2, 4:])


def test_zeros_at_the_end_of_all_modalities_are_padding(read, content):
    for name in ("vision", "audio", "text"):
        content["test"][name][4, 5:] = 0
    content["test"]["text"][5, 5:] = 0  # the others go on
    data = read()
    assert len(valid_values(data.test, "text", 4)) == 3
    assert len(valid_values(data.test, "text", 5)) == 6


def test_longer_sequences_are_cut_at_their_end(read, content):
    data = read(AffectSettings(max_length=3))
    assert data.modalities[2].shape == (3, 5)
    np.testing.assert_array_equal(valid_values(data.train, "text", 6), content["train"]["text"][6, :3])


def test_lists_are_the_same_as_arrays(read):
    """The layout of humor and sarcasm: one array a sample, and labels (N, 1)."""
    lists = read(dataset=Humor, changed=formats.affect(layout="lists"))
    arrays = read(dataset=Humor)
    assert lists.fingerprint == arrays.fingerprint
    assert lists.tasks[0].classes == ("serious", "humorous")
    plain = formats.affect()
    for part in plain.values():
        part["labels"] = np.ravel(part["labels"]).tolist()
    assert read(dataset=Humor, changed=plain).fingerprint == arrays.fingerprint


@pytest.mark.parametrize(
    ("rule", "expected", "count"),
    [
        ("positive", [0, 0, 0, 1, 1], 12),
        ("nonnegative", [0, 0, 1, 1, 1], 12),
        ("nonzero", [0, 0, 1, 1, 0], 10),
        ("seven", [1, 2, 3, 3, 6], 12),
        ("score", [-2.0, -0.6, 0.0, 0.4, 3.0], 12),
    ],
)
def test_label_rules(read, rule, expected, count):
    data = read(AffectSettings(labels=rule))
    targets = data.train.targets["label"]
    assert len(targets) == count
    assert torch.allclose(targets[:5].double(), torch.tensor(expected, dtype=torch.float64))
    assert data.tasks[0].kind == ("regression" if rule == "score" else "classification")
    assert len(data.tasks[0].classes) == {"seven": 7, "score": 1}.get(rule, 2)


def test_samples_without_text_are_left_out_and_said(read, content):
    content["train"]["text"][3] = 0
    data = read()
    assert (len(data.train), data.notes) == (11, ("1 samples of train have no text and are left out",))
    np.testing.assert_array_equal(valid_values(data.train, "vision", 3), content["train"]["vision"][4, 2:])


def test_minus_infinity_of_audio_becomes_zero(read, content):
    content["train"]["audio"][6, 3, 1] = -np.inf
    data = read()
    assert data.notes == ("1 values of audio are minus infinity and become 0",)
    assert valid_values(data.train, "audio", 6)[3, 1] == 0


def test_statistics_are_those_of_train_without_padding(read, content):
    data = read()
    steps = np.concatenate([content["train"]["text"][row, 6 - row % 7 :] for row in range(12)]).astype(np.float64)
    assert np.allclose(data.modalities[2].mean, steps.mean(0), atol=1e-6)
    assert np.allclose(data.modalities[2].std, steps.std(0), atol=1e-6)
    assert read(AffectSettings(standardise=False)).modalities[2].mean is None


def test_normalised_over_each_samples_own_time(read, content):
    content["train"]["text"][6, :, 2] = 7.0
    data = read(AffectSettings(normalise=True))
    own = content["train"]["text"][6].astype(np.float64)
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num((own - own.mean(0)) / own.std(0, ddof=1))
    assert np.allclose(valid_values(data.train, "text", 6), expected, atol=1e-5)
    assert (valid_values(data.train, "text", 0) == 0).all()  # a single step has no deviation


@pytest.mark.parametrize("normalise", [False, True])
def test_a_feature_far_from_zero_keeps_its_digits(read, content, normalise):
    for table in content.values():
        table["audio"] = table["audio"].astype(np.float64)
        table["audio"][..., 1] += 1.7e9 * (table["audio"] != 0).any(axis=2)
    data = read(AffectSettings(normalise=normalise))
    audio = data.modalities[1]
    steps = np.concatenate([content["train"]["audio"][row, 6 - row % 7 :] for row in range(12)])
    for row in range(6):
        own = content["test"]["audio"][row, 6 - row :]
        held = torch.from_numpy(valid_values(data.test, "audio", row))
        if not normalise:
            expected = (own - steps.mean(0)) / steps.std(0)
            assert np.allclose(audio.standardise(held).numpy(), expected, atol=1e-4)
        elif len(own) > 1:
            assert np.allclose(held.numpy(), (own - own.mean(0)) / own.std(0, ddof=1), atol=1e-3)
    assert (audio.offset is None) == normalise


def test_two_modalities(read, content):
    for table in content.values():
        del table["audio"]
    assert [m.name for m in read().modalities] == ["vision", "text"]


def test_features_of_another_data_set_are_said(read):
    large = formats.affect(sizes={"vision": 371, "audio": 81, "text": 300})
    assert read(changed=large).notes == ("features (371, 81, 300) are those of humor.pkl or sarcasm.pkl, not of mosi",)
    assert read(changed=large, dataset=Sarcasm).notes == ()


def test_trust_is_a_flag_of_its_own(tmp_path, coral, content):
    import collections

    content["train"]["id"] = collections.Counter()
    path = formats.save(tmp_path / "x.pkl", content)
    status, _, err = coral("train", "--dataset", "mosi", "--data", path, "--output", tmp_path / "run", "--quiet")
    assert (status, err.count("\n")) == (2, 1)
    assert "wants collections.Counter" in err
    settings = parse_run(["--dataset", "mosi", "--data", str(path), "--trust-pickle"])[0]
    assert settings.source == AffectSettings(trust_pickle=True)
    assert len(Mosi.load(str(path), settings.source).train) == 12
    with pytest.raises(InputError, match="Unknown flag '--trust-pickle'"):
        parse_run(["--dataset", "digits", "--trust-pickle"])


@pytest.mark.parametrize("settings", [{"labels": "postive"}, {"max_length": 0}])
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        check_choices(AffectSettings(**settings))


def test_the_real_file(shared_data):
    data = Mosi.load(str(shared_data / "mosi" / "mosi_sequence.pkl"))
    assert [(m.name, m.shape) for m in data.modalities] == [
        ("vision", (8, 100)),
        ("audio", (8, 73)),
        ("text", (8, 100)),
    ]
    assert {name: len(split) for name, split in data.splits().items()} == {"train": 1252, "valid": 195, "test": 752}
    assert [int(split.targets["label"].sum()) for split in data.splits().values()] == [602, 107, 467]
    assert data.notes == ()


@pytest.mark.multibench
@pytest.mark.parametrize("max_pad", [False, True])
def test_the_batches_are_multibenchs(shared_data, multibench, max_pad):
    path = str(shared_data / "mosi" / "mosi_sequence.pkl")
    loaders = multibench("datasets.affect.get_data").get_dataloader(
        path, max_seq_len=8, max_pad=max_pad, train_shuffle=False, num_workers=0, task="classification"
    )
    data = Mosi.load(path)
    for split, loader in zip(data.splits().values(), loaders, strict=True):
        for own, theirs in zip(split.batches(32), loader, strict=True):
            values, target = (theirs[:3], theirs[3]) if max_pad else (theirs[0], theirs[3])
            for at, name in enumerate(("vision", "audio", "text")):
                steps = own[name].shape[1]
                assert torch.equal(own[name], values[at][:, :steps])
                assert not values[at][:, steps:].any()
                if not max_pad:
                    assert torch.equal((~own.padding[name]).sum(1), theirs[1][at])
            assert torch.equal(own.targets["label"], target.view(-1))


@pytest.mark.multibench
@pytest.mark.filterwarnings("ignore:Creating a tensor from a list")
@pytest.mark.parametrize("name", ["mosei", "humor"])
def test_made_files_give_multibenchs_batches(tmp_path, multibench, name):
    """Zeros in front of one modality, a sample without text, minus infinity: what the real file above lacks."""
    content = formats.affect(counts=(20, 8, 8), scores=(0.0, 1.0, 1.0, 0.0))
    content["train"]["text"][5] = 0
    content["train"]["audio"][3, -1, 0] = -np.inf
    content["valid"]["vision"][6, :4] = 0
    path = str(formats.save(tmp_path / "x.pkl", content))
    loaders = multibench("datasets.affect.get_data").get_dataloader(
        path, train_shuffle=False, num_workers=0, task="classification", data_type=name
    )
    data = DATASETS.get(name).load(path)
    for split, loader in zip(data.splits().values(), loaders, strict=True):
        for own, theirs in zip(split.batches(32), loader, strict=True):
            for at, modality in enumerate(("vision", "audio", "text")):
                assert torch.equal(own[modality], theirs[0][at])
            assert torch.equal(own.targets["label"], theirs[3].view(-1))
