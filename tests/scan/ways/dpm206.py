"""DPM206, secure-mode-generator: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

PAIRS = (
    Pair(
        "DPM206",
        "generator-of-torchcsprng",
        HEAD
        + """
import torchcsprng

net = nn.Linear(16, 4)
options = {"noise_multiplier": 1.0, "max_grad_norm": 1.0}
options["FACT"] = torchcsprng.create_random_device_generator()
PrivacyEngine(secure_mode=True).make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    **options,
)
""",
        "noise_generator",
        "generator",
    ),
    Pair(
        "DPM206",
        "generator-where-somebody-asks-for-it",
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
args = parser.parse_args()
generator = None
if args.seed is not None:
    generator = torch.Generator()
    generator.manual_seed(args.seed)
net = nn.Linear(16, 4)
PrivacyEngine(FACT).make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    noise_generator=generator,
)
""",
        "secure_mode=True",
        "secure_mode=False",
    ),
)
