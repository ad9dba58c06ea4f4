"""CoMM: its loss from its parts, missing modalities, its size, settings and presets."""

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step, base
from coral_plugin.objectives.comm import Comm, CommSettings
from coral_plugin.runs.settings import make_settings

KINDS = (
    Modality(name="text", kind="sequence", shape=(6, 4)),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="words.raw", kind="sequence", shape=(9, 2)),
    Modality(name="more", kind="tabular", shape=(70,)),
)
ENCODERS = {
    "text": "affect_transformer(layers=1, feedforward=8, dropout=0.0)",
    "words.raw": "conv1d",
    "more": "mlp(output=70)",  # more than 64: one token
}


def objective(n=3, network=None, **settings):
    torch.manual_seed(0)
    modalities = KINDS[:n]
    encoders = {m.name: ENCODERS[m.name] for m in modalities if m.name in ENCODERS}
    sizes = {"width": 16, "heads": 4, "head_hidden": 12, "head_output": 8} | (network or {})
    return Comm(modalities, NetworkSettings(encoders=encoders, **sizes), CommSettings(**settings))


def a_batch(n=3, size=6, seed=1, present=None):
    generator = torch.Generator().manual_seed(seed)
    values = {m.name: torch.rand(size, *m.shape, generator=generator) for m in KINDS[:n]}
    lengths = torch.arange(size) % 5 + 1
    padding = {m.name: torch.arange(m.shape[0])[None] >= lengths[:, None] for m in KINDS[:n] if m.kind == "sequence"}
    return MultimodalBatch(values, padding, present={k: torch.tensor(v).bool() for k, v in (present or {}).items()})


def naive_nt_xent(a, b, temperature=0.1):
    rows = [v / v.norm() for v in (*a, *b)]
    n, total = len(a), 0.0
    for i, row in enumerate(rows):
        below = sum(torch.exp(row @ other / temperature) for j, other in enumerate(rows) if j != i)
        total = total - (row @ rows[(i + n) % (2 * n)] / temperature - torch.log(below))
    return total / (2 * n)


def fused_and_projected(comm, batch, names, rows=slice(None)):
    """One subset of the modalities, encoded, fused and projected by itself."""
    tokens, padding = comm.shared.tokenise(batch.select(names))
    padding = {name: mask if mask is None else mask[rows] for name, mask in padding.items()}
    return comm.shared_head(comm.shared.fusion({name: part[rows] for name, part in tokens.items()}, padding))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_whole_loss_from_its_parts(n):
    """In training mode, so that each part has batch statistics of its own (specification 1.3)."""
    comm = objective(n, temperature=0.3, unimodal_weight=2.0, joint_weight=5.0)
    first, second = a_batch(n), a_batch(n, seed=2)
    terms = comm.loss(Step(first, second, progress=0.5))
    one, two = (fused_and_projected(comm, batch, list(batch)) for batch in (first, second))
    expected = {}
    for name in first:
        alone = [fused_and_projected(comm, batch, [name]) for batch in (first, second)]
        expected[f"unimodal/{name}"] = (naive_nt_xent(alone[0], two, 0.3) + naive_nt_xent(alone[1], one, 0.3)) / 2
    expected["joint"] = naive_nt_xent(one, two, 0.3)
    expected["total"] = (2 * sum(expected[f"unimodal/{name}"] for name in first) + 5 * expected["joint"]) / (n + 1)
    assert list(terms) == list(expected)
    for name, value in expected.items():
        assert torch.allclose(terms[name], value, atol=1e-4), name


@pytest.mark.parametrize("n", [2, 3, 4])
def test_gradients_reach_every_parameter(n):
    comm = objective(n)
    comm.loss(Step(a_batch(n), a_batch(n, seed=2), progress=0.0))["total"].backward()
    for name, parameter in comm.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # a bias before a normalisation has no effect
        if not name.endswith("bias"):
            assert parameter.grad.any(), name


def test_a_view_is_encoded_once_and_each_subset_is_fused_once(monkeypatch):
    comm, calls = objective(3), []
    encoder, fusion = comm.shared.encoders["m_table"], comm.shared.fusion
    encode, fuse = encoder.forward, fusion.forward
    monkeypatch.setattr(encoder, "forward", lambda *args: (calls.append("encoder"), encode(*args))[1])
    monkeypatch.setattr(fusion, "forward", lambda *args: (calls.append(tuple(args[0])), fuse(*args))[1])
    comm.loss(Step(a_batch(), a_batch(seed=2), progress=0.0))
    view = ["encoder", ("text",), ("table",), ("words.raw",), ("text", "table", "words.raw")]
    assert calls == view * 2


def test_the_representation_is_the_fusion_of_all_modalities_before_the_head():
    comm, batch = objective().eval(), a_batch()
    parts, projected = comm.embed(batch), comm.projected(batch)
    assert {name: tuple(part.shape) for name, part in parts.items()} == {"shared": (6, 16)}
    assert torch.equal(parts["shared"], comm.shared.fusion(*comm.shared.tokenise(batch)))
    assert torch.equal(projected["shared"], comm.shared_head(parts["shared"]))


def test_subsets_of_the_modalities():
    comm, batch = objective().eval(), a_batch()
    subsets = (["text"], ["table"], ["text", "words.raw"], list(batch))
    parts = [comm.embed(batch.select(names))["shared"] for names in subsets]
    assert all(not torch.allclose(a, b) for i, a in enumerate(parts) for b in parts[:i])
    for names, part in zip(subsets, parts, strict=True):
        changed = batch.with_values({k: v if k in names else v + 1 for k, v in batch.items()})
        assert torch.equal(comm.embed(changed.select(names))["shared"], part)
    views = (a_batch(seed=seed).select(["text", "table"]) for seed in (1, 2))
    assert list(comm.loss(Step(*views, 0.5))) == ["unimodal/text", "unimodal/table", "joint", "total"]


@pytest.mark.parametrize("content", [0.0, 100.0])
def test_neither_content_nor_amount_of_padding_changes_anything(content):
    comm = objective(3).eval()
    batches = [a_batch(seed=seed) for seed in (1, 2)]
    changed = []
    for batch in batches:
        values, padding = dict(batch), dict(batch.padding)
        for name, mask in batch.padding.items():
            filled = torch.where(mask[..., None], content, batch[name])
            values[name] = torch.cat([filled, torch.full_like(filled[:, :3], content)], dim=1)
            padding[name] = torch.cat([mask, torch.ones_like(mask[:, :3])], dim=1)
        changed.append(MultimodalBatch(values, padding))
    assert torch.allclose(comm.embed(changed[0])["shared"], comm.embed(batches[0])["shared"], atol=1e-5)
    before, after = comm.loss(Step(*batches, 0.5)), comm.loss(Step(*changed, 0.5))
    assert all(torch.allclose(before[name], after[name], atol=1e-4) for name in before)


PRESENT = {"text": [1, 1, 0, 1, 0, 1], "table": [1, 0, 1, 1, 1, 1]}


def test_a_modalitys_term_is_over_the_samples_that_have_it():
    comm = objective()
    first, second = (a_batch(seed=seed, present=PRESENT) for seed in (1, 2))
    terms = comm.loss(Step(first, second, 0.0))
    one, two = (fused_and_projected(comm, batch, list(batch)) for batch in (first, second))
    assert torch.allclose(terms["joint"], naive_nt_xent(one, two), atol=1e-4)
    for name in first:
        rows = torch.tensor(PRESENT.get(name, [1] * 6)).nonzero().squeeze(1)
        alone = [fused_and_projected(comm, batch, [name], rows) for batch in (first, second)]
        expected = (naive_nt_xent(alone[0], two[rows]) + naive_nt_xent(alone[1], one[rows])) / 2
        assert torch.allclose(terms[f"unimodal/{name}"], expected, atol=1e-4), name


def test_values_of_missing_modalities_do_not_matter():
    comm = objective()
    batches = [a_batch(seed=seed, present=PRESENT) for seed in (1, 2)]
    broken = []
    for batch in batches:
        values = {name: value.clone() for name, value in batch.items()}
        for name, present in batch.present.items():
            values[name][~present] = float("nan")
        broken.append(batch.with_values(values))
    before, after = comm.loss(Step(*batches, 0.0)), comm.loss(Step(*broken, 0.0))
    assert all(torch.equal(before[name], after[name]) for name in before)
    after["total"].backward()
    assert all(p.grad.isfinite().all() for p in comm.parameters())


@pytest.mark.parametrize("present", [[0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]])
def test_a_modality_of_fewer_than_two_samples_has_no_term(present):
    comm = objective()
    views = (a_batch(seed=seed, present={"text": present}) for seed in (1, 2))
    terms = comm.loss(Step(*views, 0.0))
    assert terms["unimodal/text"] == 0
    terms["total"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in comm.parameters())


def test_two_processes_have_the_loss_of_the_whole_batch(monkeypatch):
    """The rows that each half of a batch hands to the others, put together. Batch norm is at rest."""
    comm = objective().eval()
    whole = [a_batch(seed=seed, present=PRESENT) for seed in (1, 2)]
    expected = comm.loss(Step(*whole, 0.0))
    handed = []
    for rows in (slice(0, 2), slice(2, 6)):
        part = [
            MultimodalBatch(*({k: v[rows] for k, v in d.items()} for d in (b.tensors, b.padding)),
                            present={k: v[rows] for k, v in b.present.items()})
            for b in whole
        ]  # fmt: skip
        handed.append([])
        monkeypatch.setattr(base, "gather", lambda rows: (handed[-1].append(rows), rows)[1])
        comm.loss(Step(*part, 0.0))
    together = iter([torch.cat(pair) for pair in zip(*handed, strict=True)])
    monkeypatch.setattr(base, "gather", lambda rows: next(together))
    terms = comm.loss(Step(*part, 0.0))
    assert all(torch.allclose(terms[name], expected[name], atol=1e-5) for name in expected)
    assert next(together, None) is None


def test_a_last_batch_of_two():
    comm = objective(4)
    terms = comm.loss(Step(a_batch(4, size=2), a_batch(4, size=2, seed=2), progress=0.0))
    terms["total"].backward()
    assert all(term.isfinite() for term in terms.values())


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_modalities_are_refused(count):
    with pytest.raises(InputError, match=f"Comm needs at least two modalities, got {count}"):
        objective(count)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"temperature": float("nan")}, "temperature must be positive"),
        ({"unimodal_weight": -1.0}, "unimodal_weight cannot be negative"),
        ({"joint_weight": float("inf")}, "joint_weight cannot be negative"),
        ({"unimodal_weight": 0.0, "joint_weight": 0.0}, r"At least one of method\.unimodal_weight, method\.joint"),
    ],
)
def test_invalid_settings(settings, message):
    with pytest.raises(InputError, match=message):
        CommSettings(**settings)


def sequence(name, features):
    return Modality(name=name, kind="sequence", shape=(50, features))


SIZES = {
    "mosi": ((sequence("vision", 20), sequence("text", 300)), {}, 2_176_144),
    "mosei": ((sequence("vision", 35), sequence("text", 300)), {}, 2_176_744),
    "humor": ((sequence("vision", 371), sequence("text", 300)), {}, 2_190_184),
    "mimic": (
        (
            Modality(name="tabular", kind="tabular", shape=(5,)),
            Modality(name="series", kind="timeseries", shape=(24, 12)),
        ),
        {"width": 512, "encoders": {"series": "gru"}},
        4_630_954,
    ),
    # the released AlexNets hold a linear layer 9216 -> 256 each that nothing uses
    "trifeature": (
        tuple(Modality(name=f"image{i}", kind="image", shape=(3, 224, 224)) for i in (1, 2)),
        {},
        13_734_272 - 4_719_104,
    ),
}


@pytest.mark.parametrize("name", SIZES)
def test_number_of_parameters_is_that_of_the_released_models(name):
    """Specification 1.6, counted on the reference code."""
    modalities, network, count = SIZES[name]
    comm = Comm(modalities, NetworkSettings(**network), CommSettings())
    assert sum(p.numel() for p in comm.parameters() if p.requires_grad) == count
    assert 2 * (9216 * 256 + 256) == 4_719_104


@pytest.mark.parametrize(
    ("preset", "rate", "decay", "width"),
    [
        ("paper", 1e-3, 1e-2, 0),
        ("as_run_by_coral", 1e-3, 1e-2, 0),
        ("trifeature", 3e-4, 1e-4, 0),
        ("mosi", 1e-3, 1e-2, 0),
        ("humor", 1e-3, 1e-2, 0),
        ("ur_funny", 1e-3, 1e-2, 0),
        ("sarcasm", 1e-3, 1e-2, 0),
        ("mustard", 1e-3, 1e-2, 0),
        ("mosei", 1e-4, 1e-2, 0),
        ("mimic", 1e-3, 1e-2, 512),
        ("vision_touch_ee", 1e-3, 1e-2, 128),
        ("vision_touch_contact", 1e-3, 1e-2, 512),
        ("vision_touch_trimodal", 1e-4, 1e-2, 512),
        ("ur_funny_trimodal", 1e-4, 1e-2, 0),
        ("imdb", 1e-4, 1e-2, 768),
    ],
)
def test_presets_are_those_of_methods(preset, rate, decay, width):
    settings = make_settings("comm", "digits", preset=preset)
    training = settings.training
    assert (training.learning_rate, training.weight_decay, training.epochs) == (rate, decay, 100)
    assert (training.batch_size, settings.network.depth, settings.network.width) == (64, 1, width)
    assert settings.method == CommSettings(temperature=0.1, unimodal_weight=1.0, joint_weight=1.0)
    assert (training.schedule, training.warmup) == (("cosine", 0.1) if preset == "imdb" else ("constant", 0.05))


def test_encoders_from_python():
    encoders = {"text": lambda modality, width: nn.Linear(4, width)}
    comm = Comm(KINDS[:2], NetworkSettings(width=8), CommSettings(), encoders)
    assert isinstance(comm.shared.encoders["m_text"].encoder, nn.Linear)
