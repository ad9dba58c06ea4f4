"""COrAL inside MultiBench's own training loop: its data, its encoders, fusion and head, its train and its test.

MULTIBENCH_ROOT=MultiBench python examples/multibench_loop.py mosi_raw.pkl --weight 0.1

coral_objective(...) is an objective as MultiBench's CCA_objective and MFM_objective are: it adds COrAL's terms to the
supervised loss. --weight 0 is MultiBench's own late fusion. With the real features beside a development checkout:
python examples/multibench_loop.py ../shared/data/mosi/mosi_sequence.pkl
"""

import argparse
from pathlib import Path

import torch

from coral_plugin.multibench import coral_objective, multibench

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("data", type=Path, help="one of MultiBench's affect pickles; it is loaded by MultiBench")
parser.add_argument("--multibench", metavar="DIR", help="the checkout; MULTIBENCH_ROOT by default")
parser.add_argument("--weight", type=float, default=0.1, help="of COrAL's terms")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--save", default="coral_loop.pt")
args = parser.parse_args()
torch.manual_seed(41)

with multibench(args.multibench):  # MultiBench's packages can be imported in here, and nowhere else
    from datasets.affect.get_data import get_dataloader
    from fusions.common_fusions import Concat
    from training_structures.Supervised_Learning import test, train
    from unimodals.common_models import GRU, MLP

    traindata, validdata, testdata = get_dataloader(str(args.data), robust_test=False, num_workers=0)
    sizes = [values.shape[2] for values in next(iter(traindata))[0]]
    encoders = [GRU(size, 64, dropout=True, has_padding=True) for size in sizes]
    fusion, head = Concat(), MLP(64 * len(sizes), 128, 1)

    objective = coral_objective(
        encoders, fusion, traindata, epochs=args.epochs, criterion=torch.nn.L1Loss(), weight=args.weight, is_packed=True
    )
    train(encoders, fusion, head, traindata, validdata, args.epochs, [objective], is_packed=True, task="regression",
          objective=objective, objective_args_dict={}, optimtype=torch.optim.AdamW, lr=1e-3, weight_decay=0.01,
          save=args.save)  # fmt: skip

    print("last batch:", ", ".join(f"{name} {value:.3f}" for name, value in objective.terms.items()))
    test(torch.load(args.save), testdata, dataset="mosi", is_packed=True, criterion=torch.nn.L1Loss(),
         task="posneg-classification", no_robust=True)  # fmt: skip
