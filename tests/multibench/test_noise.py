"""MultiBench's own noise through our seam: clean at level 0, seeded, padding left alone, and what it cannot do."""

import numpy as np
import pytest
import torch

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.evaluation.multibench_figures import accuracy, affect_accuracy, affect_figures, auprc, f1
from coral_plugin.evaluation.robustness.noise.families import Noise, add_noise, noise_by_modality
from coral_plugin.multibench.noise import noise_of

MODALITIES = [
    Modality(name="picture", kind="image", shape=(3, 12, 12)),
    Modality(name="gray", kind="image", shape=(1, 12, 12)),
    Modality(name="wide", kind="image", shape=(3, 8, 12)),
    Modality(name="series", kind="sequence", shape=(9, 4), mean=(1.0,) * 4, std=(2.0,) * 4),
    Modality(name="table", kind="tabular", shape=(5,)),
]
REASONS = {
    "depth": Modality(name="depth", kind="image", shape=(2, 12, 12)),
    "text": Modality(name="text", kind="sequence", shape=(9, 4)),
    "audio": Modality(name="audio", kind="image", shape=(1, 12, 12)),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.multibench
@pytest.mark.parametrize("modality", MODALITIES, ids=lambda m: m.name)
def test_theirs_is_seeded_and_leaves_numpy_as_it_was(real, modality):
    noise = noise_by_modality([modality], None, noise_of(real))[modality.name]
    assert noise.origin.startswith("MultiBench 49f9be22")
    assert ("without its crop" in noise.origin) == (modality.name == "wide")
    batch = MultimodalBatch({modality.name: torch.rand(12, *modality.shape, generator=seeded())})
    assert add_noise(noise, modality, batch, 0.0, seeded()) is batch[modality.name]
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - what theirs draws from
    noised = add_noise(noise, modality, batch, 0.5, seeded(1))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert noised.shape == batch[modality.name].shape
    assert noised.dtype == torch.float32
    assert noised.isfinite().all()
    assert torch.equal(noised, add_noise(noise, modality, batch, 0.5, seeded(1)))
    assert not torch.equal(noised, add_noise(noise, modality, batch, 0.5, seeded(2)))
    assert not torch.equal(noised, batch[modality.name])


@pytest.mark.multibench
def test_steps_are_steps_and_padding_stays(real):
    modality = MODALITIES[3]
    padding = torch.arange(9) >= torch.tensor([9, 4, 1])[:, None]
    batch = MultimodalBatch({"series": torch.rand(3, 9, 4, generator=seeded())}, {"series": padding})
    noise = noise_by_modality([modality], None, noise_of(real))["series"]
    noised = add_noise(noise, modality, batch, 1.0, seeded())
    assert torch.equal(noised[padding], batch["series"][padding])
    assert torch.allclose(noised[~padding], torch.ones(()))  # all dropped: the mean


@pytest.mark.multibench
@pytest.mark.parametrize("name", list(REASONS))
def test_what_it_cannot_do_is_ours_and_says_why(real, name):
    noise = noise_by_modality([REASONS[name]], None, noise_of(real))[name]
    assert isinstance(noise, Noise)
    assert noise.origin.startswith("own (MultiBench's ")


def test_a_checkout_without_the_functions_is_refused(double):
    with pytest.raises(InputError, match="has no usable robustness"):
        noise_of(double)


@pytest.mark.multibench
def test_figures_equal_theirs(real):
    import importlib

    from coral_plugin.multibench import multibench

    with multibench(real, say=lambda _: None):
        theirs = importlib.import_module("eval_scripts.performance")
        affect = importlib.import_module("utils.evaluation_metric")
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert accuracy(truth, guess) == pytest.approx(theirs.accuracy(torch.tensor(truth), torch.tensor(guess)))
    for kind in ("micro", "macro", "weighted"):
        for own, other in ((truth, guess), (truth[:, None] > [0, 1, 2], guess[:, None] > [0, 1, 2])):
            expected = theirs.f1_score(torch.tensor(own), torch.tensor(other), kind)
            assert f1(own, other, kind) == pytest.approx(expected)
    labels, scores = truth > 1, rng.random(200).round(1)
    assert auprc(labels, scores) == pytest.approx(theirs.AUPRC(list(zip(scores, labels, strict=True))))
    numbers = (rng.normal(0, 2, (200, 1)) * (rng.random((200, 1)) > 0.2)).astype(np.float32)
    predicted = (numbers + rng.normal(0, 1, (200, 1))).astype(np.float32)
    for zeros in (True, False):
        expected = theirs.eval_affect(torch.tensor(numbers), torch.tensor(predicted), exclude_zero=zeros)
        assert affect_accuracy(numbers, predicted, exclude_zero=zeros) == pytest.approx(expected)
    figures = affect_figures(numbers, predicted)
    found = affect.eval_mosei_senti_return(torch.tensor(predicted), torch.tensor(numbers), exclude_zero=True)
    mine = [figures[name] for name in ("mae", "correlation", "accuracy_7", "affect_accuracy")]
    assert mine == pytest.approx([float(v) for v in (*found[:3], found[4])], abs=1e-6)
