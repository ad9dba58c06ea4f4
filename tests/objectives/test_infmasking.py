"""InfMasking: its loss from its parts, its relation to CoMM, its masks, size, settings and presets."""

from dataclasses import asdict

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step, base
from coral_plugin.objectives.base import parameter_groups
from coral_plugin.objectives.comm import Comm
from coral_plugin.objectives.infmasking import InfMasking, InfMaskingSettings
from coral_plugin.runs.settings import make_settings

STEPS = 7
KINDS = (
    Modality(name="series", kind="sequence", shape=(STEPS, 3)),
    Modality(name="table", kind="tabular", shape=(5,)),  # five tokens
    Modality(name="more", kind="tabular", shape=(70,)),  # one token
    Modality(name="other", kind="sequence", shape=(STEPS, 2)),
)
ENCODERS = {
    "series": lambda modality, width: nn.Linear(3, width),
    "table": lambda modality, width: nn.Identity(),
    "more": lambda modality, width: nn.Identity(),
    "other": lambda modality, width: nn.Linear(2, width),
}
NETWORK = {"width": 8, "heads": 2, "head_hidden": 12, "head_output": 6}
PRESENT = {"series": [1, 1, 0, 1, 0, 1], "more": [1, 0, 1, 1, 1, 1]}


def objective(n=3, cls=InfMasking, **settings):
    torch.manual_seed(0)
    encoders = {m.name: ENCODERS[m.name] for m in KINDS[:n]}
    return cls(KINDS[:n], NetworkSettings(**NETWORK), cls.Settings(**settings), encoders)


def a_batch(n=3, size=6, seed=1, present=None):
    generator = torch.Generator().manual_seed(seed)
    values = {m.name: torch.rand(size, *m.shape, generator=generator) for m in KINDS[:n]}
    lengths = torch.arange(size) % STEPS + 1
    padding = {m.name: torch.arange(STEPS)[None] >= lengths[:, None] for m in KINDS[:n] if m.kind == "sequence"}
    return MultimodalBatch(values, padding, present={k: torch.tensor(v).bool() for k, v in (present or {}).items()})


def views(n=3, **more):
    return a_batch(n, seed=1, **more), a_batch(n, seed=2, **more)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def naive_bound(anchors, masked, temperature, weight):
    """Specification 2.3 with the covariance formed."""
    q, m = [v / v.norm() for v in anchors], [[v / v.norm() for v in each] for each in masked]
    n, copies, total = len(q), len(m[0]), 0.0
    for i in range(n):
        mean = sum(m[i]) / copies
        covariance = sum(torch.outer(v - mean, v - mean) for v in m[i]) / copies
        positive = q[i] @ mean / temperature
        below = torch.exp(positive + weight * (q[i] @ covariance @ q[i]) / (2 * temperature**2))
        for j in range(n):
            if j != i:
                below = below + sum(torch.exp(q[i] @ other / temperature) for other in [q[j], *m[j]])
        total = total - positive + torch.log(below)
    return total / n


def spied(module, monkeypatch):
    """Arguments and results of every call of ``module``."""
    seen, forward = [], module.forward

    def spy(*args):
        result = forward(*args)
        seen.append((args, result))
        return result

    monkeypatch.setattr(module, "forward", spy)
    return seen


@pytest.mark.parametrize("present", [None, PRESENT])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_whole_loss_from_its_parts(monkeypatch, n, present):
    """Each masked view fused and projected alone, in training mode: statistics are a call's (specification 1.3)."""
    weights = {"masked_weight": 3.0, "unimodal_weight": 2.0, "joint_weight": 5.0}
    present = {name: rows for name, rows in (present or {}).items() if name in [m.name for m in KINDS[:n]]}
    method = objective(n, temperature=0.3, covariance_scale=0.8, mask_ratio=0.5, masks=3, **weights)
    batches = views(n, present=present)
    calls = spied(method.mask, monkeypatch)
    terms = method.loss(Step(*batches, progress=0.3, generator=stream()))
    expected = {}
    for name, batch, (_, (drawn, hidden)) in zip(("first", "second"), batches, calls, strict=True):
        joint = method.shared_head(method.shared(batch))
        masked = []
        for k in range(3):
            rows = slice(6 * k, 6 * k + 6)
            tokens = {name: part[rows] for name, part in drawn.items()}
            padding = {name: None if mask is None else mask[rows] for name, mask in hidden.items()}
            masked.append(method.shared_head(method.shared.fusion(tokens, padding)))
        expected[f"masked/{name}"] = naive_bound(joint, torch.stack(masked, dim=1), 0.3, 0.8 * 0.3)
    comm = objective(n, Comm, temperature=0.3)
    comm.load_state_dict({k: v for k, v in method.state_dict().items() if not k.startswith("mask.")})
    expected |= comm.loss(Step(*batches, progress=0.3))
    unimodal = [value for name, value in expected.items() if name.startswith("unimodal")]
    weighed = 3 * (expected["masked/first"] + expected["masked/second"]) + 2 * sum(unimodal) + 5 * expected["joint"]
    expected["total"] = weighed / (n + 3)
    assert list(terms) == list(expected)
    for name, value in expected.items():
        assert torch.allclose(terms[name], value, atol=1e-4), name


@pytest.mark.parametrize("n", [2, 3, 4])
def test_comm_is_infmasking_without_weight_on_the_masks_up_to_the_number_of_terms(n):
    comm, method = objective(n, Comm), objective(n, masked_weight=0.0)
    expected = comm.loss(Step(*views(n), progress=0.5))["total"]
    total = method.loss(Step(*views(n), progress=0.5, generator=stream()))["total"]
    assert torch.allclose(total * (n + 3) / (n + 1), expected, atol=1e-5)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_gradients_reach_every_parameter(n):
    method = objective(n)
    method.loss(Step(*views(n), progress=0.5, generator=stream()))["total"].backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # a bias before a normalisation has no effect
        if not name.endswith("bias"):
            assert parameter.grad.any(), name


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_the_weight_of_the_covariance_grows_with_the_training(progress):
    method = objective(covariance_scale=2.0, temperature=0.3)
    constant = objective(covariance_scale=2.0 * progress, temperature=0.3)
    terms = method.loss(Step(*views(), progress, stream()))
    assert method.used == {"covariance_weight": 2.0 * progress}
    assert torch.equal(terms["total"], constant.loss(Step(*views(), 1.0, stream()))["total"])
    other = method.loss(Step(*views(), progress + 0.5, stream()))
    assert {name for name in terms if terms[name] != other[name]} == {"masked/first", "masked/second", "total"}


def test_at_the_end_of_each_epoch_the_weight_is_that_of_the_released_code():
    method = objective(covariance_scale=0.5)
    assert method.covariance_weight((29 + 1) / 100) == 0.5 * 30 / 100


def test_only_joint_tokens_are_masked_and_nothing_is_fused_twice(monkeypatch):
    method = objective(masks=4)
    calls = spied(method.shared.fusion, monkeypatch)
    method.loss(Step(*views(), progress=0.0, generator=stream()))
    names = ("series", "table", "more")
    sizes = [(tuple(args[0]), len(result)) for args, result in calls]
    assert sizes == [*(((name,), 6) for name in names), (names, 6), (names, 24)] * 2


def test_kept_tokens_of_each_modality(monkeypatch):
    """floor(L * (1 - ratio)) of each sample's own steps, one at least; an only token is hidden or not."""
    method = objective(mask_ratio=0.7, masks=20)
    calls = spied(method.shared.fusion, monkeypatch)
    method.loss(Step(*views(), progress=0.0, generator=stream()))
    tokens, padding = calls[4][0]
    kept = {name: (part != method.mask.token).any(-1) for name, part in tokens.items()}
    steps = (kept["series"] & ~padding["series"]).sum(1).unflatten(0, (20, 6))
    assert (steps[:, 1:] == 1).all()  # 0.3 of 2 to 6 steps
    assert set(steps[:, 0].tolist()) == {0, 1}
    assert kept["table"].sum(1).tolist() == [1] * 120  # of five
    assert set(kept["more"].sum(1).tolist()) == {0, 1}


def test_masked_views_of_modalities_of_one_token_differ_and_train_the_mask_token(monkeypatch):
    """As on the small Trifeature, where every image is one token."""
    pair = tuple(Modality(name=name, kind="tabular", shape=(70,)) for name in ("left", "right"))
    torch.manual_seed(0)
    encoders = dict.fromkeys(("left", "right"), lambda modality, width: nn.Identity())
    method = InfMasking(pair, NetworkSettings(**NETWORK), InfMaskingSettings(masks=4), encoders)
    generator = torch.Generator().manual_seed(3)
    batches = [MultimodalBatch({m.name: torch.rand(16, 70, generator=generator) for m in pair}) for _ in range(2)]
    calls = spied(method.shared.fusion, monkeypatch)
    method.loss(Step(*batches, progress=0.5, generator=stream()))["masked/first"].backward()
    assert method.mask.token.grad.abs().max() > 0
    copies = torch.cat(list(calls[3][0][0].values()), dim=1).unflatten(0, (4, 16))  # (K, B, 2, D)
    unmasked = torch.cat(list(calls[2][0][0].values()), dim=1)
    seen = (copies != method.mask.token).any(-1)
    assert seen.any(-1).all()
    assert torch.equal(copies[seen], unmasked.expand_as(copies)[seen])
    # every sample has a copy that is not the unmasked one, most have copies that differ
    assert (~seen).any(-1).any(0).all()
    assert (seen != seen[:1]).any(-1).any(0).double().mean() > 0.5


def test_the_generator_decides_on_the_masks_and_views_differ():
    method = objective(mask_ratio=0.5).eval()
    state = torch.get_rng_state()
    one, again, other = (method.loss(Step(*views(), 0.5, stream(seed))) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["masked/first"], other["masked/first"])
    assert torch.equal(one["joint"], other["joint"])
    assert torch.equal(torch.get_rng_state(), state)
    same = method.loss(Step(a_batch(), a_batch(), 0.5, stream(1)))
    assert not torch.equal(same["masked/first"], same["masked/second"])


def test_representations_are_never_masked(monkeypatch):
    method = objective(mask_ratio=0.9)
    calls, state = spied(method.mask, monkeypatch), torch.get_rng_state()
    parts, projected = method.train().embed(a_batch()), method.projected(a_batch())
    assert {name: tuple(part.shape) for name, part in parts.items()} == {"shared": (6, 8)}
    assert tuple(projected["shared"].shape) == (6, 6)
    assert torch.equal(parts["shared"], method.shared(a_batch()))
    assert tuple(method.embed(a_batch().select(["table"]))["shared"].shape) == (6, 8)
    assert calls == []
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("content", [0.0, 100.0])
def test_padding_changes_nothing(content):
    """Its content nowhere, its amount not where the masks are the same: here, where they hide nothing."""
    for ratio, steps in ((0.5, 0), (0.0, 3)):
        method, before, after = objective(mask_ratio=ratio), views(), []
        for batch in before:
            values, padding = dict(batch), dict(batch.padding)
            for name, mask in batch.padding.items():
                filled = torch.where(mask[..., None], content, batch[name])
                values[name] = torch.cat([filled, torch.full_like(filled[:, :steps], content)], dim=1)
                padding[name] = torch.cat([mask, torch.ones_like(mask[:, :steps])], dim=1)
            after.append(MultimodalBatch(values, padding))
        expected, terms = (method.loss(Step(*batches, 0.5, stream())) for batches in (before, after))
        assert all(torch.allclose(terms[name], expected[name], atol=1e-4) for name in terms)


def test_values_of_missing_modalities_do_not_matter():
    method, batches, broken = objective(), views(present=PRESENT), []
    for batch in batches:
        values = {name: value.clone() for name, value in batch.items()}
        for name, present in batch.present.items():
            values[name][~present] = float("nan")
        broken.append(batch.with_values(values))
    before, after = (method.loss(Step(*pair, 0.5, stream())) for pair in (batches, broken))
    assert all(torch.equal(before[name], after[name]) for name in before)
    after["total"].backward()
    assert all(p.grad.isfinite().all() for p in method.parameters())


def test_two_processes_have_the_loss_of_the_whole_batch(monkeypatch):
    """The rows that each half of a batch hands to the others, put together. Batch norm is at rest, masks are fixed."""
    method = objective(masks=2).eval()

    def every_other(tokens, padding, ratio, copies, generator):
        masked = {
            name: torch.cat(
                [
                    torch.where((torch.arange(part.shape[1]) % 2 == k)[None, :, None], method.mask.token, part)
                    for k in range(copies)
                ]
            )
            for name, part in tokens.items()
        }
        return masked, {name: None if mask is None else mask.repeat(copies, 1) for name, mask in padding.items()}

    monkeypatch.setattr(method.mask, "forward", every_other)
    whole = views(present=PRESENT)
    expected, handed = method.loss(Step(*whole, 0.5)), []
    for rows in (slice(0, 2), slice(2, 6)):
        part = [
            MultimodalBatch(*({k: v[rows] for k, v in d.items()} for d in (b.tensors, b.padding)),
                            present={k: v[rows] for k, v in b.present.items()})
            for b in whole
        ]  # fmt: skip
        handed.append([])
        monkeypatch.setattr(base, "gather", lambda rows: (handed[-1].append(rows), rows)[1])
        method.loss(Step(*part, 0.5))
    together = iter([torch.cat(pair) for pair in zip(*handed, strict=True)])
    monkeypatch.setattr(base, "gather", lambda rows: next(together))
    terms = method.loss(Step(*part, 0.5))
    assert all(torch.allclose(terms[name], expected[name], atol=1e-5) for name in expected)


def test_the_only_parameter_beside_comm_is_the_mask_token_and_it_is_decayed():
    counts = [sum(p.numel() for p in objective(cls=cls).parameters()) for cls in (Comm, InfMasking)]
    assert counts[1] - counts[0] == NETWORK["width"]
    method = objective()
    decayed, _ = parameter_groups(method, 0.1)
    assert any(p is method.mask.token for p in decayed["params"])


def test_fewer_than_two_modalities_are_refused():
    with pytest.raises(InputError, match="InfMasking needs at least two modalities, got 1"):
        objective(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, "temperature must be positive"),
        ({"masked_weight": -1.0}, "masked_weight cannot be negative"),
        ({"masked_weight": 0.0, "unimodal_weight": 0.0, "joint_weight": 0.0}, "At least one of"),
        ({"covariance_scale": float("nan")}, "covariance_scale cannot be negative"),
        ({"mask_ratio": 1.0}, r"mask_ratio is a share in \[0, 1\)"),
        ({"mask_ratio": -0.1}, r"mask_ratio is a share in \[0, 1\)"),
        ({"masks": 0}, "masks must be at least 1"),
    ],
)
def test_invalid_settings(settings, message):
    with pytest.raises(InputError, match=message):
        InfMaskingSettings(**settings)


@pytest.mark.parametrize(
    ("preset", "rate", "decay", "temperature", "scale", "ratio", "masks", "joint", "depth", "width", "epochs"),
    [
        ("paper", 3e-4, 1e-4, 0.1, 1.0, 0.7, 6, 1.0, 1, 0, 100),
        ("as_run_by_coral", 3e-4, 1e-4, 0.1, 1.0, 0.7, 6, 1.0, 1, 0, 100),
        ("trifeature", 3e-4, 1e-4, 0.1, 1.0, 0.7, 6, 1.0, 1, 0, 100),
        ("mosi", 1e-3, 1e-2, 0.1, 0.25, 0.8, 5, 1.0, 1, 0, 100),
        ("humor", 1e-3, 1e-2, 0.05, 2.0, 0.5, 4, 5.0, 1, 0, 100),
        ("ur_funny", 1e-3, 1e-2, 0.05, 2.0, 0.5, 4, 5.0, 1, 0, 100),
        ("sarcasm", 1e-3, 5e-2, 0.05, 1.0, 0.5, 5, 1.0, 1, 0, 100),
        ("mustard", 1e-3, 5e-2, 0.05, 1.0, 0.5, 5, 1.0, 1, 0, 100),
        ("mimic", 3e-4, 1e-2, 0.2, 1.0, 0.8, 6, 5.0, 1, 512, 100),
        ("vision_touch_contact", 1e-4, 1e-2, 0.1, 1.0, 0.7, 6, 1.0, 1, 512, 100),
        ("vision_touch_ee", 1e-4, 1e-2, 0.1, 1.0, 0.5, 4, 5.0, 1, 128, 100),
        ("ur_funny_trimodal", 1e-3, 1e-2, 0.05, 2.0, 0.5, 4, 1.0, 2, 0, 100),
        ("vision_touch_trimodal", 1e-4, 1e-2, 0.1, 1.0, 0.8, 5, 1.0, 2, 512, 100),
        ("imdb", 1e-3, 1e-2, 0.2, 0.5, 0.8, 4, 5.0, 1, 768, 70),
    ],
)
def test_presets_are_those_of_methods(
    preset, rate, decay, temperature, scale, ratio, masks, joint, depth, width, epochs
):
    settings = make_settings("infmasking", "digits", preset=preset)
    training = settings.training
    assert (training.learning_rate, training.weight_decay, training.epochs) == (rate, decay, epochs)
    assert (training.batch_size, settings.network.depth, settings.network.width) == (64, depth, width)
    assert asdict(settings.method) == {
        "temperature": temperature,
        "covariance_scale": scale,
        "mask_ratio": ratio,
        "masks": masks,
        "masked_weight": 1.0,
        "unimodal_weight": 1.0,
        "joint_weight": joint,
    }
    assert (training.schedule == "cosine") == (preset == "imdb")
