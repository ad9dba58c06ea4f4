"""Shapes without memory, and networks that no machine could train."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from coral_plugin.errors import InputError
from coral_plugin.runs.memory import refuse_too_large, saved_shapes, shapes_of


class Computing(nn.Module):
    """Looks at its weights while it is built."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.norm = float(self.weight.sum())


def test_shapes_are_those_of_the_module_and_of_its_file(tmp_path):
    module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
    save_file(module.state_dict(), tmp_path / "m.safetensors")
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    assert shapes_of(lambda: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))) == expected
    assert saved_shapes(tmp_path / "m.safetensors") == expected


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


@pytest.mark.parametrize("content", [b"", b"\xff" * 8 + b"{}", (2).to_bytes(8, "little") + b"[]"])
def test_what_is_no_safetensors_file(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ValueError, match=r"cut off|no table"):
        saved_shapes(tmp_path / "m")
