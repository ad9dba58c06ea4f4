"""Trifeature as a data set: pairs of images with known redundancy, uniqueness and synergy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from coral_plugin.data import DatasetAdapter, Modality, ModalityColumn, MultimodalData, Split, Task
from coral_plugin.data.adapter import check_seed
from coral_plugin.data.dataset import fingerprint
from coral_plugin.errors import InputError, MachineError

from .cache import cached_banks
from .pairs import candidates, pair_labels, sample, texture_to_colour
from .render import MOST_SHARE, SHAPE_SHARE, TRAIN_RENDERS, Bank
from .shapes import SHAPES
from .textures import PERIOD, TEXTURES

Pairing = Literal["unbiased", "biased"]
_MODALITIES = ("image1", "image2")
_TASKS = (
    Task(name="redundancy", kind="classification", classes=SHAPES),
    Task(name="uniqueness1", kind="classification", classes=TEXTURES),
    Task(name="uniqueness2", kind="classification", classes=TEXTURES),
    Task(name="synergy", kind="classification", classes=("mismatch", "match")),
)
# of ImageNet, as in the reference
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_TRAIN_SHARE = 0.6  # of the probing pairs; the rest chooses the probe's setting


@dataclass(frozen=True, kw_only=True)
class TrifeatureSettings:
    """What is generated; the defaults are those of the papers.

    Attributes:
        image_size: Pixels each way, S. Shapes scale with it, textures do not.
        shape_share: Side of a shape before it is turned, as a share of S: 128 / 224 in the papers. In small images a
            greater one leaves more pixels for shapes and textures, and less grey around them.
        pairing: Pairs of the self-supervised training: ``unbiased``, any two images of one shape (redundancy and
            uniqueness), or ``biased``, only those in which the second image's colour belongs to the first one's
            texture (synergy).
        pairs: Number of them.
        probe_pairs: Labelled pairs of training images for the probe, always unbiased; 60 % to fit it, 40 % to choose
            its setting.
        texture_period: Pixels after which a texture repeats; None is 10 at every image size.
        renders: Images of each training combination: 3 in the papers; more where a short training on small images
            would otherwise learn them by heart.
        seed: Seed of combinations, images, map and pairs, each from a stream of its own.
        cache: Keep the images in the user's cache (``CORAL_CACHE``).
    """

    image_size: int = 224
    shape_share: float = SHAPE_SHARE
    pairing: Pairing = "unbiased"
    pairs: int = 10_000
    probe_pairs: int = 10_000
    texture_period: int | None = None
    renders: int = TRAIN_RENDERS
    seed: int = 42
    cache: bool = True

    def __post_init__(self) -> None:
        if not 16 <= self.image_size <= 1024:
            raise InputError(f"image_size must be from 16 to 1024 pixels, got {self.image_size}.")
        if not 0.2 <= self.shape_share <= MOST_SHARE:
            raise InputError(f"shape_share must be from 0.2 to {MOST_SHARE}, got {self.shape_share}.")
        if self.pairs < 1:
            raise InputError(f"pairs must be at least 1, got {self.pairs}.")
        if self.probe_pairs < 10:
            raise InputError(f"probe_pairs must be at least 10, got {self.probe_pairs}.")
        if self.texture_period is not None and not 4 <= self.texture_period <= self.image_size:
            raise InputError(
                f"texture_period must be from 4 to {self.image_size} pixels (image_size), got {self.texture_period}."
            )
        if not 1 <= self.renders <= 50:
            raise InputError(f"renders must be from 1 to 50, got {self.renders}.")
        check_seed(self.seed)


class Trifeature(DatasetAdapter):
    """Trifeature as a data set: pairs of images with known redundancy, uniqueness and synergy."""

    name = "trifeature"
    source = "generated here after Hermann & Lampinen 2020: https://arxiv.org/abs/2006.12433"
    licence = "MIT, as this package"
    Settings = TrifeatureSettings

    @classmethod
    def read(cls, path: str, settings: TrifeatureSettings) -> MultimodalData:  # noqa: ARG003
        """Generate Trifeature pairs (Hermann & Lampinen 2020; as pairs: CoMM, arXiv:2409.07402; docs/specification.md).

        ``pretrain`` holds the pairs of the chosen pairing; ``train`` and ``valid`` unbiased pairs of the same training
        images; ``test`` every unbiased pair of 200 images of combinations that are in no other split. The probe is
        refitted on train and valid: both are pairs of training images, and the test stays untouched.

        The fingerprint is taken over pairs, targets and the sha256 of each bank of images, which many columns share.

        Raises:
            MachineError: the images do not fit into memory.
        """
        size, seed = settings.image_size, settings.seed
        try:
            (train, test), digests, notes = cached_banks(
                size, seed, settings.texture_period or PERIOD, settings.cache, settings.renders, settings.shape_share
            )
        except MemoryError as error:
            need = (800 * settings.renders + 200) * 3 * size**2 / 2**30
            raise MachineError(
                f"Trifeature at image_size {size} needs {need:.1f} GiB; choose a smaller one."
            ) from error
        colour_of = texture_to_colour(seed)
        unbiased = candidates(train.attributes)
        allowed = unbiased if settings.pairing == "unbiased" else candidates(train.attributes, colour_of)
        for wanted, pairs, what in (
            (settings.pairs, allowed, settings.pairing),
            (settings.probe_pairs, unbiased, "probing"),
        ):
            if wanted > len(pairs):
                notes.append(f"{wanted} {what} pairs were asked for; all {len(pairs)} that exist are used")
        probing = sample(unbiased, settings.probe_pairs, seed, "probing pairs")
        fitted = int(_TRAIN_SHARE * len(probing))  # already in random order
        chosen = {
            "pretrain": (sample(allowed, settings.pairs, seed, "training pairs"), train, digests[0]),
            "train": (probing[:fitted], train, digests[0]),
            "valid": (probing[fitted:], train, digests[0]),
            "test": (candidates(test.attributes), test, digests[1]),
        }
        splits: dict[str, Any] = {label: _split(pairs, bank, colour_of) for label, (pairs, bank, _) in chosen.items()}
        return MultimodalData(
            name=cls.name,
            modalities=tuple(
                Modality(name=name, kind="image", shape=(3, size, size), mean=_MEAN, std=_STD) for name in _MODALITIES
            ),
            tasks=_TASKS,
            refit_on_valid=True,
            notes=tuple(notes),
            fingerprint=fingerprint(
                {label: _stand_in(splits[label], digest) for label, (_, _, digest) in chosen.items()}
            ),
            **splits,
        )


def _split(pairs: Tensor, bank: Bank, colour_of: Tensor) -> Split:
    """Pairs (P, 2) of a bank, whose pixels both columns share."""
    columns = {name: ModalityColumn(bank.pixels, rows=pairs[:, at].clone()) for at, name in enumerate(_MODALITIES)}
    return Split(columns, pair_labels(pairs, bank.attributes, colour_of))


def _stand_in(split: Split, digest: str) -> Split:
    """The split with the digest of its images in their place: hashing 400 MB eight times would take seconds."""
    values = torch.tensor(list(bytes.fromhex(digest)), dtype=torch.uint8)
    return Split(
        {name: ModalityColumn(values, rows=column.rows) for name, column in split.columns.items()}, split.targets
    )
