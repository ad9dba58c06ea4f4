import torch
from torch import nn

from coral_plugin.multibench import coral_objective


def test_loop(bench, packed):
    train_loader, valid_loader = packed
    encoders = [bench.model("GRU", d, 9, has_padding=True) for d in (4, 3, 6)]
    fusion = bench.fusion("Concat")
    o = coral_objective(encoders, fusion, train_loader, epochs=3, criterion=nn.L1Loss(), is_packed=True)
    before = {n: p.clone() for n, p in o.named_parameters()}
    args = {}
    bench.training.train(
        encoders,
        fusion,
        bench.model("MLP", 27, 8, 1),
        train_loader,
        valid_loader,
        3,
        [o],
        task="regression",
        is_packed=True,
        save="lf.pt",
        objective=o,
        objective_args_dict=args,
        optimtype=torch.optim.AdamW,
    )
    print(o.step, o.progress, o.terms)
    print([n for n, p in o.named_parameters() if torch.equal(p, before[n])])
