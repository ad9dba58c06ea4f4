"""CMU-MOSI, CMU-MOSEI, UR-FUNNY or MUsTARD in MultiBench's manner: encoders, an objective, train, test.

python examples/affect.py --objective coral --dataset mosi --data mosi_raw.pkl
python examples/affect.py --objective supervised --dataset mosi --data mosi_raw.pkl     the same networks with labels

The file is one of MultiBench's pickles, which are read without running what they may hold. With the real MOSI features
that lie beside a development checkout: --data ../shared/data/mosi/mosi_sequence.pkl
"""

import argparse

from coral_plugin import fit

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--objective", default="coral", help="coral, comm, infmasking, clip, ..., supervised")
parser.add_argument("--dataset", default="mosi", choices=("mosi", "mosei", "humor", "sarcasm"))
parser.add_argument("--data", required=True, metavar="FILE.pkl")
parser.add_argument("--modalities", default="vision,audio,text")
parser.add_argument("--epochs", type=int, default=100)
parser.add_argument("--seed", type=int, default=41)
parser.add_argument("--output", metavar="DIR", help="keep the run: coral evaluate DIR, coral embed DIR")
args = parser.parse_args()

modalities = tuple(args.modalities.split(","))
fitted = fit(
    args.dataset,  # train, valid and test as MultiBench's get_dataloader splits them, with padding as lengths
    args.objective,
    data=args.data,
    modalities=modalities,
    seeds=args.seed,
    epochs=args.epochs,
    output=args.output,
    encoders=dict.fromkeys(modalities, "gru(hidden=64)"),  # names with options, as here, or any nn.Module
)

print(f"{args.objective} on {args.dataset}, {len(fitted.run.data.train)} utterances, {args.epochs} epochs")
for part, tasks in fitted.metrics["parts"].items():  # what all modalities share, and what each alone says
    print(f"  {part:<16} balanced accuracy {100 * tasks['label']['mean']:.1f} %")
label = fitted.metrics["tasks"]["label"]
print(f"  {'all parts':<16} balanced accuracy {100 * label['mean']:.1f} %, "
      f"accuracy {100 * label['also']['accuracy']['mean']:.1f} %")  # fmt: skip
