"""MultiBench++: one adapter for the data sets whose files its loaders read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from coral_plugin.data import DatasetAdapter, MultimodalData, from_arrays
from coral_plugin.data.inspection import Candidate, Inspection
from coral_plugin.errors import InputError
from coral_plugin.registry import suggest

from ..shared import content_of, require_folder
from . import lesions, maps, posts, scenes, speech, tables
from .content import Content, MultibenchPlusSettings

ReadContent = Callable[[Path, MultibenchPlusSettings], Content]


@dataclass(frozen=True)
class Member:
    """A data set of MultiBench++ that is covered.

    Attributes:
        files: Patterns of files, each of which its folder must match.
        read: Function that reads the folder.
    """

    files: tuple[str, ...]
    read: ReadContent


_OMICS = tuple(f"{stem}_{part}.csv" for stem in ("1", "2", "3", "labels") for part in ("tr", "te"))
MEMBERS = {
    "BRCA": Member(_OMICS, tables.read_brca),
    "ROSMAP": Member(_OMICS, tables.read_rosmap),
    "TCGA": Member(("survival_clinical.csv", tables.CELLS, "rppa.csv"), tables.read_tcga),
    "MIMIC_III": Member(("im.pk",), tables.read_mimic),
    "mirflickr": Member(("Cleared-Set/LAll/mirflickr25k-lall.mat",), tables.read_mirflickr),
    "SIMS": Member((speech.SIMS,), speech.read_sims),
    "SIMSv2": Member((speech.SIMS_V2,), speech.read_sims_v2),
    "iemocap": Member((speech.IEMOCAP,), speech.read_iemocap),
    "meld": Member((speech.MELD.format("*"),), speech.read_meld),
    "houston2018": Member(("houston_hsi.mat", "houston_index.mat"), maps.houston2018),
    "berlin": Member(("berlin_hsi.mat", "berlin_index.mat"), maps.berlin),
    "augsburg": Member(("augsburg_hsi.mat", "augsburg_index.mat"), maps.augsburg),
    "trento": Member(maps.TRENTO, maps.read_trento),
    "muufl": Member((maps.MUUFL,), maps.read_muufl),
    "nyud2": Member(("train/*/*", "val/*/*", "test/*/*"), scenes.read_scenes),
    "sun_rgbd": Member(("train/*/*.png", "test/*/*.png"), scenes.read_scenes),
    "MAMI": Member(("train.tsv", "validation.tsv", "test.tsv", "training_images"), posts.mami),
    "Memo": Member(("all_data.tsv", "all_images"), posts.memotion),
    "mvsa_single": Member(("train.jsonl", "val.jsonl", "test.jsonl"), posts.mvsa_single),
    "food101": Member(("train.jsonl", "dev.jsonl", "test.jsonl"), posts.food101),
    "multioff": Member(("Split Dataset/*_meme_dataset.csv", "Labelled Images"), posts.multioff),
    "metmeme_c": Member(("C_text.csv", "label_C.csv"), posts.metmeme_c),
    "metmeme_e": Member(("E_text.csv", "label_E.csv"), posts.metmeme_e),
    "tw15": Member(("twitter2015/train.tsv", "twitter2015_images"), posts.twitter2015),
    "tw17": Member(("Twitter1517_texts_and_labels.csv", "image"), posts.twitter1517),
    "Derm7pt": Member(("meta/meta.csv", "meta/train_indexes.csv"), lesions.read_derm7pt),
    "SIIM-ISIC": Member(("train.csv", "jpeg/train"), lesions.read_isic),
}
NOT_COVERED = {
    "houston2013": "its maps are TIFF files of 144 bands",
    "mute": "its tables are Excel files",
    "GAMMA": "its labels are in an Excel file",
    "e-icu": "its tables of events must be summarised first",
    "MILK-10k": "it lists its pictures in the order of the file system",
    "MURA": "it has one modality, a varying number of pictures",
    "MIMIC-CXR": "its reports lie in a ZIP archive",
    "cub": "its captions, ten per picture, lie in files that do not name the picture",
    "forestnet": "its regions are pickles of classes",
    "mnist_svhn": "its pairs are drawn without a seed",
    "nmnist+ndigits": "its events need a library (ebdataset)",
    "eeg+emnist": "its spikes need a module that MultiBench++ lacks (spiketransform)",
}


class MultibenchPlus(DatasetAdapter):
    """MultiBench++: 27 of its data sets (omics, speech, maps, rooms, memes, lesions), from the files of its loaders."""

    name = "multibenchplus"
    source = "MultiBench++ (arXiv:2511.06452): https://github.com/ravexly/MultiBenchplus, DATASET.md has the addresses"
    licence = "each data set has its own; ask its authors"
    Settings = MultibenchPlusSettings
    expects = "the folder of one data set of MultiBench++ (docs/datasets/multibenchplus.md lists the files)"

    @classmethod
    def read(cls, path: str, settings: MultibenchPlusSettings) -> MultimodalData:
        """Modalities and the task ``label`` of the data set, split as MultiBench++ splits it.

        Raises:
            InputError: a data set that is not covered or recognised, or files that are missing or damaged.
        """
        folder = require_folder(path, cls.expects)
        name = _named(settings.dataset) if settings.dataset else _recognised(folder)
        content = MEMBERS[name].read(folder, settings)
        arrays, notes = content.arrays, content.notes
        if content.valid_is_test and settings.valid == "test":
            arrays = arrays | {f"valid/{key[5:]}": array for key, array in arrays.items() if key.startswith("test/")}
            notes = [*notes, "valid is test, as in MultiBench++: what is chosen on valid is chosen on test"]
        elif content.valid_is_test:
            notes = [*notes, "MultiBench++ validates on test (--source.valid test); here valid is set aside from train"]
        data = from_arrays(arrays, name=f"{folder} ({name})", kinds=content.kinds)
        return replace(data, name=cls.name, notes=(f"{name} of MultiBench++", *notes, *data.notes))

    @classmethod
    def inspect(cls, candidate: Candidate) -> Inspection | None:
        """The folder of a data set that is covered."""
        names = _matches(candidate.path) if candidate.kind == "folder" else []
        if not names:
            return None
        notes = [] if len(names) == 1 else [f"give --source.dataset: {' or '.join(names)} is kept in such files"]
        return Inspection(f"{' or '.join(names)} of MultiBench++", (cls.name,), notes=tuple(notes))


def _named(name: str) -> str:
    """The covered data set of a name, in any case.

    Raises:
        InputError: it is not covered, or MultiBench++ has no such data set.
    """
    for known in MEMBERS:
        if known.casefold() == name.casefold():
            return known
    for known, reason in NOT_COVERED.items():
        if known.casefold() == name.casefold():
            raise InputError(f"{known} of MultiBench++ is not covered: {reason}. Covered: {', '.join(MEMBERS)}.")
    raise suggest(name, list(MEMBERS), "data set of MultiBench++")


def _recognised(folder: Path) -> str:
    """The one data set whose files the folder has.

    Raises:
        InputError: there is none, or several are kept in such files.
    """
    names = _matches(folder)
    if not names:
        raise InputError(
            f"{folder} has {content_of(folder)}, the files of no data set of MultiBench++ that is covered: "
            f"{', '.join(MEMBERS)}."
        )
    if len(names) > 1:
        raise InputError(f"{folder} may be {' or '.join(names)}; give --source.dataset.")
    return names[0]


def _matches(folder: Path) -> list[str]:
    """Data sets whose files the folder has; where several have the same, that of the folder's name, if it names one."""
    fitting = [name for name, member in MEMBERS.items() if all(next(folder.glob(p), None) for p in member.files)]
    most = max((len(MEMBERS[name].files) for name in fitting), default=0)
    names = [name for name in fitting if len(MEMBERS[name].files) == most]
    return [name for name in names if name.casefold() in folder.resolve().name.casefold()] or names
