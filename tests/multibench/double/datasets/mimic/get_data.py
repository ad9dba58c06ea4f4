"""MIMIC: one pickle, valid and test from the front of a shuffled list, robustness loaders by level."""

import pickle
import random

import numpy as np
from torch.utils.data import DataLoader


def get_dataloader(
    task, batch_size=40, num_workers=1, train_shuffle=True, imputed_path="im.pk", flatten_time_series=False
):
    with open(imputed_path, "rb") as file:  # noqa: PTH123 - as there
        content = pickle.load(file)
    series, static = (np.nan_to_num(content[key], posinf=0, neginf=0) for key in ("ep_tdata", "adm_features_all"))
    labels = content["y_icd9"][:, task] if task >= 0 else content["adm_labels_all"].argmax(1)
    rows = list(zip(static, series, labels, strict=True))
    random.seed(10)
    random.shuffle(rows)
    tenth = len(rows) // 10
    test = [DataLoader(rows[tenth : 2 * tenth], batch_size, num_workers=num_workers) for _ in range(11)]
    train = DataLoader(rows[2 * tenth :], batch_size, shuffle=train_shuffle, num_workers=num_workers)
    return train, DataLoader(rows[:tenth], batch_size, num_workers=num_workers), {"timeseries": test}
