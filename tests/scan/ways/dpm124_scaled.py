"""DPM124, examples-coupled: losses that are scaled by how many examples their batch has."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_MADE, HEAD, PRIVATE, STEP, STEPS, Pair

BACKWARD = "F.cross_entropy(net(x), y).backward()"
SUMMED = PRIVATE.replace("max_grad_norm=1.0,", "max_grad_norm=1.0,\n    loss_reduction='FACT',")
CONSTANT = "batch_size=32), poisson_sampling=FACT"


def scaled(loss: str, before: str = "") -> str:
    """A loop over the private loader, with another loss."""
    return STEP.replace(BACKWARD, f"{before}({loss}).backward()")


PAIRS = (
    *(
        Pair(
            "DPM124",
            f"scaled-by-{name}",
            PRIVATE + scaled(f"F.cross_entropy(net(x), y) * {size}"),
            wrong,
            right,
        )
        for name, size, wrong, right in (
            ("a-length", "FACT", "len(x)", "32"),
            ("a-size", "FACT / 512", "x.size(0)", "32"),
            ("a-shape", "FACT", "x.shape[0]", "32"),
            ("the-targets", "FACT", "len(y)", "len(loader.dataset)"),
            ("a-length-once", "FACT / len(x)", "len(x) * len(x)", "len(x)"),
        )
    ),
    Pair(
        "DPM124",
        "scaled-by-what-was-moved",
        PRIVATE + scaled("F.cross_entropy(net(x), y) * FACT", "x = x.to('cpu')\n    "),
        "x.shape[0]",
        "32",
    ),
    *(
        Pair("DPM124", f"divided-again-by-{name}", PRIVATE + scaled(loss, before), wrong, right)
        for name, loss, before, wrong, right in (
            ("a-length", "F.cross_entropy(net(x), y) / FACT", "", "len(x)", "32"),
            (
                "a-size",
                "F.cross_entropy(net(x), y) / FACT",
                "x = x.to('cpu')\n    ",
                "x.size(0)",
                "len(loader)",
            ),
            ("a-shape", "F.cross_entropy(net(x), y, reduction='FACT') / y.shape[0]", "", "mean", "sum"),
            ("a-function", "torch.div(F.cross_entropy(net(x), y), FACT)", "", "len(y)", "32"),
            (
                "a-length-of-targets",
                "F.cross_entropy(net(x), y, reduction='none').FACT() / len(y)",
                "",
                "mean",
                "sum",
            ),
        )
    ),
    Pair(
        "DPM124",
        "sum-over-a-constant",
        PRIVATE + scaled("F.cross_entropy(net(x), y, reduction='sum') / FACT"),
        "32",
        "len(x)",
    ),
    Pair("DPM124", "scaled-for-sums", SUMMED + scaled("F.cross_entropy(net(x), y) * len(x)"), "mean", "sum"),
    Pair(
        "DPM124",
        "scaled-batches-that-are-all-of-one-size",
        PRIVATE.replace("batch_size=32)", CONSTANT) + scaled("F.cross_entropy(net(x), y) * len(x)"),
        "True",
        "False",
    ),
    Pair(
        "DPM124",
        "wrapped-loss-scaled",
        HEAD
        + "net = nn.Linear(16, 4)\n"
        + GHOST_MADE
        + STEPS.replace("criterion(net(x), y).backward()", "(criterion(net(x), y) * FACT).backward()"),
        "len(x)",
        "32",
        opacus=">=1.6.0",
    ),
    Pair(
        "DPM124",
        "wrapped-loss-divided",
        HEAD
        + "net = nn.Linear(16, 4)\n"
        + GHOST_MADE
        + STEPS.replace("criterion(net(x), y).backward()", "(criterion(net(x), y) / FACT).backward()"),
        "len(x)",
        "32",
        opacus=">=1.6.0",
    ),
    Pair(
        "DPM124",
        "nothing-for-an-empty-batch",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    output = net(x)
    loss = FACT if len(x) else output.sum() * 0.0
    loss.backward()
    optimizer.step()
""",
        "F.cross_entropy(output, y) * len(x)",
        "F.cross_entropy(output, y)",
    ),
)
