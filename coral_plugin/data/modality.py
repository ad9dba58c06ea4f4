"""What one modality is: its name, its kind, its shape, and how its values are scaled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from coral_plugin.errors import InputError, short

Kind = Literal["sequence", "timeseries", "tabular", "image"]
KINDS: tuple[str, ...] = get_args(Kind)
_LONGEST = 200  # characters of a name
_NDIM = {"sequence": 2, "timeseries": 2, "tabular": 1, "image": 3}


@dataclass(frozen=True, kw_only=True)
class Modality:
    """One input of a multimodal sample.

    Attributes:
        name: Unique name everywhere; no slash, comma or '=', no blank at either end.
        kind: ``sequence`` (T, d) of varying length, ``timeseries`` (T, d) of one length, ``tabular`` (d,) or
            ``image`` (C, H, W) with values in [0, 1].
        shape: Shape of one sample; T is the greatest length.
        mean: Mean per feature (images: per channel) of the training split, subtracted before the encoder sees a value.
        std: Standard deviation per feature (images: per channel) of train, divided by; 1 for constant ones.
        constant: Numbers of the features (images: channels) that are constant in the training split.
        offset: Number per feature, subtracted in double precision before values are held as 32-bit floats, which could
            not tell them apart (UNIX time, coordinates); None where values are held as they are.
        unit: Number per feature, divided by at the same place; 1 unless values are too small for a 32-bit float.
        bounds: Smallest and greatest value in train, as the column holds them.
        feature_names: Names of the features, where a data frame gave them; empty without.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    constant: tuple[int, ...] = ()
    offset: tuple[float, ...] | None = None
    unit: tuple[float, ...] | None = None
    bounds: tuple[float, ...] | None = None
    feature_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or len(self.name) > _LONGEST:
            raise InputError(
                f"A modality's name must be plain text of at most {_LONGEST} characters, got {short(self.name)}."
            )
        if self.name in ("labels", "all"):
            raise InputError(f"A modality cannot be called {self.name!r}: targets or the whole representation are.")
        if (
            not self.name
            or self.name != self.name.strip()
            or not self.name.isprintable()
            or any(c in self.name for c in "/\\=,")
        ):
            raise InputError(
                f"A modality's name must be plain text without slash, comma, '=' or line break, got {self.name!r}."
            )
        if self.kind not in KINDS:
            raise InputError(f"Modality {self.name!r} is of unknown kind {self.kind!r}; known: {', '.join(KINDS)}.")
        if len(self.shape) != _NDIM[self.kind] or min(self.shape) < 1:
            raise InputError(
                f"Modality {self.name!r} of kind {self.kind} needs {_NDIM[self.kind]} dimensions per sample, "
                f"each at least 1, got {self.shape}."
            )
        for label in ("mean", "std", "offset", "unit"):
            values = getattr(self, label)
            if values is not None and len(values) != self.features:
                raise InputError(
                    f"Modality {self.name!r} has {self.features} features, but its {label} has {len(values)} entries."
                )
        for values in (self.std, self.unit):
            if values is not None and not all(0 < value < math.inf for value in values):
                raise InputError(f"Modality {self.name!r} needs positive numbers to divide by, got {values}.")
        for one, other in (("mean", "std"), ("offset", "unit")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise InputError(f"Modality {self.name!r} needs both {one} and {other}, or neither.")
        if self.bounds is not None and not (len(self.bounds) == 2 and self.bounds[0] <= self.bounds[1]):
            raise InputError(f"Modality {self.name!r} needs its bounds as (least, greatest), got {self.bounds}.")

        if self.feature_names and len(self.feature_names) != self.features:
            raise InputError(
                f"Modality {self.name!r} has {self.features} features, but {len(self.feature_names)} names of them."
            )

    def feature(self, number: int) -> str:
        """Name of a feature, or its number where features have no names."""
        return self.feature_names[number] if self.feature_names else str(number)

    @property
    def features(self) -> int:
        """Feature size d; the number of channels of an image."""
        return self.shape[0] if self.kind == "image" else self.shape[-1]

    @property
    def temporal(self) -> bool:
        """Whether a sample has time steps."""
        return self.kind in ("sequence", "timeseries")

    @property
    def wide_range(self) -> tuple[float, float] | None:
        """Least value of an image in train and width of the range, where it leaves [0, 1]; None for all else.

        ``(values - least) / width`` are then what augmentations and noise for images work on.
        """
        low, high = self.bounds or (0.0, 1.0)
        return None if self.kind != "image" or 0 <= low <= high <= 1 else (low, (high - low) or 1.0)

    def held(self, values: Tensor) -> Tensor:
        """Measured values ``(N, ...)`` as columns hold them: 32-bit floats, whole numbers of images divided by 255.

        Where the modality has an offset, it and the unit are taken off in double precision.

        Raises:
            InputError: there is an offset, and the values are of a type that has lost what it is there for.
        """
        whole = not values.is_floating_point()
        pixels = whole and values.dtype != torch.bool and self.kind == "image"
        if self.offset is not None and self.unit is not None:
            if not whole and values.dtype != torch.float64:
                raise lost_digits(self.name, str(values.dtype).removeprefix("torch."))
            shape = (-1, 1, 1) if self.kind == "image" else (-1,)
            pair = torch.tensor([self.offset, self.unit], dtype=torch.float64, device=values.device)
            values = (values.double() - pair[0].view(shape)) / pair[1].view(shape)
        values = values.float()
        return values / 255 if pixels else values

    @property
    def shortest(self) -> tuple[int, ...]:
        """Shape of the smallest sample: one step of a sequence, which may be as short."""
        return (1, *self.shape[1:]) if self.kind == "sequence" else self.shape

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Whether a sample may have this shape: the number of steps is free."""
        return shape == self.shape or (self.temporal and len(shape) == 2 and shape[1] == self.features)

    def standardise(self, values: Tensor) -> Tensor:
        """``(values - mean) / std`` per feature, for ``(N, ..., d)`` or images ``(N, C, H, W)`` of a column."""
        if self.mean is None or self.std is None:
            return values
        mean, std = self.mean_and_std(values)
        return (values - mean) / std

    def restore(self, values: Tensor) -> Tensor:
        """The inverse of :meth:`standardise`."""
        if self.mean is None or self.std is None:
            return values
        mean, std = self.mean_and_std(values)
        return values * std + mean

    def measured(self, held: float, feature: int) -> float:
        """The value as it was given, for one that a column holds."""
        return held if self.offset is None or self.unit is None else held * self.unit[feature] + self.offset[feature]

    def mean_and_std(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the values as columns hold them, with device and type of ``target``.

        Whole numbers, which hold no mean, get those of torch's default type.
        """
        kind = target.dtype if target.is_floating_point() else torch.get_default_dtype()
        mean, std = torch.tensor([self.mean, self.std], dtype=torch.float64)
        if self.offset is not None and self.unit is not None:
            offset, unit = torch.tensor([self.offset, self.unit], dtype=torch.float64)
            mean, std = (mean - offset) / unit, std / unit
        shape = (-1, 1, 1) if self.kind == "image" else (-1,)
        return mean.to(target.device, kind).view(shape), std.to(target.device, kind).view(shape)


def lost_digits(name: str, kind: str) -> InputError:
    """The error for values of a type that has lost what an offset is there for.

    Args:
        name: Name of the modality.
        kind: Name of the type, as ``float32``.
    """
    return InputError(
        f"{name} holds values whose differences a 32-bit float cannot tell; give it as float64, got {kind}."
    )
