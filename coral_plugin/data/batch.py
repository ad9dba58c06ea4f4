"""A batch of multimodal samples: values, padding, targets and sample index together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from coral_plugin.errors import InputError


@dataclass(frozen=True)
class MultimodalBatch(Mapping[str, Tensor]):
    """An ordered mapping from modality name to values, with what belongs to them.

    Attributes:
        tensors: ``{name: (B, ...)}``, in the order of the modalities.
        padding: ``{name: (B, T)}`` of bool, True where a step is padding; only for varying lengths.
        targets: ``{task: (B,) or (B, L)}``; empty when there are no labels.
        index: ``(B,)`` row of each sample in its split.
        present: ``{name: (B,)}`` of bool, False where a sample lacks the modality and its values mean nothing; only for
            modalities that some sample may lack.
    """

    tensors: dict[str, Tensor]  # an attribute here, a method of Mapping
    padding: dict[str, Tensor] = field(default_factory=dict)
    targets: dict[str, Tensor] = field(default_factory=dict)
    index: Tensor | None = None
    present: dict[str, Tensor] = field(default_factory=dict)
    _computed: dict[Hashable, tuple[Tensor, int, Any]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _laid_by: dict[Hashable, list[Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # shapes, not len(): torch.export would take today's batch size for a constant
        sizes = {name: value.shape[0] for name, value in self.tensors.items()}
        if any(size != self.size for size in sizes.values()):
            raise InputError(f"Every modality of a batch needs the same number of samples, got {sizes}.")
        for name, mask in self.padding.items():
            if name not in self.tensors or mask.shape != self.tensors[name].shape[:2]:
                seen = tuple(self.tensors[name].shape) if name in self.tensors else "no values"
                raise InputError(f"Padding of {name!r} is {tuple(mask.shape)}, but its values are {seen}.")
        for name, mask in self.present.items():
            if name not in self.tensors or mask.shape != self.tensors[name].shape[:1]:
                raise InputError(f"Presence of {name!r} is {tuple(mask.shape)}, but the batch has {self.size} samples.")
        for what, true, masks in (
            ("Padding", "a step is padding", self.padding),
            ("Presence", "a sample has the modality", self.present),
        ):
            for name, mask in masks.items():
                if mask.dtype != torch.bool:
                    raise InputError(f"{what} of {name!r} must be bool, True where {true}, got {mask.dtype}.")

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def size(self) -> int:
        """Number of samples B."""
        return next(iter(self.tensors.values())).shape[0] if self.tensors else 0

    @property
    def device(self) -> torch.device:
        """Device of the values."""
        return next(iter(self.tensors.values())).device

    def to(self, device: torch.device | str, non_blocking: bool = False) -> MultimodalBatch:
        """The same batch on ``device``."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> MultimodalBatch:
        """The same batch in page-locked memory; a ``DataLoader`` with ``pin_memory`` asks for it."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> MultimodalBatch:
        """The batch with every tensor of it changed."""

        def changed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: change(tensor) for name, tensor in tensors.items()}

        index = None if self.index is None else change(self.index)
        return MultimodalBatch(
            changed(self.tensors), changed(self.padding), changed(self.targets), index, changed(self.present)
        )

    def select(self, modalities: Iterable[str]) -> MultimodalBatch:
        """The batch with only the given modalities, in the given order.

        Raises:
            InputError: a name that the batch does not have.
        """
        names = list(modalities)
        if missing := [name for name in names if name not in self.tensors]:
            raise InputError(f"The batch lacks {', '.join(missing)}; it has {', '.join(self.tensors)}.")
        return replace(
            self,
            tensors={name: self.tensors[name] for name in names},
            padding={name: self.padding[name] for name in names if name in self.padding},
            present={name: self.present[name] for name in names if name in self.present},
        )

    def all_present(self, *modalities: str) -> Tensor | None:
        """``(B,)`` of bool, True for samples with all of ``modalities``; None where that is every sample."""
        masks = [self.present[name] for name in modalities if name in self.present]
        return torch.stack(masks).all(dim=0) if masks else None

    def with_values(self, values: dict[str, Tensor]) -> MultimodalBatch:
        """The same samples with other values (an augmented view); all else stays."""
        return replace(self, tensors=values)

    def once(self, key: Hashable, values: Tensor, compute: Callable[[], Any]) -> Any:
        """``compute()``, and on later calls with the same key what it returned then.

        For what depends on ``values``, a tensor of this batch, and on the key alone. Where they have changed since it
        is computed again. A batch made from this one begins anew.

        Example:
            >>> batch = MultimodalBatch({"x": torch.ones(3, 2)})
            >>> sums = [batch.once("sum", batch["x"], batch["x"].sum) for _ in range(2)]
            >>> sums[0] is sums[1]
            True
            >>> _ = batch["x"].zero_()
            >>> batch.once("sum", batch["x"], batch["x"].sum)
            tensor(0.)
        """
        if values.is_inference():  # torch does not count the changes of such a tensor
            return compute()
        kept = self._computed.get(key)
        # the tensor itself is kept, so that no other one can come to its place
        if kept is not None and kept[0] is values and kept[1] == values._version:
            return kept[2]
        result = compute()
        self._computed[key] = values, values._version, result
        return result

    def lay_by(self, key: Hashable, result: Any) -> None:
        """Keep a result for whoever asks with this key."""
        self._laid_by.setdefault(key, []).append(result)

    def take(self, key: Hashable) -> Any:
        """The first result that was laid by under this key and not taken yet; None where there is none.

        Example:
            >>> batch = MultimodalBatch({"x": torch.ones(3, 2)})
            >>> batch.lay_by("sum", 6)
            >>> batch.take("sum"), batch.take("sum")
            (6, None)
        """
        results = self._laid_by.get(key)
        return results.pop(0) if results else None
