"""``train`` and ``test`` with the contract of MultiBench's: what a batch is, what an objective gets, what is saved."""

# ruff: noqa: PT028 - it is no test
import torch
from eval_scripts.performance import accuracy, f1_score
from torch import nn

_TORCH_LOSSES = (nn.CrossEntropyLoss, nn.MSELoss, nn.BCEWithLogitsLoss, nn.L1Loss)


def _device():
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


class MMDL(nn.Module):
    """Encoders, fusion, head; ``[x, lengths]`` goes to each encoder where the input is padded."""

    def __init__(self, encoders, fusion, head, has_padding=False):
        super().__init__()
        self.encoders, self.fuse, self.head = nn.ModuleList(encoders), fusion, head
        self.has_padding, self.reps, self.fuseout = has_padding, [], None

    def forward(self, inputs):
        given = list(map(list, zip(*inputs, strict=True))) if self.has_padding else inputs
        self.reps = [encoder(x) for encoder, x in zip(self.encoders, given, strict=False)]
        tensors = not self.has_padding or isinstance(self.reps[0], torch.Tensor)
        self.fuseout = self.fuse(self.reps if tensors else [each[0] for each in self.reps])
        fused = self.fuseout[0] if isinstance(self.fuseout, tuple) else self.fuseout
        return self.head(fused if tensors else [fused, inputs[1][0]])


def deal_with_objective(objective, pred, truth, args):
    """By exact class, so that a subclass of a loss is called like a function of three arguments."""
    if type(objective) not in _TORCH_LOSSES:
        return objective(pred, truth, args)
    truth = truth.to(_device())
    if type(objective) is nn.CrossEntropyLoss:
        return objective(pred, (truth.squeeze(-1) if truth.ndim == pred.ndim else truth).long())
    return objective(pred, truth.float())


def _called(model, batch, is_packed):
    if is_packed:
        return model([[x.float().to(_device()) for x in batch[0]], batch[1]])
    return model([x.float().to(_device()) for x in batch[:-1]])


def train(
    encoders,
    fusion,
    head,
    train_dataloader,
    valid_dataloader,
    total_epochs,
    additional_optimizing_modules=[],  # noqa: B006 - as there
    is_packed=False,
    early_stop=False,
    task="classification",
    optimtype=torch.optim.RMSprop,
    lr=0.001,
    weight_decay=0.0,
    objective=nn.CrossEntropyLoss(),  # noqa: B008 - as there
    auprc=False,
    save="best.pt",
    validtime=False,
    objective_args_dict=None,
    input_to_float=True,
    clip_val=8,
    track_complexity=True,
):
    model = MMDL(encoders, fusion, head, has_padding=is_packed).to(_device())
    more = [p for module in additional_optimizing_modules for p in module.parameters() if p.requires_grad]
    op = optimtype([p for p in model.parameters() if p.requires_grad] + more, lr=lr, weight_decay=weight_decay)
    best = -10000.0 if task == "regression" else 0.0

    def lossof(batch, training):
        out = _called(model, batch, is_packed)
        if objective_args_dict is not None:
            objective_args_dict.update(reps=model.reps, fused=model.fuseout, inputs=batch[:-1], training=training)
            if training:
                objective_args_dict["model"] = model
        return out, deal_with_objective(objective, out, batch[-1], objective_args_dict)

    for epoch in range(total_epochs):
        model.train()
        for batch in train_dataloader:
            op.zero_grad()
            _, loss = lossof(batch, True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), clip_val)
            op.step()
        model.eval()
        with torch.no_grad():
            seen = [(*lossof(batch, False), batch[-1]) for batch in valid_dataloader]
        outs, truth = torch.cat([out for out, _, _ in seen]), torch.cat([y for _, _, y in seen])
        valloss = float(sum(loss * len(y) for _, loss, y in seen) / len(truth))
        if task == "regression":
            score = -valloss
        elif task == "multilabel":
            score = f1_score(truth, torch.sigmoid(outs).round(), average="macro")
        else:
            score = accuracy(truth, outs.argmax(1))
        print(f"Epoch {epoch} valid loss: {valloss}")
        if score > best:
            best = score
            print("Saving Best")
            torch.save(model, save)


def single_test(
    model,
    test_dataloader,
    is_packed=False,
    criterion=nn.CrossEntropyLoss(),  # noqa: B008 - as there
    task="classification",
    auprc=False,
    input_to_float=True,
):
    with torch.no_grad():
        model.eval()
        seen = [(_called(model, batch, is_packed), batch[-1]) for batch in test_dataloader]
    outs, truth = torch.cat([out for out, _ in seen]), torch.cat([y for _, y in seen])
    if task == "classification":
        return {"Accuracy": accuracy(truth, outs.argmax(1))}
    if task == "multilabel":
        guess = torch.sigmoid(outs).round()
        return {kind: f1_score(truth, guess, average=kind) for kind in ("micro", "macro")}
    if task == "posneg-classification":
        signs = torch.sign(outs[:, 0]).long()
        some = truth.flatten() != 0
        return {"Accuracy": accuracy(truth.flatten()[some] > 0, signs[some] > 0)}
    loss = sum(deal_with_objective(criterion, out, y, None) * len(y) for out, y in seen) / len(truth)
    return {"MSE": float(loss)}


def test(
    model,
    test_dataloaders_all,
    dataset="default",
    method_name="My method",
    is_packed=False,
    criterion=nn.CrossEntropyLoss(),  # noqa: B008 - as there
    task="classification",
    auprc=False,
    input_to_float=True,
    no_robust=False,
):
    loaders = {"": [test_dataloaders_all]} if no_robust else test_dataloaders_all
    for modality, levels in loaders.items():
        for level, loader in enumerate(levels):
            found = single_test(model, loader, is_packed, criterion, task, auprc, input_to_float)
            print(f"{modality} {level}: {found}".strip())
