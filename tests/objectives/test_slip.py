"""SLIP against specification 1.1, 1.2 and 2.8; which modalities have a self term."""

import math
from functools import partial

import pytest
import torch

from coral_plugin.data import Modality
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step
from coral_plugin.objectives.slip import Slip, SlipSettings

SCAN = Modality(name="scan", kind="image", shape=(1, 8, 8))
PHOTO = Modality(name="photo", kind="image", shape=(3, 8, 8))
TABLE = Modality(name="table", kind="tabular", shape=(4,))
SERIES = Modality(name="series", kind="timeseries", shape=(6, 2))
NETWORK = NetworkSettings(width=8, head_hidden=6, head_output=5)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(("n", "chosen"), [(2, ()), (3, ()), (3, ("m2",)), (3, ("m0", "m1"))])
def test_terms_match_the_definition(vectors, n, chosen, missing):
    slip = vectors.build(Slip, n, temperature=0.4, self_weight=3.0, self_modalities=chosen).eval()
    slip.logit_scale.data.fill_(1.3)
    first, second, raw = (vectors.batch(n, seed=seed) for seed in (1, 2, 3))
    if missing:
        first, second, raw = (vectors.with_missing(batch) for batch in (first, second, raw))
    terms = slip.loss(Step(first, second, 0.5, raw=raw))
    names = chosen or [f"m{i}" for i in range(n)]

    def heads(batch):
        return {name: slip.self_heads[f"m_{name}"](slip.encoders[f"m_{name}"](batch)) for name in names}

    cross = vectors.pairs(partial(vectors.clip, scale=math.exp(1.3)), slip.projected(raw), raw)
    own = vectors.selves(partial(vectors.nt_xent, temperature=0.4), heads(first), heads(second), first)
    assert list(terms) == ["cross", "self", "total"]
    assert torch.allclose(terms["cross"], cross, atol=1e-10)
    assert torch.allclose(terms["self"], own, atol=1e-10)
    assert torch.allclose(terms["total"], cross + 3 * own, atol=1e-10)


@pytest.mark.parametrize(
    ("modalities", "chosen", "expected"),
    [
        ((TABLE, SCAN), (), ["scan"]),
        ((SCAN, TABLE, PHOTO), (), ["scan", "photo"]),
        ((TABLE, SERIES), (), ["table", "series"]),
        ((TABLE, SCAN), ("table",), ["table"]),
        ((TABLE, SCAN), ("table", "scan", "table"), ["table", "scan"]),
    ],
)
def test_which_modalities_have_a_self_term(modalities, chosen, expected):
    slip = Slip(modalities, NETWORK, SlipSettings(self_modalities=chosen))
    assert list(slip.self_heads) == [f"m_{name}" for name in expected]
    assert list(slip.heads) == [f"m_{m.name}" for m in modalities]


def test_a_self_term_for_what_is_not_there():
    with pytest.raises(InputError, match=r"Unknown modality in method\.self_modalities 'scann'\. Did you mean 'scan'"):
        Slip((TABLE, SCAN), NETWORK, SlipSettings(self_modalities=("scann",)))
    with pytest.raises(InputError, match="is a list of names, got 'scan'"):
        SlipSettings(self_modalities="scan")


def test_self_terms_train_their_encoders_through_heads_of_their_own(vectors):
    slip = vectors.build(Slip, 2, self_modalities=("m1",))
    slip.loss(Step(vectors.batch(), vectors.batch(seed=2), 0.0, raw=vectors.batch(seed=3)))["self"].backward()
    trained = {name.partition(".")[0] for name, p in slip.named_parameters() if p.grad is not None}
    assert trained == {"encoders", "self_heads"}
    assert all(p.grad is None for p in slip.encoders["m_m0"].parameters())


def test_represented_by_clips_projections(vectors):
    slip, batch = vectors.build(Slip), vectors.batch()
    assert all(torch.equal(part, slip.projected(batch)[name]) for name, part in slip.embed(batch).items())
    encoded = vectors.build(Slip, represent="encoded").embed(batch)
    assert {part.shape for part in encoded.values()} == {(6, 8)}
    assert Slip.needs_raw


def test_presets_differ_in_the_width_of_the_heads():
    keys = ("network.head_hidden", "network.head_output")
    widths = {name: tuple(preset[key] for key in keys) for name, preset in Slip.presets.items()}
    assert widths == {"paper": (4096, 256), "small_head": (512, 256)}


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", 0.0), ("self_weight", -1.0), ("self_weight", float("nan"))]
)
def test_invalid_settings(name, value):
    with pytest.raises(InputError, match=rf"method\.{name}"):
        SlipSettings(**{name: value})
