"""DPM314, sampling-rate-mismatch: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, Pair

PAIRS = (
    Pair(
        "DPM314",
        "batches-of-a-generator",
        HEAD
        + HOOKS
        + """
def moved(batches, where):
    for x, y in batches:
        yield x.to(where), y.to(where)


FACT:
    for i, (some, wanted) in enumerate(pieces):
        optimizer.signal_skip_step(do_skip=(i + 1) % 4 != 0)
        F.cross_entropy(net(some), wanted).backward()
        optimizer.step()
        optimizer.zero_grad()
""",
        'for pieces in [moved(loader, "cpu")]',
        'for pieces in (zip(x.chunk(4), y.chunk(4)) for x, y in moved(loader, "cpu"))',
    ),
    Pair(
        "DPM314",
        "batches-that-a-method-draws",
        HEAD
        + HOOKS
        + """
class Training:
    def __init__(self):
        self.batches = iter(loader)

    def draw(self):
        try:
            return next(self.batches)
        except StopIteration:
            self.batches = iter(loader)
            return next(self.batches)

    def run(self, turns):
        for i in range(turns):
            x, y = self.draw()
            optimizer.signal_skip_step(do_skip=FACT)
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()


Training().run(100)
""",
        "(i + 1) % 4 != 0",
        "False",
    ),
    Pair(
        "DPM314",
        "step-put-off-by-an-argument",
        HEAD
        + """

def advance(optimizer, loss, last):
    loss.backward()
    optimizer.signal_skip_step(not last)
    optimizer.step()
    optimizer.zero_grad()

"""
        + HOOKS
        + """
for number, (x, y) in enumerate(loader):
    advance(optimizer, F.cross_entropy(net(x), y), FACT)
""",
        "number % 8 == 7",
        "True",
    ),
    Pair(
        "DPM314",
        "step-put-off-by-a-trainer",
        HEAD
        + """
from transformers import Trainer, TrainerCallback


class Added(TrainerCallback):
    def __init__(self, optimizer):
        self.optimizer = optimizer

    def FACT(self, args, state, control, **kwargs):
        self.optimizer.signal_skip_step(True)
        self.optimizer.step()
        self.optimizer.zero_grad()


class Private(Trainer):
    def __init__(self, net, args, records):
        net, optimizer, self.loader = PrivacyEngine().make_private(
            module=net,
            optimizer=torch.optim.AdamW(net.parameters()),
            data_loader=DataLoader(records, batch_size=args.per_device_train_batch_size),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        super().__init__(net, args, optimizers=(optimizer, None), callbacks=[Added(optimizer)])

    def get_train_dataloader(self):
        return self.loader
""",
        "on_substep_end",
        "at_no_time",
    ),
    Pair(
        "DPM314",
        "turns-that-end-until-the-fourth",
        HEAD
        + """
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for number, (x, y) in enumerate(loader, 1):
    F.cross_entropy(net(x), y).backward()
    if number % FACT:
        continue
    optimizer.step()
    optimizer.zero_grad()
print(engine.get_epsilon(1e-6))
""",
        "4",
        "1",
    ),
    Pair(
        "DPM314",
        "count-that-goes-down",
        PRIVATE
        + """
left = 4
for x, y in loader:
    F.cross_entropy(net(x), y).backward()
    left -= 1
    FACT
    optimizer.step()
    if left == 0:
        left = 4
    optimizer.zero_grad()
""",
        "optimizer.signal_skip_step(left > 0)",
        "print(left)",
    ),
    Pair(
        "DPM314",
        "put-off-by-an-object-that-counts",
        PRIVATE
        + """
class Stepping:
    def __init__(self, optimizer, every):
        self.optimizer, self.every, self.count = optimizer, every, 0

    def step(self):
        self.count += 1
        last = self.count % self.every == 0
        self.optimizer.signal_skip_step(do_skip=not last)
        self.optimizer.step()
        self.optimizer.zero_grad()


stepping = Stepping(optimizer, FACT)
for x, y in loader:
    F.cross_entropy(net(x), y).backward()
    stepping.step()
print(engine.get_epsilon(1e-5))
""",
        "8",
        "1",
    ),
)
