"""A representation that was trained without labels, in a network of your own, fine-tuned with the few labels there are.

python examples/finetune_in_your_network.py
"""

import torch
from torch import nn

import coral_plugin

generator = torch.Generator().manual_seed(0)
state = torch.randint(3, (600,), generator=generator)  # what both modalities tell about the sample
time = torch.linspace(0, 6.3, 32)[None, :, None]
arrays = {
    "wave": torch.sin(time * (1 + state[:, None, None])) + 0.5 * torch.randn(600, 32, 2, generator=generator),
    "table": state[:, None] + 0.7 * torch.randn(600, 4, generator=generator),
}
fitted = coral_plugin.fit({name: values[:400] for name, values in arrays.items()}, epochs=10)
fitted.model.save("pretrained")

model = coral_plugin.load("pretrained")  # in another program, on another machine
head = nn.Linear(sum(model.parts.values()), 3)
network = nn.Sequential(model, head)  # the model is a module as any other
optimiser = torch.optim.AdamW([{"params": model.parameters(), "lr": 1e-4}, {"params": head.parameters(), "lr": 1e-2}])
labelled = {name: values[:60] for name, values in arrays.items()}
for _ in range(60):
    loss = nn.functional.cross_entropy(network(labelled), state[:60])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
with torch.no_grad():
    guesses = network({name: values[400:] for name, values in arrays.items()}).argmax(1)
print("accuracy with 60 labels:", round((guesses == state[400:]).float().mean().item(), 3))
