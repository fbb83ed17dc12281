"""DPM403, ghost-returns-four: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

PAIRS = (
    Pair(
        "DPM403",
        "fields-of-a-named-tuple",
        HEAD
        + """
from typing import NamedTuple


class Private(NamedTuple):
    net: object
    optimizer: object
    FACT


net = nn.Linear(16, 4)
run = Private(*PrivacyEngine().make_private(
    module=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(data(), batch_size=32), noise_multiplier=1.0, max_grad_norm=1.0,
    grad_sample_mode="ghost"
))
""",
        "loader: object",
        "criterion: object\n    loader: object",
    ),
    Pair(
        "DPM403",
        "mode-among-the-hyperparameters-of-lightning",
        HEAD
        + """
import pytorch_lightning


class Module(pytorch_lightning.LightningModule):
    def __init__(self, mode):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(16, 4)
        self.loader = DataLoader(data(), batch_size=32)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.net, optimizer, self.loader = PrivacyEngine().make_private(
            module=self.net,
            optimizer=optimizer,
            data_loader=self.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            grad_sample_mode=self.hparams.mode,
        )
        return optimizer

    def train_dataloader(self):
        return self.loader

    def training_step(self, batch, index):
        return F.cross_entropy(self.net(batch[0]), batch[1])


pytorch_lightning.Trainer(max_epochs=3).fit(Module(FACT))
""",
        '"ghost"',
        '"hooks"',
    ),
)
