"""MIMIC-III in MultiBench's manner: a table and a series of each stay, several tasks from one representation.

python examples/mimic.py --objective coral --data im.pk --tasks 7 -1

im.pk is MultiBench's preprocessed file; it needs a PhysioNet account. It is a pickle, and is read without running what
it may hold. Task 7 is respiratory disease by ICD-9 code, -1 mortality in six classes.
"""

import argparse

from coral_plugin import fit

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--objective", default="coral", help="coral, comm, infmasking, clip, ..., supervised")
parser.add_argument("--data", required=True, metavar="im.pk")
parser.add_argument("--tasks", type=int, nargs="+", default=[7], help="0 to 19, or -1")
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--seeds", type=int, nargs="+", default=[41])
args = parser.parse_args()

fitted = fit(  # pre-trained once a seed, without labels; each task is probed on what came out
    "mimic",
    args.objective,
    data=args.data,
    seeds=args.seeds,
    epochs=args.epochs,
    source__tasks=tuple(args.tasks),
)
for modality in fitted.model.modalities:
    print(f"{modality.name}: {modality.kind} {modality.shape}")
for name, scores in fitted.metrics["tasks"].items():
    deviation = f" ± {100 * scores['std']:.1f}" if len(args.seeds) > 1 else ""
    print(f"{name}: balanced accuracy {100 * scores['mean']:.1f}{deviation} % (chance {100 * scores['chance']:.1f} %)")
