import pytest
import torch
from torch import nn

from coral_plugin import machine
from coral_plugin.errors import InputError
from coral_plugin.training.weights import built_with, built_within, parameters_that_fit, refuse_too_large, shapes_of


class Computing(nn.Module):
    """Looks at its weights while it is built."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.norm = float(self.weight.sum())


def test_measuring_draws_no_random_number():
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    shapes_of(lambda: nn.Linear(3, 5))
    assert torch.equal(torch.rand(1), first)


def test_a_network_that_calculates_is_not_measured():
    assert shapes_of(Computing) is None
    refuse_too_large(Computing)


def test_too_large():
    refuse_too_large(lambda: nn.Linear(100, 100))
    with pytest.raises(InputError, match=r"takes 59604\.6 GiB or more"):
        refuse_too_large(lambda: nn.Linear(2_000_000, 2_000_000, bias=False))
    with pytest.raises(InputError, match="larger than any memory"):
        refuse_too_large(lambda: nn.Linear(2**40, 2**40))


def test_memory_is_for_weights_gradients_and_two_moments(monkeypatch):
    def build():
        return nn.Linear(3, 5, bias=False)

    monkeypatch.setattr(machine, "memory", lambda: 16 * 15)
    assert parameters_that_fit(build) == 15
    monkeypatch.setattr(machine, "memory", lambda: 16 * 15 - 1)
    with pytest.raises(InputError, match="To train these networks takes"):
        parameters_that_fit(build)


def test_parameters_are_counted_and_random_numbers_left_alone():
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    assert parameters_that_fit(lambda: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))) == 3 * 5 + 5 + 2 * 5
    assert parameters_that_fit(Computing) == 3
    assert torch.equal(torch.rand(1), first)


@pytest.mark.parametrize(
    ("sizes", "text"), [((2_000_000, 2_000_000), r"takes 59604\.6 GiB or more"), ((2**40, 2**40), "than any memory")]
)
def test_what_is_counted_is_refused_where_it_is_too_large(sizes, text):
    with pytest.raises(InputError, match=text):
        parameters_that_fit(lambda: nn.Linear(*sizes, bias=False))


def test_a_machine_that_does_not_report_its_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: None)
    assert parameters_that_fit(lambda: nn.Linear(3, 5)) == 20


def test_the_weights_are_those_of_a_plain_building():
    def build():
        return nn.Sequential(nn.Linear(3, 5), nn.Embedding(4, 5), nn.LayerNorm(5), nn.GRU(5, 2))

    torch.manual_seed(3)
    plain = build().state_dict()
    torch.manual_seed(3)
    within = built_within(build, 10_000)
    assert within is not None
    assert all(torch.equal(plain[name], weight) for name, weight in within.state_dict().items())
    assert built_within(build, sum(p.numel() for p in plain.values()) - 1) is None


def test_shapes_of_a_damaged_record_take_no_memory():
    class Never(nn.Linear):
        def reset_parameters(self):
            assert self.weight.is_meta, "memory was taken"

    with pytest.raises(ValueError, match=r"weight has shape \(1, 3\) there, the settings and data say \(2, 3000\)"):
        built_with(lambda: Never(3000, 2), {"weight": (1, 3), "bias": (1,)})
    with pytest.raises(ValueError, match=r"bias is missing there, the settings and data say \(1,\)"):
        built_with(lambda: nn.Linear(3, 1), {"weight": (1, 3)})
