"""DPM119, frozen-or-unfrozen-late: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_GIVEN, GHOST_MADE, HEAD, Pair, module_of

PAIRS = (
    Pair(
        "DPM119",
        "one-parameter-by-its-place",
        HEAD
        + """
net = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
net[0].weight.requires_grad = False
FACT
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
private, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=optimizer,
    criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(private(x), y).backward()
        optimizer.step()
    net[0].weight.requires_grad = True
""",
        "pass",
        "net[0].weight.requires_grad = True",
    ),
    Pair(
        "DPM119",
        "layers-chosen-by-a-number-that-grows",
        HEAD
        + """
def unfreeze_to(net, depth):
    for i, layer in enumerate(reversed(list(net.children()))):
        for parameter in layer.parameters():
            parameter.requires_grad = i <= depth


net = nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 8), nn.Linear(8, 4))
unfreeze_to(net, 0)
"""
        + GHOST_GIVEN.replace("CRITERION", "nn.CrossEntropyLoss")
        + """
for epoch in range(3):
    unfreeze_to(net, FACT)
    for x, y in loader:
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()
""",
        "epoch",
        "0",
    ),
    *(
        Pair(
            "DPM119",
            f"unfrozen-by-the-epoch-{name}",
            HEAD
            + module_of(
                "return self.head(torch.relu(self.body(x)))",
                "self.body = nn.Linear(16, 8)\nself.head = nn.Linear(8, 4)",
            )
            + f"""
net = Net()
net.body.requires_grad_(False)
{GHOST_MADE}
for epoch in range(6):
    {choice}
    for x, y in loader:
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()
""",
            wrong,
            right,
        )
        for name, choice, wrong, right in (
            ("at-once", "net._module.body.requires_grad_(FACT)", "epoch >= 2", "False"),
            (
                "among-names",
                "for name, p in net.named_parameters():\n        p.requires_grad = FACT",
                '"head" in name or epoch > 3',
                '"head" in name',
            ),
            (
                "of-no-epoch",
                "for i, p in enumerate(net.parameters()):\n        p.requires_grad = FACT",
                "i > 1 or epoch > 3",
                "i > 1",
            ),
        )
    ),
    Pair(
        "DPM119",
        "unfrozen-in-hooks-mode",
        HEAD
        + """
def set_trainable(layer, flag):
    for parameter in layer.parameters():
        parameter.requires_grad = flag


net = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
set_trainable(net[0], False)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for epoch in range(6):
    if epoch == 3:
        set_trainable(net._module[0], FACT)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "True",
        "False",
    ),
)
