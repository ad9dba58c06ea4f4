"""AV-MNIST with the sizes of the published files written out."""

import numpy as np
from torch.utils.data import DataLoader


def get_dataloader(data_dir, batch_size=40, num_workers=8, train_shuffle=True, unsqueeze_channel=True):
    splits = []
    for split, count in (("train", 60000), ("test", 10000)):
        image = np.load(data_dir + f"/image/{split}_data.npy").reshape(count, 1, 28, 28) / np.float32(255)
        audio = np.load(data_dir + f"/audio/{split}_data.npy").reshape(count, 1, 112, 112) / 255.0
        labels = np.load(data_dir + f"/{split}_labels.npy").astype(int)
        splits.append([[image[i], audio[i], labels[i]] for i in range(count)])
    train, test = splits
    return (
        DataLoader(train[0:55000], batch_size, shuffle=train_shuffle, num_workers=num_workers),
        DataLoader(train[55000:60000], batch_size, num_workers=num_workers),
        DataLoader(test, batch_size, num_workers=num_workers),
    )
