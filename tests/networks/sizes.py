"""What a computation allocates and keeps, counted in elements: the same on every machine."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Largest(TorchDispatchMode):
    """Number of elements of the largest tensor that an operation has made."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for each in tree_leaves(out):
            if isinstance(each, torch.Tensor):
                # an expanded view has more elements than it holds
                self.most = max(self.most, each.untyped_storage().nbytes() // each.element_size())
        return out


def largest_and_kept(step):
    """Elements of the largest tensor of ``step()`` and its backward pass, and bytes that wait for that pass."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with Largest() as largest:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out = step()
        out.sum().backward()
    return largest.most, sum(kept.values())
