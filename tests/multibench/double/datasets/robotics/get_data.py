"""Vision & Touch: a folder of HDF5 files, named in a dictionary of settings."""

import os

import h5py
import numpy as np
from torch.utils.data import DataLoader, Dataset


class Steps(Dataset):
    def __init__(self, paths):
        self.dataset_path = paths

    def __getitem__(self, index):
        with h5py.File(self.dataset_path[index // 49], "r") as file:
            step = index % 49
            touched = file["contact"][step].any()
            return [file["proprio"][step].astype(np.float32), file["action"][step], np.array([touched], dtype=float)]

    def __len__(self):
        return 49 * len(self.dataset_path)


def get_data(device, configs, filedirprefix="", unimodal=None, output="contact_next"):
    names = os.listdir(configs["dataset"])  # noqa: PTH208 - as there
    files = sorted(configs["dataset"] + name for name in names if name.endswith(".h5"))
    loaders = [DataLoader(Steps(part), 16, shuffle=True, drop_last=True) for part in (files[:-1], files[-1:])]
    return *loaders, {"proprio": [loaders[1]] * 10}
