"""What an augmentation is: a batched function that declares where it applies and which settings it takes."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from coral_plugin.data import Modality
from coral_plugin.data.modality import KINDS, Kind
from coral_plugin.errors import InputError, PluginError
from coral_plugin.registry import AUGMENTATIONS

Range = tuple[float, float]

ABOVE_ZERO = math.ulp(0.0)  # the least positive number, as a lower bound
NOT_NEGATIVE: Range = (0.0, math.inf)
POSITIVE: Range = (ABOVE_ZERO, math.inf)
SHARE: Range = (0.0, 1.0)
UNBOUNDED: Range = (-math.inf, math.inf)
_GREATEST = 1e9  # of any setting


class Augmentation:
    """A registered augmentation; :func:`augmentation` makes one of a function. Called, it is that function.

    Attributes:
        function: Function ``(values, lengths, generator, **settings) -> values``. Images come as ``(B, C, H, W)`` in
            [0, 1] with lengths None; everything else as steps ``(B, T, d)`` with the number of valid steps ``(B,)``,
            where the entries of a vector are its steps, ``(B, d, 1)``. The result has the same shape and its padding is
            zero. Every random number is drawn from ``generator``, on the device of ``values``.
        kinds: Kinds of modality that it applies to.
        bounds: ``{setting: (least, greatest)}``; a setting that is not named takes any finite number.
        probability: Probability per sample, unless a specification gives another.
        fits: Further condition on the modality; None for none.
        scaled: Whether values other than images come in units of the modality's mean and standard deviation, where
            these are known. An amplitude of 0.1 and a gap filled with 0 mean something only there.
        shared: Whether all modalities of a joint specification lose the same steps (``multi_drop`` alone).
        settings: ``{setting: default}``, the keyword-only parameters of the function: numbers, or pairs of numbers.
        name: Qualified name of the function.

    Raises:
        ValueError: a declaration that does not fit the function.

    Example:
        >>> import torch
        >>> noise: Augmentation = AUGMENTATIONS.get("noise")
        >>> noise.settings, noise.probability
        ({'std': 0.1}, 0.5)
        >>> noise.applies_to(Modality(name="wave", kind="timeseries", shape=(4, 1)))
        True
        >>> series, lengths = torch.ones(1, 4, 1), torch.tensor([3])  # the fourth step is padding
        >>> noise(series, lengths, torch.Generator().manual_seed(0), std=0.0).flatten()
        tensor([1., 1., 1., 0.])
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        *,
        kinds: tuple[Kind, ...],
        bounds: Mapping[str, Range],
        probability: float,
        fits: Callable[[Modality], bool] | None,
        scaled: bool,
        shared: bool,
    ) -> None:
        self.function, self.kinds, self.bounds, self.probability = function, kinds, dict(bounds), probability
        self.fits, self.scaled, self.shared = fits, scaled, shared
        parameters = list(inspect.signature(function).parameters.values())
        self.settings: dict[str, Any] = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        functools.update_wrapper(self, function)
        self.name = name = str(getattr(function, "__qualname__", function))
        if not kinds or not {*kinds} <= {*KINDS}:
            raise ValueError(f"{name} must declare one or more kinds of modality ({', '.join(KINDS)}), got {kinds}")
        if positional := [p.name for p in parameters[3:] if p.kind is p.POSITIONAL_OR_KEYWORD]:
            raise ValueError(f"{name}: {', '.join(positional)} must be keyword-only, as settings are: put * before it")
        if not 0 <= probability <= 1:
            raise ValueError(f"{name}: probability must be from 0 to 1, got {probability}")
        if wrong := [setting for setting, (least, greatest) in self.bounds.items() if not least <= greatest]:
            pair = self.bounds[wrong[0]]
            raise ValueError(f"{name}: the bounds of {wrong[0]} must be (least, greatest), got {pair}")
        if unknown := {*self.bounds} - {*self.settings}:
            raise ValueError(f"{name} has no keyword-only parameter {', '.join(sorted(unknown))}, but bounds of it")
        for setting, default in self.settings.items():
            if value_in_bounds(default, default, self.bounds.get(setting, UNBOUNDED)) is None:
                raise ValueError(f"{name}: the default of {setting} is no number or rising pair in bounds: {default!r}")

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """The augmented values."""
        return self.function(*args, **kwargs)

    def __reduce__(self) -> str:
        # by name, as functions are pickled; the function behind it has the same name
        return self.name

    def applies_to(self, modality: Modality) -> bool:
        """Whether ``modality`` is of one of the kinds and meets the further condition."""
        return modality.kind in self.kinds and (self.fits is None or self.fits(modality))


def augmentation(
    *kinds: Kind,
    bounds: Mapping[str, Range] | None = None,
    probability: float = 0.5,
    fits: Callable[[Modality], bool] | None = None,
    scaled: bool = True,
    shared: bool = False,
) -> Callable[[Callable[..., Tensor]], Augmentation]:
    """Decorator that declares a function as an augmentation; arguments as in :class:`Augmentation`.

    Example:
        >>> import torch
        >>> @augmentation("image", bounds={"gain": POSITIVE, "grain": NOT_NEGATIVE, "gray": SHARE})
        ... def film(values, lengths, generator, *, gain=1.2, grain=0.05, gray=0.5):
        ...     noise = torch.randn(values.shape, device=values.device, generator=generator)
        ...     colours = values.lerp(values.mean(dim=1, keepdim=True), gray)
        ...     return (gain * colours + grain * noise).clamp(0, 1)
        >>> film.kinds, film.settings
        (('image',), {'gain': 1.2, 'grain': 0.05, 'gray': 0.5})
        >>> red = torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1)
        >>> film(red, None, None, gain=1.0, grain=0.0, gray=1.0).flatten()
        tensor([0.1667, 0.1667, 0.1667])
    """
    return lambda function: Augmentation(
        function, kinds=kinds, bounds=bounds or {}, probability=probability, fits=fits, scaled=scaled, shared=shared
    )


def value_in_bounds(value: Any, default: Any, bounds: Range) -> Any:
    """``value`` as a number or, where the default is one, as a pair; None where it is neither, or out of bounds.

    A single number stands for both ends of a pair.
    """
    pair = isinstance(default, tuple | list)
    numbers = value if isinstance(value, tuple | list) else (value, value)
    fine = (
        len(numbers) == 2
        and (pair or numbers is not value)
        and all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
        and all(bounds[0] <= n <= bounds[1] and abs(n) < _GREATEST for n in numbers)  # NaN is in no range
        and numbers[0] <= numbers[1]
    )
    if not fine:
        return None
    return tuple(map(float, numbers)) if pair else float(value)


def applicable(modality: Modality) -> list[str]:
    """Names of the augmentations that apply to ``modality``, sorted; broken plugins are left out."""
    names = []
    for name in AUGMENTATIONS.names():
        with contextlib.suppress(PluginError):
            if AUGMENTATIONS.get(name).applies_to(modality):
                names.append(name)
    return names


def kept_form(changed: Any, values: Tensor, what: str, modality: str) -> Tensor:
    """``changed``, where it has the shape and the type of ``values``, which ``what`` was given.

    Raises:
        InputError: it has not.
    """
    old, new = (
        f"{part.dtype} {tuple(part.shape)}".removeprefix("torch.") if isinstance(part, Tensor) else type(part).__name__
        for part in (values, changed)
    )
    if new != old:
        raise InputError(f"{what} of modality {modality!r} made {new} of {old}; it must keep shape and type.")
    result: Tensor = changed
    return result
