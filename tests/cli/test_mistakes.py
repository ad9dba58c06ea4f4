"""Plausible mistakes at the command line: each is answered in one line that says what to type."""

import shutil

import numpy as np
import pytest

BENCH = ("bench", "--objectives", "concat_raw", "--datasets", "digits")
DIGITS = ("train", "--dataset", "digits", "--epochs", "1")

# {what somebody does: (words of the command, what the answer holds)}
MISTAKES = {
    "a typo in a command": (("trian", "--dataset", "digits"), "Did you mean 'train'?"),
    "a data set without its flag": (("train", "digits"), "coral train --dataset digits"),
    "a typo in a flag": ((*DIGITS, "--objectve", "comm"), "Did you mean '--objective'?"),
    "a typo in a setting": ((*DIGITS, "--set", "mask_rato=0.5"), "Did you mean 'mask_ratio'?"),
    "a setting of another group": ((*DIGITS, "--training.width", "64"), "Did you mean 'network.width'?"),
    "a typo in a method": ((*DIGITS, "--objective", "comn"), "Did you mean 'comm'?"),
    "a typo in a data set": (("train", "--dataset", "digit"), "Did you mean 'digits'?"),
    "a typo in a preset": ((*DIGITS, "--preset", "papr"), "Did you mean 'paper'?"),
    "a typo in an encoder": ((*DIGITS, "--encoder", "top=smal_conv"), "Did you mean 'small_conv'?"),
    "a typo in an encoder's option": ((*DIGITS, "--encoder", "top=small_conv(chanels=8)"), "Did you mean 'channels'?"),
    "a typo in an augmentation": ((*DIGITS, "--augmentations", "noize"), "Did you mean 'noise'?"),
    "a typo in its setting": ((*DIGITS, "--augmentations", "noise(sdt=1)"), "Did you mean 'std'?"),
    "a typo in a probe": ((*DIGITS, "--probe", "liner"), "Did you mean 'linear'?"),
    "a value of another type": ((*DIGITS, "--lr", "fast"), "training.learning_rate must be of type float, got 'fast'"),
    "no epochs": (("train", "--dataset", "digits", "--epochs", "0"), "--epochs: '0' is no whole number from 1"),
    "batches of one": ((*DIGITS, "--batch-size", "1"), "training.batch_size must be at least 2"),
    "seeds with blanks": ((*DIGITS, "--seeds", "41", "42"), "--seeds 41,42"),
    "a number format that is none": ((*DIGITS, "--precision", "fp8"), "Known: 16-mixed, 32-true, 64-true, bf16-mixed."),
    "a modality that is none": ((*DIGITS, "--modalities", "top,left"), "it has top, bottom"),
    "a file that is not there": (("train", "--data", "{folder}/tinny.npz"), "Did you mean {folder}/tiny.npz?"),
    "a folder in place of a file": (("train", "--data", "{folder}/empty"), "coral data check {folder}/empty"),
    "a table in place of arrays": (("train", "--data", "{folder}/table.csv"), "numpy.savez('mine.npz'"),
    "NaN in the data": (("train", "--data", "{folder}/nan.npz"), "train/table holds 1 value that is not finite"),
    "labels of another length": (("train", "--data", "{folder}/short.npz"), "train/wave 60, train/labels 59"),
    "a file as the folder of the run": ((*DIGITS, "--output", "{folder}/tiny.npz"), "choose another --output"),
    "a folder that holds a run": (("train", "--data", "{folder}/tiny.npz", "--output", "{run}"), "--resume"),
    "other settings with --resume": (
        ("train", "--data", "{folder}/tiny.npz", "--output", "{run}", "--epochs", "7", "--resume"),
        "training.epochs",
    ),
    "--resume without a folder": ((*DIGITS, "--resume"), "--resume needs --output"),
    "a folder that is no run": (("evaluate", "{folder}/empty"), "Give the folder that coral train wrote."),
    "a run that is not finished": (("evaluate", "{begun}"), "coral train --resume"),
    "a file without its action": (("data", "{folder}/tiny.npz"), "coral data check {folder}/tiny.npz"),
    "a list that is none": (("list", "encoder"), "Did you mean 'encoders'?"),
    "a file as a data set": (("train", "--dataset", "{folder}/tiny.npz"), "Did you mean --data {folder}/tiny.npz?"),
    "a file as a data set, without its ending": (
        ("bench", "--objectives", "coral", "--datasets", "{folder}/tiny"),
        "Did you mean --data {folder}/tiny.npz?",
    ),
    "a bench without data": (("bench", "--objectives", "coral"), "--datasets NAME, or --data FILE.npz"),
    "a typo in a method, and no data": (("bench", "--objectives", "corall"), "Did you mean 'coral'?"),
    "a table in a bench": (
        ("bench", "--objectives", "coral", "--data", "{folder}/table.csv"), "numpy.savez('mine.npz'",
    ),
    "a file of generated pairs": (
        ("bench", "--objectives", "coral", "--datasets", "trifeature", "--data", "trifeature={folder}/tiny.npz"),
        "the pairs of trifeature are generated",
    ),
    "modalities of generated pairs": (
        ("bench", "--objectives", "coral", "--datasets", "trifeature", "--modalities", "trifeature=left+right"),
        "--modalities trifeature=...: the pairs of trifeature are generated",
    ),
    "a typo in the pairs": (
        ("bench", "--objectives", "coral", "--datasets", "trifeature", "--set", "pairing=biasd"),
        "Unknown source.pairing 'biasd'. Did you mean 'biased'?",
    ),
    "a typo in the pairs of a column": (
        ("bench", "--objectives", "coral", "--datasets", "pairs=trifeature", "--set", "pairs:source.pairing=biasd"),
        "Unknown source.pairing 'biasd'. Did you mean 'biased'?",
    ),
    "pairs of one method": (
        ("bench", "--objectives", "coral,clip", "--datasets", "trifeature", "--set", "clip:source.pairing=biased"),
        "--set clip:source.pairing: every method trains on the same pairs",
    ),
    "neighbours of a linear probe": (("evaluate", "{run}", "--neighbours", "3"), "--neighbours goes with --probe knn"),
    "another probe in a fine-tuning": (
        ("finetune", "{run}", "--set", "probe.kind=knn"), "probe.kind cannot be chosen here",
    ),
    "masks for a cross-entropy head": (
        ("finetune", "{run}", "--loss", "cross_entropy", "--mask-ratio", "0.5"),
        "mask_ratio is a setting of COrAL's losses; with the loss cross_entropy leave it out",
    ),
    "a record in the folder of the tables": (
        (*BENCH, "--output", "{folder}/out", "--record", "{folder}/out/r"),
        "has the tables already; leave it out",
    ),
    "a file as a record": (
        (*BENCH, "--output", "{folder}/out", "--record", "{folder}/tiny.npz"),
        "tiny.npz is a file; name a folder",
    ),
    "a record below a file": (
        ("ablate", "--output", "{folder}/out", "--record", "{folder}/tiny.npz/record"),
        "tiny.npz is a file; name a folder",
    ),
    "a flag of another command": (("bench", "--objective", "coral"), "Did you mean '--objectives'?"),
}  # fmt: skip


@pytest.fixture(scope="module")
def places(npz, run_folder, tmp_path_factory):
    """Files and folders that the commands name."""
    folder = tmp_path_factory.mktemp("mistakes")
    with np.load(npz) as file:
        arrays = dict(file)
    shutil.copy(npz, folder / "tiny.npz")
    (folder / "empty").mkdir()
    (folder / "table.csv").write_text("a,b\n1,2\n")
    table = arrays["train/table"].copy()
    table[3, 1] = np.nan
    np.savez(folder / "nan.npz", **{**arrays, "train/table": table})
    np.savez(folder / "short.npz", **{**arrays, "train/labels": arrays["train/labels"][:-1]})
    begun = folder / "begun"
    shutil.copytree(run_folder, begun)
    shutil.rmtree(begun / "seed-41")
    return {"folder": str(folder), "run": str(run_folder), "begun": str(begun)}


@pytest.mark.parametrize(("words", "answer"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_in_one_line_with_what_to_type(coral, places, tmp_path, monkeypatch, words, answer):
    monkeypatch.chdir(tmp_path)
    status, out, err = coral(*(word.format(**places) for word in words))
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert answer.format(**places) in err
    assert not list(tmp_path.iterdir())


def test_a_gpu_that_is_not_there_is_answered_too(coral, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, _, err = coral(*DIGITS, "--device", "cuda", "--output", tmp_path / "run")
    assert (status, err.count("\n")) == (2, 1)
    assert "take --device cpu or auto" in err
    assert not (tmp_path / "run").exists()


def test_a_folder_without_rights_is_answered_too(coral, tmp_path, monkeypatch):
    def refuse(self, *_arguments, **_options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    status, _, err = coral(*DIGITS, "--output", tmp_path / "run")
    assert (status, err.count("\n")) == (1, 1)
    assert err.endswith("cannot be written: permission denied; give another place.\n")


def test_a_record_without_rights_is_refused_before_the_first_training(coral, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    status, _, err = coral(*BENCH, "--output", tmp_path / "runs", "--record", tmp_path / "record")
    assert (status, err.count("\n")) == (1, 1)
    assert err.endswith(f"--record {tmp_path / 'record'} cannot be written: permission denied; give another place.\n")
    assert not any(tmp_path.iterdir())
