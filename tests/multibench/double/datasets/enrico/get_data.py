"""ENRICO: a folder of pictures, and loaders with the weights of the classes."""

import csv

import torch
from PIL import Image
from torch.utils.data import DataLoader, WeightedRandomSampler
from torchvision import transforms


def get_dataloader(data_dir, batch_size=32, num_workers=0, train_shuffle=True, return_class_weights=True):
    with open(f"{data_dir}/design_topics.csv") as file:  # noqa: PTH123 - as there
        rows = [row for row in csv.DictReader(file) if row["screen_id"] != "50105"]
    topics = sorted({row["topic"] for row in rows})
    turn = transforms.Compose([transforms.Resize((256, 128)), transforms.ToTensor()])

    def sample(row):
        names = (f"{data_dir}/screenshots/{row['screen_id']}.jpg", f"{data_dir}/wireframes/{row['screen_id']}.png")
        return [*(turn(Image.open(name).convert("RGB")) for name in names), topics.index(row["topic"])]

    samples = [sample(row) for row in rows]
    sampler = WeightedRandomSampler(torch.ones(len(samples)), len(samples))
    train, valid = DataLoader(samples, batch_size, sampler=sampler), DataLoader(samples, batch_size)
    test = {name: [DataLoader(samples, batch_size) for _ in range(11)] for name in ("image", "wireframe image")}
    loaders = (train, valid, test)
    return (loaders, [1 / len(topics)] * len(topics)) if return_class_weights else loaders
