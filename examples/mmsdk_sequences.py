"""CMU-MultimodalSDK's computational sequences: files of words, sounds and faces, each with times of its own.

python examples/mmsdk_sequences.py --data FOLDER_OF_CSD_FILES [--reference glove_vectors] [--pooling mean]

Every sequence is brought to the steps of the reference by overlap in time, and cut to samples by the intervals of the
labels. Videos are split by folds.json beside the files, or dealt out.
"""

import argparse

import torch

from coral_plugin import fit

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--objective", default="coral", help="coral, comm, infmasking, clip, ..., supervised")
parser.add_argument("--data", required=True, metavar="DIR")
parser.add_argument("--reference", default="", help="sequence to whose steps the others are brought")
parser.add_argument("--pooling", default="mean", help="mean, weighted, max, sum, first or last of what overlaps a step")
parser.add_argument("--folds", default="", help="JSON with the videos of each split, or cmu_mosi, cmu_mosei, pom")
parser.add_argument("--epochs", type=int, default=100)
parser.add_argument("--seed", type=int, default=41)
args = parser.parse_args()

fitted = fit(
    "mmsdk",
    args.objective,
    data=args.data,
    seeds=args.seed,
    epochs=args.epochs,
    source__reference=args.reference,
    source__pooling=args.pooling,
    source__folds=args.folds,
)
for label, split in fitted.run.data.splits().items():
    padding = split.batch(torch.arange(len(split))).padding
    steps = ", ".join(f"{name} {float((~mask).sum(1).float().mean()):.1f}" for name, mask in padding.items())
    print(f"{label}: {len(split)} samples; steps of one, on average: {steps}")
for name, scores in fitted.metrics["tasks"].items():
    print(f"{name}: {scores['metric']} {scores['mean']:.3f}, chance {scores['chance']:.3f}")
