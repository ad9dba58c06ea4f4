"""MOSI and its like: one pickle, sequences with zeros in front, packed or padded batches."""

import pickle

import torch
import torchtext  # noqa: F401 - imported there, and dead
from numpy.core.numeric import zeros_like  # noqa: F401 - imported there, and moved
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader


def get_dataloader(
    filepath,
    batch_size=32,
    max_seq_len=50,
    max_pad=False,
    train_shuffle=True,
    num_workers=2,
    flatten_time_series=False,
    task=None,
    robust_test=False,
    data_type="mosi",
    raw_path="/home/van/backup/pack/mosi/mosi.hdf5",
    z_norm=False,
):
    with open(filepath, "rb") as file:  # noqa: PTH123 - as there
        content = pickle.load(file)

    def rows(part):
        samples = zip(part["vision"], part["audio"], part["text"], part["labels"], strict=True)
        for i, (*values, label) in enumerate(samples):
            start = int(torch.tensor(values[2]).nonzero()[0][0])
            label = torch.tensor(label).float().reshape(1)
            yield [*(torch.tensor(v)[start:].float() for v in values), i, label > 0 if task else label]

    def packed(samples):
        values = [[s[i] for s in samples] for i in range(3)]
        lengths = [torch.tensor([len(v) for v in part]) for part in values]
        inds = torch.tensor([[s[3]] for s in samples])
        return [pad_sequence(v, batch_first=True) for v in values], lengths, inds, torch.stack([s[4] for s in samples])

    def padded(samples):
        def fill(v):
            return torch.nn.functional.pad(v[:max_seq_len], (0, 0, 0, max_seq_len - len(v[:max_seq_len])))

        labels = torch.stack([s[4] for s in samples])
        return *(torch.stack([fill(s[i]) for s in samples]) for i in range(3)), labels.long() if task else labels

    collate = padded if max_pad else packed
    return tuple(
        DataLoader(list(rows(content[split])), batch_size, shuffle=split == "train" and train_shuffle,
                   num_workers=num_workers, collate_fn=collate)
        for split in ("train", "valid", "test")
    )  # fmt: skip
