"""COrAL: the parts of its representation, its settings and its size."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step
from coral_plugin.objectives.coral import Coral, CoralSettings

KINDS = (
    Modality(name="text", kind="sequence", shape=(6, 4)),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="scan", kind="image", shape=(3, 8, 8)),
    Modality(name="force", kind="timeseries", shape=(12, 3)),
    Modality(name="words.raw", kind="sequence", shape=(9, 2)),
    Modality(name="more", kind="tabular", shape=(70,)),
)
ENCODERS = {
    "text": "affect_transformer(layers=1, feedforward=8)",
    "force": "gru(hidden=6)",
    "words.raw": "conv1d",
    "more": "mlp(output=70)",  # more than 64: one token
}


def objective(n=3, seed=0, network=None, text=ENCODERS["text"], **settings):
    torch.manual_seed(seed)
    modalities = KINDS[:n]
    encoders = {m.name: ENCODERS[m.name] for m in modalities if m.name in ENCODERS} | {"text": text}
    sizes = {"width": 16, "heads": 4, "head_hidden": 12, "head_output": 8} | (network or {})
    return Coral(modalities, NetworkSettings(encoders=encoders, **sizes), CoralSettings(**settings))


def a_batch(n=3, size=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    values = {m.name: torch.rand(size, *m.shape, generator=generator) for m in KINDS[:n]}
    lengths = torch.arange(size) % 5 + 1
    padding = {m.name: torch.arange(m.shape[0])[None] >= lengths[:, None] for m in KINDS[:n] if m.kind == "sequence"}
    return MultimodalBatch(values, padding)


@pytest.mark.parametrize("masking", ["increasing", "constant"])
@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_any_number_of_mixed_modalities_trains_every_parameter(n, masking):
    coral = objective(n, masking=masking)
    terms = coral.loss(Step(a_batch(n), a_batch(n, seed=2), progress=0.6, generator=torch.Generator().manual_seed(0)))
    assert all(term.ndim == 0 and term.isfinite() for term in terms.values())
    terms["total"].backward()
    for name, parameter in coral.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # one token alone is pooled with weight 1, whatever the query; a bias before a normalisation has no effect
        if name != "unique.m_more.pool.query" and not name.endswith("bias"):
            assert parameter.grad.any(), name


@pytest.mark.parametrize("contrast", ["nt_xent", "info_nce"])
def test_a_last_batch_of_two(contrast):
    coral = objective(4, contrast=contrast)
    terms = coral.loss(Step(a_batch(4, size=2), a_batch(4, size=2, seed=2), progress=0.0))
    terms["total"].backward()
    assert all(term.isfinite() for term in terms.values())
    assert all(p.grad.isfinite().all() for p in coral.parameters())


@pytest.mark.parametrize(("design", "unique"), [("mlp_half", 8), ("mlp_full", 16), ("transformer_half", 8)])
def test_parts_and_their_widths(design, unique):
    coral = objective(3, unique_pathway=design)
    parts = coral.embed(a_batch())
    widths = {"shared": 16, "unique/text": unique, "unique/table": unique, "unique/scan": unique}
    assert {name: tuple(part.shape) for name, part in parts.items()} == {k: (5, w) for k, w in widths.items()}
    assert list(parts) == list(widths)
    projected = coral.projected(a_batch())
    assert {name: tuple(part.shape) for name, part in projected.items()} == dict.fromkeys(widths, (5, 8))


def test_each_part_goes_through_its_own_head():
    coral = objective(5).eval()
    batch = a_batch(5)
    parts, projected = coral.embed(batch), coral.projected(batch)
    heads = {"shared": coral.shared_head} | {
        f"unique/{m.name}": head for m, head in zip(coral.modalities, coral.unique_heads.values(), strict=True)
    }
    assert all(torch.equal(projected[name], heads[name](parts[name])) for name in parts)


def test_a_subset_of_the_modalities():
    coral = objective(3).eval()
    batch = a_batch()
    whole, two = coral.embed(batch), coral.embed(batch.select(["text", "scan"]))
    assert list(two) == ["shared", "unique/text", "unique/scan"]
    assert torch.equal(two["unique/text"], whole["unique/text"])
    assert torch.equal(two["unique/scan"], whole["unique/scan"])
    assert not torch.allclose(two["shared"], whole["shared"])
    assert list(coral.embed(batch.select(["table"]))) == ["shared", "unique/table"]


def test_unique_parts_see_their_modality_alone_and_shared_sees_all():
    coral = objective(3).eval()
    batch = a_batch()
    before = coral.embed(batch)
    for name in batch:
        changed = batch.with_values({**batch, name: batch[name] + 1})
        after = coral.embed(changed)
        moved = {part for part in before if not torch.allclose(before[part], after[part])}
        assert moved == {"shared", f"unique/{name}"}


@pytest.mark.parametrize("text", [ENCODERS["text"], "gru", "gru(last=True)"])
@pytest.mark.parametrize("content", [0.0, 100.0])
def test_neither_content_nor_amount_of_padding_changes_a_representation(content, text):
    coral = objective(5, text=text).eval()
    batch = a_batch(5)
    values, padding = dict(batch), dict(batch.padding)
    for name, mask in batch.padding.items():
        filled = torch.where(mask[..., None], content, batch[name])
        values[name] = torch.cat([filled, torch.full_like(filled[:, :3], content)], dim=1)
        padding[name] = torch.cat([mask, torch.ones_like(mask[:, :3])], dim=1)
    before, after = coral.embed(batch), coral.embed(MultimodalBatch(values, padding))
    for part, expected in before.items():
        assert torch.allclose(after[part], expected, atol=1e-5), part


def test_samples_do_not_see_each_other():
    coral = objective(5).eval()
    batch = a_batch(5)
    row = MultimodalBatch({k: v[2:3] for k, v in batch.items()}, {k: v[2:3] for k, v in batch.padding.items()})
    whole = coral.embed(batch)
    for part, alone in coral.embed(row).items():
        assert torch.allclose(alone[0], whole[part][2], atol=1e-5), part


def test_the_unique_pathways_share_no_parameter_with_the_shared_one():
    coral = objective(3)
    shared = {id(p) for p in (*coral.shared.parameters(), *coral.shared_head.parameters())}
    unique = {id(p) for part in (coral.unique_encoders, coral.unique, coral.unique_heads) for p in part.parameters()}
    assert not shared & unique
    assert len(shared | unique) == len(list(coral.parameters()))
    batch = a_batch()
    coral.eval().embed(batch)["shared"].sum().backward()
    assert all(p.grad is None for p in coral.unique_encoders.parameters())


def weights(module):
    return [p.detach() for p in module.parameters()]


def same(first, second):
    pairs = zip(weights(first), weights(second), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("copied", [True, False])
def test_copy_unique(copied):
    """The released code starts unique encoders, tokenizers and heads as copies; not the unique pathways."""
    coral = objective(4, copy_unique=copied)
    for key, encoder in coral.unique_encoders.items():
        assert same(encoder, coral.shared.encoders[key]) is copied
    first, *others = coral.unique_heads.values()
    assert all(same(first, other) is copied for other in others)
    assert not same(coral.unique["m_text"], coral.unique["m_table"])
    with torch.no_grad():
        for parameter in coral.unique_encoders.parameters():
            parameter.add_(1)
    assert not any(same(encoder, coral.shared.encoders[key]) for key, encoder in coral.unique_encoders.items())


def test_state_dict_round_trip():
    first, second, batch = objective(5, seed=0).eval(), objective(5, seed=1).eval(), a_batch(5)
    assert not torch.allclose(first.embed(batch)["shared"], second.embed(batch)["shared"])
    second.load_state_dict(first.state_dict())
    for name, part in first.projected(batch).items():
        assert torch.equal(second.projected(batch)[name], part)


def test_modules_from_python_win_over_names():
    own = nn.Linear(5, 16)
    network = NetworkSettings(width=16, heads=4, encoders={"table": "mlp", "text": ENCODERS["text"]})
    coral = Coral(KINDS[:2], network, CoralSettings(), {"table": own})
    encoders = [paths["m_table"].encoder for paths in (coral.shared.encoders, coral.unique_encoders)]
    assert all(type(encoder) is nn.Linear for encoder in encoders)
    assert len({id(encoder.weight) for encoder in (own, *encoders)}) == 3


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_modalities(n):
    with pytest.raises(InputError, match=rf"at least two modalities, got {n} \({'text' if n else 'none'}\)"):
        Coral(KINDS[:n], NetworkSettings(width=16), CoralSettings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("contrast", "ntxent"),
        ("temperature", 0.0),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("shared_weight", -1.0),
        ("unique_weight", -1.0),
        ("orthogonality_weight", float("nan")),
        ("orthogonality", "cos"),
        ("masking", "constnt"),
        ("mask_stages", ()),
        ("mask_stages", (0.1, 1.2)),
        ("mask_ratio", -0.1),
        ("mask_ratio", float("nan")),
        ("mask_partition", "fix"),
        ("unique_pathway", "mlp"),
    ],
)
def test_invalid_settings(name, value):
    with pytest.raises(InputError, match=r"method\.|Mask ratios"):
        CoralSettings(**{name: value})


@pytest.mark.parametrize("network", [{"width": 18}, {"width": 7, "heads": 7}])
def test_widths_that_do_not_fit(network):
    with pytest.raises(InputError, match=r"network\.width"):
        objective(2, network=network)


def test_defaults_are_the_papers():
    settings = CoralSettings()
    assert (settings.shared_weight, settings.unique_weight, settings.orthogonality_weight) == (1, 1, 1)
    assert (settings.orthogonality, settings.masking, settings.mask_partition) == ("cosine", "increasing", "random")
    assert settings.mask_stages == (0.05, 0.35, 0.55, 0.75)
    assert (settings.contrast, settings.temperature) == ("nt_xent", 0.1)
    assert (settings.unique_pathway, settings.copy_unique) == ("mlp_half", False)


def test_presets():
    assert not [key for key in Coral.presets["paper"] if not key.startswith("training.")]
    # specification 6.1: the script for Trifeature has the weight 1, those for MultiBench 10
    for preset, weight in (("released", 10.0), ("released_trifeature", 1.0)):
        values = Coral.presets[preset].items()
        method = {key.removeprefix("method."): value for key, value in values if key.startswith("method.")}
        assert replace(CoralSettings(), **method) == CoralSettings(
            orthogonality="squared_cosine",
            orthogonality_weight=weight,
            masking="constant",
            mask_ratio=0.75,
            mask_partition="fixed",
            copy_unique=True,
        )


def sequence(name, features):
    return Modality(name=name, kind="sequence", shape=(50, features))


@pytest.mark.parametrize(
    ("modalities", "network", "count"),
    [
        ((sequence("vision", 20), sequence("text", 300)), {}, 4_734_112),
        ((sequence("vision", 35), sequence("text", 300)), {}, 4_735_312),
        ((sequence("vision", 371), sequence("text", 300)), {}, 4_762_192),
        (
            (
                Modality(name="tabular", kind="tabular", shape=(5,)),
                Modality(name="series", kind="timeseries", shape=(24, 12)),
            ),
            {"width": 512, "encoders": {"series": "gru"}},
            7_295_060,
        ),
        # the released AlexNets, two shared and two unique, hold a linear layer 9216 -> 256 each that nothing uses
        (
            tuple(Modality(name=f"image{i}", kind="image", shape=(3, 224, 224)) for i in (1, 2)),
            {},
            25_501_696 - 4 * (9216 * 256 + 256),
        ),
    ],
    ids=["mosi", "mosei", "humor", "mimic", "trifeature"],
)
def test_number_of_parameters_is_that_of_the_released_models(modalities, network, count):
    """Specification 1.6, counted on the reference code."""
    coral = Coral(modalities, NetworkSettings(**network), CoralSettings())
    assert sum(p.numel() for p in coral.parameters() if p.requires_grad) == count
