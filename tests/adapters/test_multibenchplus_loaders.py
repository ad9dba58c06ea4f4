"""The samples and splits of MultiBench++'s own loaders, on the same files, are ours (with ``MULTIBENCHPLUS_ROOT``).

Torchvision's transforms and BERT's tokenizer are stood in for; what their ``get_data.py`` do is not.
"""

import importlib.util
import os
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from coral_plugin.adapters.multibenchplus import MultibenchPlus, MultibenchPlusSettings

from . import formats, stand_ins

pytestmark = pytest.mark.filterwarnings("ignore")
# our modality for each part of a sample of theirs; None for the text, which is compared as the words of train
PARTS = {
    "BRCA": ("omics_1", "omics_2", "omics_3"),
    "ROSMAP": ("omics_1", "omics_2", "omics_3"),
    "TCGA": ("cnv", "meth", "mirna", "rnaseq", "rppa", "cells"),
    "MIMIC_III": ("static", "series"),
    "mirflickr": ("image", "tags"),
    "SIMS": (None, "audio", "vision"),
    "SIMSv2": (None, "audio", "vision"),
    "iemocap": ("text", "audio", "vision"),
    "meld": ("audio", "text"),
    "nyud2": ("rgb", "depth"),
    "sun_rgbd": ("rgb", "depth"),
    **dict.fromkeys(
        ("MAMI", "Memo", "mvsa_single", "food101", "multioff", "metmeme_e", "tw15", "tw17"), ("image", None)
    ),
    "metmeme_c": ("image", None),
    "Derm7pt": ("clinic", "derm", "record"),
    "SIIM-ISIC": ("image", None),
}
MAPS = {
    "houston2018": ("Houston2018Ouc", "houston2018_ouc", "Houston2018", "lidar"),
    "berlin": ("BerlinOuc", "berlin_ouc", "Berlin", "sar"),
    "augsburg": ("AugsburgOuc", "augsburg_ouc", "Augsburg", "sar"),
    "trento": ("Trento", "trento", "Trento-b4afc449ce5d6936ddc04fe267d86f9f35536afd", "lidar"),
    "muufl": ("Muufl", "muufl", "MUUFLGulfport-0.1", "lidar"),
}


def arguments(name, folder):
    """What their ``get_loader`` takes for a folder of ours."""
    meme = {
        "csv_file_text": "{0}_text.csv",
        "csv_file_label": "label_{0}.csv",
        "root_dir": "{0}images/{0}images/{0}images",
    }
    return {
        "BRCA": {"data_folder": folder, "num_workers": 0},
        "ROSMAP": {"data_folder": folder, "num_workers": 0},
        "TCGA": {"data_dir": folder.parent, "cancer_type": folder.name},
        "MIMIC_III": {"imputed_path": folder / "im.pk"},
        "SIMS": {"feature_path": folder / "Processed/unaligned_39.pkl"},
        "SIMSv2": {"feature_path": folder / "unaligned.pkl"},
        "iemocap": {"data_path": folder / "IEMOCAP_features_raw.pkl"},
        "meld": {},
        "nyud2": {"root_dir": folder},
        "sun_rgbd": {"root_dir": folder},
        "MAMI": {"root_dir": folder},
        "Memo": {"root_dir": folder.parent},
        "multioff": {
            "root_dir": folder / "Labelled Images",
            **{f"{key}_csv": folder / f"Split Dataset/{stem}_meme_dataset.csv"
               for key, stem in (("train", "Training"), ("val", "Validation"), ("test", "Testing"))},
        },
        "metmeme_c": {key: folder / value.format("C") for key, value in meme.items()},
        "metmeme_e": {key: folder / value.format("E") for key, value in meme.items()},
        "Derm7pt": {"data_dir": folder},
        "SIIM-ISIC": {"root_path": folder},
    }.get(name, {"base_dir": folder})  # fmt: skip


def make_dataset(directory, class_to_idx, extensions):
    """As torchvision's."""
    return [
        (f"{root}/{name}", class_to_idx[kind])
        for kind in sorted(class_to_idx)
        for root, _, names in sorted(os.walk(Path(directory) / kind))
        for name in sorted(names)
        if name.lower().endswith(extensions)
    ]


def centre(size):
    def crop(picture):
        left, top = round((picture.width - size) / 2), round((picture.height - size) / 2)
        return picture.crop((left, top, left + size, top + size))

    return crop


def to_tensor(picture):
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float() / 255


def same(*_, **__):
    return lambda value: value


@pytest.fixture
def get_loader(tmp_path, monkeypatch):
    """A function that calls the ``get_loader`` of a data set, in a folder of its own two levels below ``tmp_path``."""
    root = os.environ.get("MULTIBENCHPLUS_ROOT")
    if not root or not (Path(root) / "dataset/BRCA/get_data.py").is_file():
        pytest.skip("no checkout of MultiBench++: set MULTIBENCHPLUS_ROOT")
    pytest.importorskip("pandas")
    transforms = {
        "Compose": stand_ins.Compose,
        "Resize": stand_ins.resize,
        "ToTensor": lambda: to_tensor,
        "Normalize": same,
        "CenterCrop": centre,
        "RandomCrop": centre,
        "RandomHorizontalFlip": same,
    }
    tokenizer = type("BertTokenizer", (), {"from_pretrained": staticmethod(lambda _: None)})
    crop = lambda values, top, left, height, width: values[:, top : top + height, left : left + width]  # noqa: E731
    for name, held in {
        "torchvision": {},
        "torchvision.transforms": transforms,
        "torchvision.transforms.v2": {},
        "torchvision.transforms.v2.functional": {"crop": crop},
        "torchvision.datasets": {},
        "torchvision.datasets.folder": {"make_dataset": make_dataset},
        "torchvision.datasets.vision": {"VisionDataset": object},
        "transformers": {"BertTokenizer": tokenizer},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(held)
        monkeypatch.setitem(sys.modules, name, module)
        if "." in name:
            parent, _, last = name.rpartition(".")
            setattr(sys.modules[parent], last, module)
    work = tmp_path / "work" / "here"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)  # they write samples.txt
    monkeypatch.setattr(sys, "path", list(sys.path))  # they append to it

    def call(name, **keywords):
        path = Path(root) / "dataset" / name / "get_data.py"
        spec = importlib.util.spec_from_file_location(f"multibenchplus_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.get_loader(
            **{key: str(value) if isinstance(value, Path) else value for key, value in keywords.items()}
        )

    return call


def samples(loader):
    """The parts of all samples of a loader, and their labels; what they leave out of a batch is left out."""
    dataset = loader.dataset
    rows = [row for row in (dataset[number] for number in range(len(dataset))) if row is not None]
    *parts, labels = zip(*rows, strict=True)
    return parts, [float(torch.as_tensor(label).reshape(())) for label in labels]


def compare_labels(theirs, targets):
    """Numbers are equal; classes may be numbered in another order."""
    if targets.is_floating_point():
        assert targets.tolist() == pytest.approx(theirs)
        return
    pairs = set(zip(theirs, targets.tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def compare_texts(theirs, ours, train):
    """The words of train, weighted."""
    blanks = sum(any(map(str.isspace, text.strip())) for text in train) * 2 >= len(train)
    vectorizer = TfidfVectorizer(analyzer="word" if blanks else "char").fit(train)
    np.testing.assert_allclose(ours, vectorizer.transform(theirs).toarray(), rtol=1e-5)


@pytest.mark.parametrize("name", PARTS)
def test_samples_and_splits(tmp_path, get_loader, name):
    folder = formats.plus(name, tmp_path / {"TCGA": "LUAD", "Memo": "memotion", "meld": "data/MELD"}.get(name, name))
    if name == "SIIM-ISIC":  # their code fills gaps in a way that pandas 3 does not follow
        text = (folder / "train.csv").read_text()
        (folder / "train.csv").write_text("\n".join(
            ",".join(cell or ("40.0" if place == 3 else "unknown") for place, cell in enumerate(line.split(",")))
            for line in text.splitlines()))  # fmt: skip
    settings = MultibenchPlusSettings(dataset=name, valid="test")
    data = MultibenchPlus.load(str(folder), settings)
    loaders = get_loader(name, **arguments(name, folder))[:3]
    train_texts = None
    for label, loader in zip(("train", "valid", "test"), loaders, strict=True):
        split = data.splits()[label]
        parts, labels = samples(loader)
        assert len(labels) == len(split)
        batch = split.batch(torch.arange(len(split)))
        compare_labels(labels, next(iter(batch.targets.values())))
        for modality, values in zip(PARTS[name], parts, strict=True):
            if modality is None:
                if name in ("SIMS", "SIMSv2"):  # theirs are the tokens of a BERT
                    lengths = [int(tokens[1].sum()) for tokens in values]
                    assert split.columns["text"].lengths.tolist() == lengths
                elif name == "SIIM-ISIC":
                    compare_records(values, batch["record"])
                else:
                    values = ["" if text == "nan" else text for text in values]
                    if name == "metmeme_c":  # they read UTF-8 as Latin-1
                        values = [text.encode("latin-1").decode() for text in values]
                    train_texts = train_texts or values
                    compare_texts(values, batch["text"].numpy(), train_texts)
                continue
            whole = torch.stack([torch.as_tensor(np.array(value), dtype=torch.float32) for value in values])
            present = split.columns[modality].presence()
            ours = batch[modality]
            if name == "mirflickr" and modality == "image":
                ours = (ours * 255).round()
            if name == "MIMIC_III":  # theirs are scaled with all samples
                whole, ours = standardised(whole), standardised(ours)
            torch.testing.assert_close(ours[present], whole[present], atol=1e-5, rtol=1e-5)
            assert not whole[~present].any()  # black


def standardised(values):
    flat = values.reshape(-1, values.shape[-1])
    return (values - flat.mean(0)) / flat.std(0)


def compare_records(theirs, record):
    """Sex, age and site: their numbers of categories are our columns, both in alphabetical order."""
    table = torch.stack([torch.as_tensor(row) for row in theirs])
    torch.testing.assert_close(record[:, 0], table[:, 1].float())
    sexes = int(record.shape[1]) - 1 - 3
    assert record[:, 1 : 1 + sexes].argmax(1).tolist() == table[:, 0].int().tolist()
    assert record[:, 1 + sexes :].argmax(1).tolist() == table[:, 2].int().tolist()


@pytest.mark.parametrize("name", MAPS)
def test_patches_of_maps(tmp_path, get_loader, name, monkeypatch):
    """Their library (rs_fusion_datasets) reads the files, which are given to it as if it had just unpacked them."""
    kind, module, inside, other = MAPS[name]
    for missing in ("jaxtyping", "rasterio", "skimage"):
        if not importlib.util.find_spec(missing):
            monkeypatch.setitem(sys.modules, missing, StandIn(missing))
    library = pytest.importorskip("rs_fusion_datasets")
    folder = formats.plus(name, tmp_path / name)
    shutil.copytree(folder, tmp_path / "home" / inside)
    reader = importlib.import_module(f"rs_fusion_datasets.core.fetch_{module}")
    monkeypatch.setattr(reader, "zip_download_and_extract", lambda *_, **__: tmp_path / "home")
    assert hasattr(library, kind)
    loaders = get_loader(name)[:2]
    data = MultibenchPlus.load(str(folder), MultibenchPlusSettings(dataset=name, valid="test"))
    for label, loader in zip(("train", "test"), loaders, strict=True):
        split = data.splits()[label]
        (spectra, heights), labels = samples(loader)
        assert len(labels) == len(split)
        batch = split.batch(torch.arange(len(split)))
        compare_labels(labels, batch.targets["label"])
        for modality, values in (("hsi", torch.stack(spectra)), (other, torch.stack(heights))):
            # theirs are scaled per band by a shift and a factor of the whole map
            ours = batch[modality]
            for band in range(ours.shape[1]):
                x, y = ours[:, band].flatten().double(), values[:, band].flatten().double()
                slope, shift = np.polyfit(x.numpy(), y.numpy(), 1)
                torch.testing.assert_close(slope * x + shift, y, atol=1e-5, rtol=1e-4)
                assert slope > 0


class StandIn(types.ModuleType):
    """A module of which anything can be imported, and subscripted as an annotation."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__class_getitem__": classmethod(lambda cls, _: cls)})
