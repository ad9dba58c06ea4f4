"""Reading a script's loaders, and the way between its batches and ours."""

import pytest
import torch
from torch.utils.data import DataLoader

from coral_plugin.errors import InputError
from coral_plugin.multibench.reading import first_batch, names_of, read_script


def read(loaders, packed=False, **options):
    values, _, _ = first_batch(loaders[0], packed)
    return read_script(*loaders, values, packed, **options)


def rows(shape, count=12, seed=0, transform=lambda x: x, labels=None):
    values = transform(torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed)))
    return [[values[i], torch.tensor(i % 2)] for i in range(count)]


def round_trip(script, loader, packed):
    """A batch of the loader through ours and back."""
    batch = next(iter(loader))
    given = [list(batch[0]), list(batch[1])] if packed else list(batch[:-1])
    ours = script.batches.to_ours(given)
    return batch, ours, script.batches.to_theirs(ours)


def test_packed_batches_come_back(packed):
    script = read(packed, packed=True)
    assert [m.kind for m in script.data.modalities] == ["sequence"] * 3
    batch, ours, (values, lengths) = round_trip(script, packed[1], True)
    for theirs, steps, raw, own, name in zip(values, lengths, batch[0], batch[1], ours, strict=True):
        assert torch.equal(theirs[:, : raw.shape[1]], raw)
        assert torch.equal(steps, own)
        assert torch.equal((~ours.padding[name]).sum(1), own)
    assert torch.equal(script.truths["valid"], torch.stack([s[-1] for s in packed[1].dataset]))


@pytest.mark.parametrize(
    ("shape", "transform", "kind", "held"),
    [
        ((5,), lambda x: x, "tabular", (5,)),
        ((6, 4), lambda x: x, "timeseries", (6, 4)),
        ((6, 4), lambda x: torch.cat([x[:, :4], 0 * x[:, 4:]], 1), "sequence", (6, 4)),
        ((1, 8, 8), torch.sigmoid, "image", (1, 8, 8)),
        ((3, 8, 8), lambda x: x, "image", (3, 8, 8)),
        ((8, 6, 3), lambda x: (x.sigmoid() * 255).round(), "image", (3, 8, 6)),
        ((16, 8, 8), lambda x: x, "timeseries", (16, 64)),
    ],
)
def test_positional_batches_come_back(shape, transform, kind, held):
    loaders = [DataLoader(rows(shape, seed=seed, transform=transform), 4) for seed in (0, 1)]
    script = read(loaders)
    (modality,) = script.data.modalities
    assert (modality.kind, modality.shape) == (kind, held)
    batch, ours, (values, lengths) = round_trip(script, loaders[1], False)
    assert lengths is None
    assert torch.allclose(values[0], batch[0], atol=1e-5)
    column = script.data.valid.batch(torch.arange(4))[modality.name]
    assert torch.allclose(ours[modality.name][:, : column.shape[1]], column, atol=1e-6)


def test_images_are_held_between_0_and_1_whatever_the_script_feeds():
    loaders = [DataLoader(rows((3, 8, 8), seed=seed, transform=lambda x: 40 * x - 7), 4) for seed in (0, 1)]
    script = read(loaders)
    values = script.data.train.batch(torch.arange(12))["image_1"]
    assert (float(values.min()), float(values.max())) == (0, 1)


def test_a_script_has_the_same_order_and_fingerprint_each_time(positional):
    loaders = positional((4,), (3,))
    torch.manual_seed(0)
    one = read(loaders)
    torch.manual_seed(1)
    two = read(loaders)
    assert one.data.fingerprint == two.data.fingerprint
    assert torch.equal(one.truths["train"], torch.arange(48) % 2)


def test_names_tell_what_a_modality_looks_like():
    values = [torch.zeros(2, 5), torch.zeros(2, 6, 4), torch.zeros(2, 8, 8, 3), torch.zeros(2, 16, 8, 8)]
    assert names_of(values, packed=False) == ["table_1", "series_2", "image_3", "series_4"]
    with pytest.raises(InputError, match="comes with lengths"):
        names_of(values[:1], packed=True)


def test_a_long_reading_says_how_far_it_is(positional, monkeypatch):
    monkeypatch.setattr("coral_plugin.multibench.reading._SAY_EVERY", 0.0)
    said = []
    read(positional((4,), (3,)), say=said.append)
    assert said[0] == "reading the script's train loader: 8 samples so far"
