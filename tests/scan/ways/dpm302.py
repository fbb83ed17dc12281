"""DPM302, empty-batch-skipped: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_MADE, HEAD, HOOKS, Pair

MANAGED = """
def handed_on(batches):
    for x, y in batches:
        FACT


with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
    for x, y in handed_on(batches):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""

PAIRS = (
    *(
        Pair("DPM302", f"left-out-by-a-generator-{name}", HEAD + HOOKS + MANAGED, wrong, right)
        for name, wrong, right in (
            ("that-tests", "if len(x):\n            yield x, y", "print(len(x))\n        yield x, y"),
            (
                "that-goes-on",
                "if x.shape[0] == 0:\n            continue\n        yield x, y",
                "if x.shape[0] == 0:\n            print('empty')\n        yield x, y",
            ),
        )
    ),
    Pair(
        "DPM302",
        "step-left-out-for-a-loss",
        HEAD
        + HOOKS
        + """
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            if not torch.isfinite(loss):
                FACT
            loss.backward()
            optimizer.step()
""",
        "continue",
        "print(loss)",
    ),
    Pair(
        "DPM302",
        "loop-left-in-each-epoch-or-for-good",
        HEAD
        + HOOKS
        + """
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for number, (x, y) in enumerate(batches):
            if number == 20:
                break
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    FACT
""",
        "print(epoch)",
        "break",
    ),
    *(
        Pair(
            "DPM302",
            f"loop-left-behind-the-step-{name}",
            HEAD
            + HOOKS
            + f"""
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for number, (x, y) in enumerate(batches):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            if {test}:
                break
    {end}
""",
            wrong,
            right,
        )
        for name, test, end, wrong, right in (
            ("in-each-epoch-or-for-good", "number == 20", "FACT", "print(epoch)", "break"),
            (
                "anywhere-or-where-it-was-one",
                "FACT",
                "pass",
                "number > 20",
                "not optimizer._is_last_step_skipped",
            ),
        )
    ),
    *(
        Pair(
            "DPM302",
            f"loop-left-behind-the-step-{name}",
            HEAD
            + HOOKS
            + f"""
number, done = 0, False
while {around}:
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            number += 1
            if {test}:
                done = True
                break
""",
            wrong,
            right,
        )
        for name, around, test, wrong, right in (
            ("with-a-flag-that-is-asked", "FACT", "number > 90", "number < 900", "not done"),
            ("for-what-the-loop-around-asks", "number < 90", "FACT", "x.sum() > 90", "number >= 90"),
        )
    ),
    Pair(
        "DPM302",
        "asked-for-none",
        HEAD
        + HOOKS
        + """
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as parts:
    for batch in parts:
        x, y = batch[0], batch[1]
        if FACT:
            continue
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "y.max() > 3",
        "y is None",
    ),
    Pair(
        "DPM302",
        "step-after-several-physical-batches",
        HEAD
        + HOOKS.replace("lr=0.1))", "lr=0.1), poisson_sampling=False)")
        + """
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
    for number, (x, y) in enumerate(batches):
        F.cross_entropy(net(x), y).backward()
        if (number + 1) % FACT == 0:
            optimizer.step()
            optimizer.zero_grad()
""",
        "4",
        "1",
    ),
    Pair(
        "DPM302",
        "step-after-several-physical-batches-in-ghost-mode",
        HEAD
        + "net = nn.Linear(16, 8)\n"
        + GHOST_MADE
        + """
turns = 0
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
    for x, y in batches:
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        turns += 1
        FACT
""",
        "if turns % 4 == 0:\n            optimizer.step()",
        "optimizer.step()\n        if turns % 4 == 0:\n            print(turns)",
    ),
    Pair(
        "DPM302",
        "loop-left-before-the-step-in-each-of-several-epochs",
        HEAD
        + HOOKS
        + """
import itertools

done = 0
for epoch in itertools.count():
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for x, y in batches:
            if done >= 20:
                break
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            done += 1
    if FACT:
        break
""",
        "epoch == 2",
        "done >= 20 or epoch == 2",
    ),
    Pair(
        "DPM302",
        "case-of-no-records",
        HEAD
        + HOOKS
        + """
def step(batch):
    x, y = batch
    match len(x):
        case 0:
            FACT
        case _:
            pass
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()


with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
    print([step(batch) for batch in batches])
""",
        "return",
        "print('empty')",
    ),
)
