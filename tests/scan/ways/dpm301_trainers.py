"""DPM301, private-loader-unused: what a trainer of Hugging Face goes over."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, STEP, Pair

MADE = (
    HEAD
    + """
from transformers import Trainer, TrainingArguments

records = data()
given = DataLoader(records, batch_size=32)
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=given,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
arguments = TrainingArguments("out")
"""
)

OWN = """

class Private(Trainer):
    def get_train_dataloader(self):
        return FACT


Private(model=net, args=arguments, train_dataset=records, optimizers=(optimizer, None)).train()
print(engine.get_epsilon(1e-5))
"""

PAIRS = (
    Pair("DPM301", "loader-of-a-trainer-of-its-own", MADE + OWN, "given", "loader"),
    Pair(
        "DPM301",
        "loader-that-a-trainer-makes",
        MADE + "FACT\n",
        "Trainer(net, arguments, train_dataset=records, optimizers=(optimizer, None)).train()",
        STEP.strip(),
    ),
    Pair(
        "DPM301",
        "trainer-of-the-private-model-or-not",
        MADE + "FACT\n" + STEP,
        "Trainer(net, arguments, train_dataset=records, optimizers=(optimizer, None)).train()",
        "Trainer(nn.Linear(16, 4), arguments, train_dataset=records).train()",
    ),
    Pair(
        "DPM301",
        "of-records-that-a-module-elsewhere-has",
        MADE.replace("records = data()", "from records_of_ours import FIRST as records, FACT as others")
        + "Trainer(net, arguments, train_dataset=others, optimizers=(optimizer, None)).train()\n",
        "FIRST",
        "SECOND",
    ),
)
