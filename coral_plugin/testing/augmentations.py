"""The contract of an augmentation, checked on small made-up values of every kind of modality that it applies to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from coral_plugin.augmentations import Augmentation
from coral_plugin.data import Modality
from coral_plugin.data.padding import valid_steps
from coral_plugin.errors import one_line
from coral_plugin.registry import AUGMENTATIONS
from coral_plugin.testing.expect import expect

_MODALITIES = (
    Modality(name="words", kind="sequence", shape=(12, 6)),
    Modality(name="series", kind="timeseries", shape=(12, 6)),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="photo", kind="image", shape=(3, 12, 10)),
    Modality(name="dot", kind="image", shape=(3, 1, 2)),
)
_LENGTHS = (12, 7, 1, 3, 0)
_OTHER_LENGTHS = (4, 2, 1, 3, 2)  # of the same sample 3 among others
_KEPT = slice(3, 4)


def check_augmentation(augmentation: Augmentation | str, **settings: Any) -> None:
    """Hold an augmentation to its contract, on every kind of modality that it applies to.

    It returns new values of the same shape, type and device, deterministic under its generator; it draws from nothing
    else and leaves its argument unchanged; padding is zero afterwards and without influence, and so are the other
    samples of the batch; images stay in [0, 1]; a batch of one works (without draws with the same result), and so does
    a tensor without data (``meta``), which no loop over samples survives.

    Args:
        augmentation: Augmentation, or the name of a registered one.
        settings: Settings other than the defaults.

    Raises:
        AssertionError: a broken rule, with what was expected and what was found.
    """
    entry: Augmentation = AUGMENTATIONS.get(augmentation) if isinstance(augmentation, str) else augmentation
    expect(isinstance(entry, Augmentation), "an Augmentation (decorate the function)", type(entry).__name__)
    modalities = [modality for modality in _MODALITIES if entry.applies_to(modality)]
    expect(bool(modalities), "one of the made-up modalities that it applies to", "none")
    for modality in modalities:
        lengths = None if modality.kind == "image" else torch.tensor(_LENGTHS).clamp(max=modality.shape[0])
        _check(entry, settings, modality, lengths)


def _check(entry: Augmentation, settings: dict[str, Any], modality: Modality, lengths: Tensor | None) -> None:
    kind = f"for kind {modality.kind}: "
    values = _values(modality, lengths)
    before, state, generator = values.clone(), torch.get_rng_state(), _seeded(3)
    result = entry(values, lengths, generator, **settings)
    draws = not torch.equal(generator.get_state(), _seeded(3).get_state())
    expect(torch.equal(values, before), f"{kind}an argument that stays unchanged", "a changed one")
    undisturbed = torch.equal(torch.get_rng_state(), state)
    expect(undisturbed, f"{kind}draws from its generator", "a draw from torch's global one")
    expect(result.shape == values.shape, f"{kind}shape {tuple(values.shape)}", tuple(result.shape))
    expect(result.dtype == values.dtype, f"{kind}type {values.dtype}", result.dtype)
    expect(bool(torch.isfinite(result).all()), f"{kind}finite values", "infinity or NaN")
    again = entry(values, lengths, _seeded(3), **settings)
    expect(torch.equal(again, result), f"{kind}the same result under the same generator", "another one")
    if lengths is None:
        inside = float(result.min()) >= -1e-9 and float(result.max()) <= 1 + 1e-9
        expect(inside, f"{kind}values in [0, 1]", f"{float(result.min()):g} to {float(result.max()):g}")
    else:
        padding = ~valid_steps(values, lengths)
        expect(not result[padding].any(), f"{kind}padding that is zero", "other values")
        dirty = entry(values.masked_fill(padding.unsqueeze(-1), torch.nan), lengths, _seeded(3), **settings)
        expect(torch.equal(dirty, result), f"{kind}padding without influence", "another result where it holds NaN")
    one = entry(values[_KEPT], None if lengths is None else lengths[_KEPT], _seeded(3), **settings)
    expect(one.shape == values[_KEPT].shape, f"{kind}a batch of one", tuple(one.shape))
    if not draws:
        same = torch.allclose(one, result[_KEPT], atol=1e-9)
        expect(same, f"{kind}the same result for a sample alone as in a batch", "another one")
    others = _values(modality, lengths, seed=6)
    others[_KEPT] = values[_KEPT]
    if lengths is not None:
        lengths = torch.tensor(_OTHER_LENGTHS)
        others = others.masked_fill(~valid_steps(others, lengths).unsqueeze(-1), 0)
    among_others = entry(others, lengths, _seeded(3), **settings)
    same = torch.allclose(among_others[_KEPT], result[_KEPT], atol=1e-9)
    expect(same, f"{kind}a result that the other samples of the batch have no part in", "another one among others")
    try:
        entry(values.to("meta"), None if lengths is None else lengths.to("meta"), None, **settings)
    except (RuntimeError, NotImplementedError) as error:
        expect(False, f"{kind}whole batches, on the device of the values", _device_fault(error))


def _device_fault(error: Exception) -> str:
    """What a failure on the device ``meta`` comes from."""
    text = one_line(error)
    if any(word in text for word in ("item()", "_local_scalar_dense", "out of meta", "is_nonzero", "aten::equal")):
        return f"it asks for a single number (.item(), int(), if): {text}"
    if "cpu" in text.lower() and "device" in text.lower():
        return f"a tensor was made on the CPU: give device=values.device ({text})"
    return text


def _values(modality: Modality, lengths: Tensor | None, seed: int = 5) -> Tensor:
    shape = (*modality.shape, 1) if modality.kind == "tabular" else modality.shape
    values = torch.rand(len(_LENGTHS), *shape, dtype=torch.float64, generator=_seeded(seed))
    return values if lengths is None else values.masked_fill(~valid_steps(values, lengths).unsqueeze(-1), 0)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
