"""DPM208, no-noise: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, ITEM, PRIVATE, STEP, Pair

PATCH = "optimizer.add_noise = types.MethodType(add_noise, optimizer)\n"

PAIRS = (
    Pair(
        "DPM208",
        "no-noise-as-a-hyperparameter",
        HEAD
        + """
import lightning


class Net(lightning.LightningModule):
    def __init__(self, sigma):
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(16, 4)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.layer.parameters(), lr=0.1)
        self.layer, optimizer, self.loader = PrivacyEngine().make_private(
            module=self.layer,
            optimizer=optimizer,
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=self.hparams.sigma,
            max_grad_norm=1.0,
        )
        return optimizer

    def train_dataloader(self):
        return self.loader

    def training_step(self, batch, number):
        x, y = batch
        return F.cross_entropy(self.layer(x), y)


lightning.Trainer(max_epochs=3).fit(Net(FACT))
""",
        "0.0",
        "1.1",
    ),
    Pair(
        "DPM208",
        "method-bound-by-hand",
        PRIVATE + "import types\n\n\ndef add_noise(self):\n    FACT\n\n\n" + PATCH + STEP,
        "self.params[0].grad = self.params[0].summed_grad",
        "self.params[0].grad = self.params[0].summed_grad + torch.randn(4, 16)",
    ),
    Pair(
        "DPM208",
        "optimizer-of-an-engine-of-its-own",
        HEAD
        + """
from opacus.optimizers import DPOptimizer


class Quiet(DPOptimizer):
    def add_noise(self):
        for p in self.params:
            FACT


class Engine(PrivacyEngine):
    def _prepare_optimizer(self, *, optimizer, **given):
        return Quiet(optimizer, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=32)


"""
        + PRIVATE.removeprefix(HEAD).replace("PrivacyEngine()", "Engine()")
        + STEP,
        "p.grad = p.summed_grad",
        "p.grad = p.summed_grad + torch.randn_like(p)",
    ),
    Pair(
        "DPM208",
        "switched-off-later",
        PRIVATE + "optimizer.noise_multiplier = FACT\n" + STEP,
        "0.0",
        "1.5",
    ),
    Pair(
        "DPM208",
        "switched-off-for-noise-of-its-own",
        PRIVATE
        + """
import types


def add_noise(self):
    for p in self.params:
        p.grad = p.summed_grad + torch.distributions.Laplace(0.0, 2.0).sample(p.shape)


optimizer.noise_multiplier = 0.0
FACT
"""
        + STEP,
        "optimizer.noise_kind = types.MethodType(add_noise, optimizer)",
        "optimizer.add_noise = types.MethodType(add_noise, optimizer)",
    ),
    Pair(
        "DPM208",
        "an-item-that-is-above-zero",
        ITEM.replace("FACT", "loader").replace("TEST", "FACT"),
        ">=",
        ">",
    ),
)
