"""What clip, cross_self, cmc, simclr and slip have in common, on modalities of every kind."""

from dataclasses import replace

import pytest
import torch

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings, project_present
from coral_plugin.objectives import Step
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.settings import make_settings

NAMES = ("clip", "cmc", "cross_self", "simclr", "slip")
KINDS = (
    Modality(name="text", kind="sequence", shape=(6, 4)),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="scan.raw", kind="image", shape=(3, 8, 8)),
    Modality(name="force", kind="timeseries", shape=(12, 3)),
)
ENCODERS = {
    "text": "affect_transformer(layers=1, feedforward=8)",
    "scan.raw": "small_conv(channels=4)",
    "force": "gru(hidden=6)",
}

pytestmark = pytest.mark.parametrize("name", NAMES)


def objective(name, n=3, **settings):
    torch.manual_seed(0)
    cls, modalities = OBJECTIVES.get(name), KINDS[:n]
    encoders = {m.name: ENCODERS[m.name] for m in modalities if m.name in ENCODERS}
    network = NetworkSettings(width=16, head_hidden=12, head_output=8, encoders=encoders)
    return cls(modalities, network, cls.Settings(**settings))


def a_batch(n=3, size=6, seed=1, missing=False):
    generator = torch.Generator().manual_seed(seed)
    values = {m.name: torch.rand(size, *m.shape, generator=generator) for m in KINDS[:n]}
    lengths = torch.arange(size) % 5 + 1
    padding = {m.name: torch.arange(m.shape[0])[None] >= lengths[:, None] for m in KINDS[:n] if m.kind == "sequence"}
    rows = torch.arange(size)
    present = {"text": rows > 0, "table": rows % 3 != 1} if missing else {}
    return MultimodalBatch(values, padding, present=present)


def terms(of, batches, train=True):
    torch.manual_seed(3)  # dropout
    first, second, raw = batches
    return of.train(train).loss(Step(first, second, 0.5, torch.Generator().manual_seed(0), raw=raw))


def three(n=3, **options):
    return [a_batch(n, seed=seed, **options) for seed in (1, 2, 3)]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n", [2, 4])
def test_every_parameter_is_trained(name, n, missing):
    settings = {"self_modalities": ("text", "table")} if name == "slip" else {}
    of = objective(name, n, **settings)
    got = terms(of, three(n, missing=missing))
    assert all(term.ndim == 0 and term.isfinite() for term in got.values())
    got["total"].backward()
    for path, parameter in of.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
        # a bias before a normalisation has no effect
        if not path.endswith("bias"):
            assert parameter.grad.any(), path


def test_parts_are_the_modalities(name):
    of, batch = objective(name, 4), a_batch(4)
    width = 8 if name in ("clip", "slip") else 16
    names = [m.name for m in KINDS]
    assert {part: tuple(value.shape) for part, value in of.embed(batch).items()} == dict.fromkeys(names, (6, width))
    assert {part: tuple(value.shape) for part, value in of.projected(batch).items()} == dict.fromkeys(names, (6, 8))
    assert list(of.embed(batch)) == list(of.projected(batch)) == names


def test_a_subset_of_the_modalities_and_of_the_samples(name):
    of, batch = objective(name, 4).eval(), a_batch(4)
    whole = of.embed(batch)
    some = of.embed(batch.select(["force", "text"]))
    assert list(some) == ["force", "text"]
    assert all(torch.equal(part, whole[each]) for each, part in some.items())
    row = MultimodalBatch({k: v[2:3] for k, v in batch.items()}, {k: v[2:3] for k, v in batch.padding.items()})
    for each, alone in of.embed(row).items():
        assert torch.allclose(alone[0], whole[each][2], atol=1e-5), each


def test_each_part_sees_its_modality_alone(name):
    of, batch = objective(name, 4).eval(), a_batch(4)
    before = of.embed(batch)
    for each in batch:
        after = of.embed(batch.with_values({**batch, each: batch[each] + 1}))
        assert {part for part in before if not torch.allclose(before[part], after[part])} == {each}


def test_neither_content_nor_amount_of_padding_matters(name):
    of, batches = objective(name).eval(), three()

    def padded(batch):
        mask = batch.padding["text"]
        text = torch.where(mask[..., None], 100.0, batch["text"])
        text = torch.cat([text, torch.full_like(text[:, :3], 100.0)], dim=1)
        return MultimodalBatch({**batch, "text": text}, {"text": torch.cat([mask, torch.ones_like(mask[:, :3])], 1)})

    before, after = of.embed(batches[0]), of.embed(padded(batches[0]))
    assert all(torch.allclose(after[part], before[part], atol=1e-5) for part in before)
    totals = [terms(of, each, train=False)["total"] for each in (batches, [padded(batch) for batch in batches])]
    assert torch.allclose(*totals, atol=1e-4)


@pytest.mark.parametrize("train", [True, False])
def test_values_of_absent_modalities_do_not_matter(name, train):
    batches = three(missing=True)

    def changed(batch):
        values = {
            each: torch.where(batch.present[each].view(-1, *[1] * (v.ndim - 1)), v, 1e3) if each in batch.present else v
            for each, v in batch.items()
        }
        return batch.with_values(values)

    gradients = []
    for each in (batches, [changed(batch) for batch in batches]):
        of = objective(name)
        total = terms(of, each, train)["total"]
        total.backward()
        gradients.append([total, *(p.grad for p in of.parameters() if p.grad is not None)])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_absent_modalities_are_zero_and_leave_the_others_alone(name):
    of, batch = objective(name).eval(), a_batch(missing=True)
    whole = replace(batch, present={})
    for there, all_there in ((of.embed(batch), of.embed(whole)), (of.projected(batch), of.projected(whole))):
        for each, part in there.items():
            mask = batch.present.get(each, torch.ones(6, dtype=torch.bool))
            assert torch.allclose(part[mask], all_there[each][mask], atol=1e-6)
            assert not part[~mask].any()


@pytest.mark.parametrize("count", [0, 1])
def test_a_modality_that_almost_every_sample_lacks(name, count):
    of = objective(name)
    batches = [replace(batch, present={"text": torch.arange(6) < count}) for batch in three()]
    got = terms(of, batches)
    got["total"].backward()
    assert got["total"] > 0
    assert all(p.grad.isfinite().all() for p in of.parameters() if p.grad is not None)
    assert all(buffer.isfinite().all() for buffer in of.buffers())


def test_absent_samples_do_not_reach_the_batch_statistics(name):
    head = objective(name).heads["m_text"]
    torch.manual_seed(1)
    rows, mask = torch.randn(6, 16), torch.arange(6) % 3 != 0
    among, alone = project_present(head.train(), rows, mask), head(rows[mask])
    assert torch.allclose(among[mask], alone, atol=1e-6)
    assert not among[~mask].any()


def test_too_few_modalities(name):
    cls = OBJECTIVES.get(name)
    for n in range(cls.min_modalities):
        with pytest.raises(
            InputError, match=rf"^{cls.__name__} needs at least \w+ modalit\w+, got {n} \({'text' if n else 'none'}\)"
        ):
            cls(KINDS[:n], NetworkSettings(width=16), cls.Settings())
    assert cls.min_modalities == (1 if name == "simclr" else 2)


def test_presets_are_settings_of_a_run(name):
    presets = OBJECTIVES.get(name).presets
    assert "paper" in presets
    for preset, values in presets.items():
        settings = make_settings(name, "digits", preset=preset)
        for key, value in values.items():
            group, _, field = key.partition(".")
            assert getattr(getattr(settings, group), field) == value
