"""AV-MNIST in MultiBench's manner, with LeNets as MultiBench's scripts have them, and any objective of this package.

python examples/avmnist.py --objective coral --data avmnist/

The folder is MultiBench's (image/, audio/, *_labels.npy), of any size; or a small bank of real digits and recordings,
as it lies beside a development checkout: --data ../shared/data/avmnist_mini --energy 0.25
"""

import argparse
from itertools import pairwise

import torch
from torch import nn

from coral_plugin import fit


class LeNet(nn.Module):
    """A picture (B, 1, h, w) to a vector; every block halves it and doubles its channels."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        sizes = [1, *(channels * 2**i for i in range(blocks))]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2))
                for a, b in pairwise(sizes)
            )
        )

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.blocks(picture).mean((2, 3))


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--objective", default="coral", help="coral, comm, infmasking, clip, ..., supervised")
parser.add_argument("--data", required=True, metavar="DIR")
parser.add_argument("--energy", type=float, default=1.0, help="share of the images' variance that is kept")
parser.add_argument("--speakers", default="shared", choices=("shared", "separate"), help="of a bank")
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--seed", type=int, default=41)
args = parser.parse_args()

fitted = fit(
    "avmnist",
    args.objective,
    data=args.data,
    seeds=args.seed,
    epochs=args.epochs,
    encoders={"image": LeNet(6, 4), "audio": LeNet(6, 6)},
    source__energy=args.energy,
    **({"source__speakers": args.speakers} if args.speakers != "shared" else {}),
)
for part, tasks in fitted.metrics["parts"].items():
    print(f"{part:<16} balanced accuracy {100 * tasks['label']['mean']:.1f} %")
print(f"{'all parts':<16} balanced accuracy {100 * fitted.metrics['tasks']['label']['mean']:.1f} %")
