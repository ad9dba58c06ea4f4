"""CMU-MOSI, CMU-MOSEI, UR-FUNNY or MUsTARD in MultiBench's manner: encoders, an objective, train, test.

python examples/affect.py --objective coral --dataset mosi --data mosi_raw.pkl
python examples/affect.py --objective supervised --dataset mosi --data mosi_raw.pkl     the same networks with labels

The file is one of MultiBench's pickles, which are read without running what they may hold. With the real MOSI features
that lie beside a development checkout: --data ../shared/data/mosi/mosi_sequence.pkl
"""

import argparse
from pathlib import Path

from coral_plugin.runs.run import load_data, run
from coral_plugin.runs.settings import make_settings

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
settings = make_settings(
    args.objective,
    args.dataset,
    data=args.data,
    modalities=modalities,
    seeds=(args.seed,),
    training__epochs=args.epochs,
    # a name with options, as here, or any nn.Module from Python: run(..., encoders={"text": module})
    network__encoders=dict.fromkeys(modalities, "gru(hidden=64)"),
)
data = load_data(settings)  # train, valid and test as MultiBench's get_dataloader splits them, with padding as lengths
finished = run(settings, folder=Path(args.output) if args.output else None, data=data)

print(f"{args.objective} on {args.dataset}, {len(data.train)} utterances, {args.epochs} epochs")
for part, tasks in finished.metrics["parts"].items():  # what all modalities share, and what each alone says
    print(f"  {part:<16} balanced accuracy {100 * tasks['label']['mean']:.1f} %")
label = finished.metrics["tasks"]["label"]
print(f"  {'all parts':<16} balanced accuracy {100 * label['mean']:.1f} %, "
      f"accuracy {100 * label['also']['accuracy']['mean']:.1f} %")  # fmt: skip
