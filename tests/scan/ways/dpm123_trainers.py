"""DPM123, second-optimizer: which optimizer a trainer of Hugging Face steps."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

MADE = (
    HEAD
    + """
from transformers import Trainer, TrainingArguments

records = data()
net = nn.Linear(16, 4)
plain = torch.optim.SGD(net.parameters(), lr=0.1)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=plain,
    data_loader=DataLoader(records, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)


class Private(Trainer):
    def get_train_dataloader(self):
        return loader

    METHOD


arguments = TrainingArguments("out")
trainer = Private(model=net, args=arguments, train_dataset=records, optimizers=(FACT, None))
trainer.train()
print(engine.get_epsilon(1e-5))
"""
)
GIVEN = MADE.replace("METHOD", "pass")

PAIRS = (
    Pair(
        "DPM123",
        "trainer-with-an-optimizer-beside",
        GIVEN,
        "torch.optim.AdamW(net.parameters())",
        "optimizer",
    ),
    Pair("DPM123", "trainer-with-none", GIVEN, "None", "optimizer"),
    Pair(
        "DPM123",
        "trainer-that-makes-its-own",
        MADE.replace("FACT", "None").replace("METHOD", "def FACT(self):\n        return optimizer"),
        "create",
        "create_optimizer",
    ),
    Pair(
        "DPM123",
        "trainer-of-another-model",
        GIVEN.replace("model=net", "model=FACT").replace("(FACT, None)", "(None, None)"),
        "net",
        "nn.Linear(16, 4)",
    ),
)
