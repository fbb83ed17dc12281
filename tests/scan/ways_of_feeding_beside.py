"""Batches that go into other models, into evaluation or attacks, beside the training of a private one."""

from __future__ import annotations

from tests.scan.ways_of_feeding import HEAD, NEVER, PRIVATE, Feeding, after, step

BESIDE = (
    after(
        "an-adversary-within-the-loop",
        """
for x, y in private:
    xa, ya = next(iter(BATCHES))
    xa.requires_grad_(True)
    criterion(net(xa), ya).backward()
    attack = xa.grad.sign()
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
""",
        NEVER,
    ),
    after(
        "a-shadow-model",
        """
for x, y in private:
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
shadow = nn.Linear(4, 2)
shadow_opt = optim.SGD(shadow.parameters(), lr=0.1)
for x, y in BATCHES:
    shadow_opt.zero_grad()
    criterion(shadow(x), y).backward()
    shadow_opt.step()
""",
        NEVER,
    ),
    after(
        "an-attack-model-on-the-outputs",
        """
attack = nn.Linear(2, 2)
attack_opt = optim.SGD(attack.parameters(), lr=0.1)
for x, y in private:
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
for x, y in BATCHES:
    attack_opt.zero_grad()
    criterion(attack(net(x).detach()), y).backward()
    attack_opt.step()
""",
        NEVER,
    ),
    Feeding(
        "a-warm-up-before",
        HEAD
        + f"""
for x, y in BATCHES:
    {step()}
{PRIVATE}
for x, y in private:
    {step()}""",
        {"public": "", "raw": ""},
    ),
    Feeding(
        "a-warm-up-each-round",
        HEAD
        + """
for seed in range(3):
    net = nn.Linear(4, 2)
    plain = optim.SGD(net.parameters(), lr=0.1)
    for x, y in BATCHES:
        plain.zero_grad()
        criterion(net(x), y).backward()
        plain.step()
    engine = PrivacyEngine()
    model, opt, private = engine.make_private(
        module=net, optimizer=optim.SGD(net.parameters(), lr=0.1), data_loader=raw, noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in private:
        opt.zero_grad()
        criterion(model(x), y).backward()
        opt.step()
""",
        {"public": "", "raw": ""},
    ),
    after(
        "two-models-of-which-one-is-private",
        """
other = nn.Linear(4, 2)
other_opt = optim.SGD(other.parameters(), lr=0.1)
for (x, y), (xo, yo) in zip(private, BATCHES):
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
    other_opt.zero_grad()
    criterion(other(xo), yo).backward()
    other_opt.step()
""",
        NEVER,
    ),
    after(
        "both-of-two-loaders",
        """
for (x, y), (xo, yo) in zip(private, BATCHES):
    opt.zero_grad()
    loss = criterion(net(x), y) + criterion(net(xo), yo)
    loss.backward()
    opt.step()
""",
        {"raw": "definite", "public": "", "private": ""},
    ),
    after(
        "one-batch-out-of-two",
        """
for (x, y), (xo, yo) in zip(private, BATCHES):
    opt.zero_grad()
    criterion(net(torch.cat([x, xo])), torch.cat([y, yo])).backward()
    opt.step()
""",
        {"raw": "possible", "public": ""},
    ),
    after(
        "beside-a-loader-that-only-counts",
        f"for (x, y), _ in zip(BATCHES, private):\n    {step()}",
    ),
    after("only-a-length-is-taken", f"for _, (x, y) in zip(BATCHES, private):\n    {step()}", NEVER),
    after(
        "a-gan",
        """
generator = nn.Linear(3, 4)
generator_opt = optim.Adam(generator.parameters())
for real, _ in BATCHES:
    opt.zero_grad()
    fake = generator(torch.randn(real.size(0), 3))
    loss = criterion(net(real), torch.ones(len(real))) + criterion(net(fake.detach()), torch.zeros(len(real)))
    loss.backward()
    opt.step()
    generator_opt.zero_grad()
    criterion(net(fake), torch.ones(len(real))).backward()
    generator_opt.step()
""",
    ),
    after(
        "only-sizes-of-it",
        """
for other, _ in BATCHES:
    fake = torch.randn(other.size(0), 4)
    opt.zero_grad()
    criterion(net(fake), torch.zeros(len(other), dtype=torch.long)).backward()
    opt.step()
""",
        NEVER,
    ),
    after(
        "a-teacher-on-another-loader",
        """
teacher = nn.Linear(4, 2)
for (x, y), (xo, _) in zip(private, BATCHES):
    opt.zero_grad()
    F.mse_loss(net(x), teacher(xo).detach()).backward()
    opt.step()
""",
        NEVER,
    ),
    after(
        "an-encoder-before",
        """
encoder = nn.Linear(4, 4)
for x, y in BATCHES:
    with torch.no_grad():
        z = encoder(x)
    opt.zero_grad()
    criterion(net(z), y).backward()
    opt.step()
""",
    ),
    after(
        "features-kept-in-a-list",
        f"""
encoder = nn.Linear(4, 4)
features = []
for x, y in BATCHES:
    features.append((encoder(x).detach(), y))
for x, y in features:
    {step()}""",
    ),
    after(
        "accumulated",
        """
for i, (x, y) in enumerate(BATCHES):
    (criterion(net(x), y) / 4).backward()
    if (i + 1) % 4 == 0:
        opt.step()
        opt.zero_grad()
""",
    ),
    after(
        "a-closure",
        """
for x, y in BATCHES:
    def closure():
        opt.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        return loss

    opt.step(closure)
""",
    ),
)
