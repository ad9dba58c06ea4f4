"""Whether a training step fits into memory, checked before any of it is taken."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from coral_plugin import machine
from coral_plugin.data import MultimodalBatch, Split
from coral_plugin.errors import InputError
from coral_plugin.networks.alongside import one_after_the_other
from coral_plugin.objectives import Objective, Step
from coral_plugin.training.randomness import own_random_state
from coral_plugin.training.settings import TrainingSettings

# an encoder that keeps fewer numbers than this for each number of a batch, and for each pair of steps, is not measured
_NUMBERS = 10_000
# steps of a longer series at which the cost is measured: what attention costs is a square in them, and some encoders
# keep less of long series (networks/recompute.py)
_STEPS = (320, 416, 512)
_TIGHT = 0.8  # share of the memory from which on a warning says that it may not fit
_COPIES = 4  # weights, gradients and two moments of AdamW
_ALLOCATOR_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed", "bad allocation")


@dataclass(frozen=True)
class StepMemory:
    """Bytes that a training needs while it takes a step.

    Attributes:
        fixed: Bytes for any batch: the process and its data, weights, gradients and moments of the optimiser.
        sample: Bytes per sample that are kept for the backward pass.
        batch: Samples per step.
        steps: Steps of the longest series; 0 without series.
        available: Bytes of memory of the machine or the GPU.
        owner: Words for the machine or the GPU, for messages.
    """

    fixed: float
    sample: float
    batch: int
    steps: int
    available: int
    owner: str

    @property
    def need(self) -> float:
        """Bytes of the whole step."""
        return self.fixed + self.batch * self.sample

    def line(self, verb: str = "takes") -> str:
        """One line on the memory of a step, and what to change."""
        series = f", series of up to {self.steps} steps" if self.steps else ""
        fits = int((_TIGHT * self.available - self.fixed) / max(self.sample, 1.0))
        to = f" to {fits}" if 2 <= fits < self.batch else ""
        cut = ", or cut the series" if self.steps else ""
        return (
            f"A training step {verb} about {self.need / 2**30:.1f} GiB of memory (training.batch_size {self.batch}"
            f"{series}), and {self.owner} has {self.available / 2**30:.1f}: lower training.batch_size{to}, take a "
            f"smaller encoder{cut}."
        )


def check_step(
    build: Callable[[], Objective],
    split: Split,
    settings: TrainingSettings,
    device: torch.device,
    say: Callable[[str], None],
    *,
    always: bool = False,
) -> StepMemory | None:
    """Refuse a training whose steps do not fit into memory; warn where they may not.

    Args:
        build: Function that makes the objective; torch's global random state is restored after it.
        split: Samples to train on.
        settings: Training settings.
        device: Device to train on.
        say: Function that gets the warning, one line, that a step may not fit.
        always: Whether small batches are measured too.

    Raises:
        InputError: it does not fit.
    """
    step = step_memory(build, split, settings, device, *([True] if always else []))
    if step is not None and step.need > step.available:
        raise InputError(step.line())
    if step is not None and step.need > _TIGHT * step.available:
        say(step.line("may take"))
    return step


def step_memory(
    build: Callable[[], Objective], split: Split, settings: TrainingSettings, device: torch.device, always: bool = False
) -> StepMemory | None:
    """What a training step takes, from what the objective keeps of two and of four samples.

    These are the longest ones; of series longer than 512 steps, three beginnings, and the parabola through them. The
    loss is computed once for each, without its gradient, on a separate objective.

    Returns:
        None for batches so small that nothing needs to be measured, unless ``always``, and for an objective whose loss
        fails: the first step says why.
    """
    available = machine.memory() if device.type == "cpu" else torch.cuda.get_device_properties(device).total_memory
    batch = min(settings.batch_size, len(split))
    if available is None or (not always and 4 * _NUMBERS * batch * _numbers(split) < available):
        return None
    few = split.batch(_longest(split, 4)).to(device)
    steps = max((value.shape[1] for value in few.values() if value.ndim == 3), default=0)
    before = _before(split, device)
    try:
        with own_random_state(gpus=True):
            objective = build().to(device).train()
            sample = _Measure(objective, few, settings.precision, batch).sample(steps)
    except Exception as error:
        if not out_of_memory(error):
            return None
        sample = float(available)  # of two or four samples
    weights = sum(p.numel() * p.element_size() for p in objective.parameters())
    return StepMemory(
        fixed=before + _COPIES * weights,
        sample=sample,
        batch=batch,
        steps=steps,
        available=available,
        owner="this machine" if device.type == "cpu" else "this GPU",
    )


@contextlib.contextmanager
def memory_errors(split: Split, settings: TrainingSettings) -> Iterator[None]:
    """Inside, the exception of an allocator becomes one line that says what to change.

    Raises:
        InputError: there is not enough memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        series = any(column.values.ndim == 3 for column in split.columns.values())
        raise InputError(
            f"There is not enough memory for a training step (training.batch_size {settings.batch_size}): lower "
            f"training.batch_size, take a smaller encoder{', or cut the series' if series else ''}."
        ) from error


def out_of_memory(error: BaseException) -> bool:
    """Whether an allocator raised the error, on a CPU or a GPU.

    >>> out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."))
    True
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _ALLOCATOR_WORDS)


class _Measure:
    """Bytes that the loss of an objective keeps for its backward pass.

    Args:
        objective: An objective in training mode.
        few: Samples to measure with.
        precision: Value of ``training.precision``.
        batch: Samples per training step.
    """

    def __init__(self, objective: Objective, few: MultimodalBatch, precision: str, batch: int) -> None:
        self.whole = batch
        self.double = precision == "64-true"
        self.objective, self.few = (objective.double() if self.double else objective), few
        half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
        self.autocast = torch.autocast(few.device.type, half) if half else contextlib.nullcontext()

    def sample(self, steps: int) -> float:
        """Bytes of one sample with series of ``steps`` steps."""
        shares = [measured / steps for measured in _STEPS] if steps > _STEPS[-1] else [1.0]
        try:
            kept = [self._kept(2, share) for share in shares]
        except Exception as error:
            if len(shares) == 1 or out_of_memory(error):
                raise
            shares = [1.0]  # an encoder that takes series of one length alone
            kept = [self._kept(2, 1.0)]
        more = max(0, self._kept(4, shares[-1]) - kept[-1]) if self.few.size == 4 else kept[-1]
        if len(shares) == 1:
            return more / 2
        whole = float(np.polyval(np.polyfit(_STEPS, kept, 2), steps))
        # what does not grow with the samples (weights that were cast) is not kept of each
        return max(whole - (kept[-1] - more), more) / 2

    def _kept(self, samples: int, share: float) -> int:
        """Bytes of the tensors that are kept, without parameters and buffers, and each storage once."""
        batch = _cut(self.few, samples, share, double=self.double)
        permanent = {t.untyped_storage().data_ptr() for t in (*self.objective.parameters(), *self.objective.buffers())}
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in permanent:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        stream = torch.Generator(batch.device).manual_seed(0)
        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        # hooks see this thread alone
        with one_after_the_other(), hooks, self.autocast, machine.as_if_whole(min(1.0, samples / self.whole)):
            terms = self.objective.loss(Step(batch, batch, 0.0, stream))
        del terms
        return sum(kept.values())


def _cut(batch: MultimodalBatch, samples: int, share: float, *, double: bool) -> MultimodalBatch:
    """The first samples, and of each series the first ``share``."""

    def steps(name: str) -> int:
        return max(1, round(share * batch[name].shape[1]))

    tensors = {name: v[:samples, : steps(name)] if v.ndim == 3 else v[:samples] for name, v in batch.items()}
    return replace(
        batch,
        tensors={name: value.double() if double else value for name, value in tensors.items()},
        padding={name: mask[:samples, : steps(name)] for name, mask in batch.padding.items()},
        targets={name: target[:samples] for name, target in batch.targets.items()},
        index=None if batch.index is None else batch.index[:samples],
        present={name: present[:samples] for name, present in batch.present.items()},
    )


def _numbers(split: Split) -> int:
    """Values of one sample, and pairs of steps of its series."""
    shapes = [column.values.shape[1:] for column in split.columns.values()]
    return sum(int(np.prod(shape)) + (shape[0] ** 2 if len(shape) == 2 else 0) for shape in shapes)


def _longest(split: Split, count: int) -> Tensor:
    """Indices of the samples with most steps, all series together, among those with most modalities."""
    score = torch.zeros(len(split))
    for column in split.columns.values():
        present = column.presence().to(score.device)
        score += 2.0 * len(split.columns) * present
        if column.lengths is not None:
            lengths = column.lengths if column.rows is None else column.lengths[column.rows]
            score += (present * lengths.to(score.device)) / max(1, int(lengths.max()))
    return score.topk(min(count, len(split))).indices.to(split.device)


def _before(split: Split, device: torch.device) -> int:
    """Bytes that are taken before the first step."""
    if device.type == "cpu":
        return machine.resident()
    held = (column.values for column in split.columns.values() if isinstance(column.values, Tensor))
    values = {tensor.untyped_storage().data_ptr(): tensor.nbytes for tensor in held}
    return int(torch.cuda.memory_allocated(device)) + sum(values.values())
