import os
import sys

sys.path.append(os.getcwd())  # noqa: PTH109 - as scripts there begin
os.environ["CUDA_VISIBLE_DEVICES"] = "1"
import torch
from datasets.affect.get_data import get_dataloader
from fusions.common_fusions import Concat
from training_structures.Supervised_Learning import test, train
from unimodals.common_models import GRU, MLP

traindata, validdata, testdata = get_dataloader("/home/nobody/mosi_raw.pkl", robust_test=False, data_type="mosi")
encoders = [GRU(d, 8, has_padding=True, batch_first=True).cuda() for d in (35, 74, 300)]
fusion, head = Concat().cuda(), MLP(24, 8, 1).cuda()
train(
    encoders,
    fusion,
    head,
    traindata,
    validdata,
    3,
    task="regression",
    optimtype=torch.optim.AdamW,
    is_packed=True,
    lr=1e-3,
    save="lf.pt",
    objective=torch.nn.L1Loss(),
)
print("Testing:")
model = torch.load("lf.pt").cuda()
test(model, testdata, "mosi", is_packed=True, criterion=torch.nn.L1Loss(), task="posneg-classification", no_robust=True)
