"""Gentle push: trajectories from files that fannypack fetches and reads."""

import argparse  # noqa: F401 - a script's parser comes in
import sys  # noqa: F401

import fannypack as fp
import numpy as np
from torch.utils.data import DataLoader

dataset_urls = {f"gentle_push_{count}.hdf5": "https://example.org/file/d/abc/view" for count in (10, 300, 1000)}


class PushTask:
    @classmethod
    def add_dataset_arguments(cls, parser):
        parser.add_argument("--no_vision", action="store_true")

    @classmethod
    def get_dataset_args(cls, args):
        return {"use_vision": not args.no_vision}

    @classmethod
    def get_dataloader(cls, subsequence_length, modalities=None, batch_size=32, drop_last=True, **dataset_args):
        train, valid, test = (_windows(f"gentle_push_{n}.hdf5", subsequence_length) for n in (1000, 10, 300))
        levels = {"image": [DataLoader(test, batch_size) for _ in range(10)]}
        return DataLoader(train, batch_size, shuffle=True, drop_last=drop_last), DataLoader(valid, batch_size), levels


def _windows(name, length):
    rows = []
    with fp.data.TrajectoriesFile(fp.data.cached_drive_file(name, dataset_urls[name])) as file:
        for one in list(file):
            parts = {"image": one["image"], "pos": one["eef_pos"], "state": one["Cylinder0_pos"][:, :2]}
            whole = len(parts["pos"]) // length
            sliced = fp.utils.SliceWrapper(parts)[: whole * length]
            cuts = fp.utils.SliceWrapper(fp.utils.SliceWrapper(sliced).map(lambda v, n=whole: np.split(v, n)))
            rows += [(cut["pos"], cut["image"], cut["state"]) for cut in cuts]
    return rows
