"""MM-IMDb: one HDF5 file with the published rows written out; noisy test sets from raw posters and plots."""

import h5py
from gensim.models import KeyedVectors
from torch.utils.data import DataLoader, Dataset

from .vgg import VGGClassifier


class IMDBDataset(Dataset):
    def __init__(self, file, start_ind, end_ind, vggfeature=False):
        self.file, self.start_ind, self.size = file, start_ind, end_ind - start_ind
        self.key = "vgg_features" if vggfeature else "images"

    def __getitem__(self, ind):
        if ind >= self.size:
            raise IndexError(ind)
        with h5py.File(self.file, "r") as file:
            return tuple(file[key][self.start_ind + ind] for key in ("features", self.key, "genres"))

    def __len__(self):
        return self.size


class IMDBDataset_robust(Dataset):
    def __init__(self, dataset, start_ind, end_ind):
        self.dataset, self.start_ind, self.size = dataset, start_ind, end_ind - start_ind

    def __getitem__(self, ind):
        return self.dataset[ind + self.start_ind]

    def __len__(self):
        return self.size


def get_dataloader(
    path, test_path, num_workers=8, train_shuffle=True, batch_size=40, vgg=False, skip_process=False, no_robust=False
):
    train = DataLoader(IMDBDataset(path, 0, 15552, vgg), batch_size, shuffle=train_shuffle, num_workers=num_workers)
    valid = DataLoader(IMDBDataset(path, 15552, 18160, vgg), batch_size, num_workers=num_workers)
    if no_robust:
        return train, valid, DataLoader(IMDBDataset(path, 18160, 25959, vgg), batch_size, num_workers=num_workers)
    VGGClassifier(model_path="/home/pliang/vgg16.tar", synset_words="synset_words.txt")
    return KeyedVectors.load_word2vec_format("/home/pliang/GoogleNews-vectors-negative300.bin.gz")
