"""DPM112, sequence-bias: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST, GHOST_GIVEN, GHOST_MADE, HEAD, STEPS, Pair, ghost_run, module_of

TRAINED = GHOST.partition("net = Net()\n")[2].replace("CRITERION", "nn.CrossEntropyLoss()")
"""A ghost run of ``net``, and its loop."""

PAIRS = (
    Pair(
        "DPM112",
        "attention-of-ones-own",
        ghost_run(
            "h = self.embed(x)\nscores = self.q(h) @ self.k(h).transpose(-2, -1)\n"
            "return self.head((torch.softmax(scores, -1) @ h)[:, 0])",
            "self.embed = nn.Embedding(100, 16)\nself.q = nn.Linear(16, 16, bias=FACT)\n"
            "self.k = nn.Linear(16, 16, bias=FACT)\nself.head = nn.Linear(16, 4)",
        ),
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "features-after-flattening",
        ghost_run(
            "return self.head(self.narrow(self.embed(x)FACT).view(len(x), -1))",
            "self.embed = nn.Embedding(100, 16)\nself.narrow, self.head = nn.Linear(16, 4), nn.Linear(28, 4)",
        ),
        "",
        ".flatten(1)).repeat(1, 7",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "blocks-in-a-list",
        HEAD
        + """

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(16, 32, bias=FACT), nn.GELU(), nn.Linear(32, 16, bias=FACT))

    def forward(self, x):
        return x + self.inner(x)


"""
        + module_of(
            "h = self.embed(x)\nfor block in self.blocks:\n    h = block(h)\nreturn self.head(h.mean(dim=1))",
            "self.embed = nn.Embedding(100, 16)\nself.blocks = nn.ModuleList([Block() for _ in range(2)])\n"
            "self.head = nn.Linear(16, 4)",
        )
        + GHOST.replace("CRITERION", "nn.CrossEntropyLoss()"),
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "layers-by-a-comprehension-of-names",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.parts = nn.ModuleDict({name: nn.Linear(16, 16, bias=FACT) for name in ("query", "key", "value")})
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        h = self.embed(x)
        q, k, v = self.parts["query"](h), self.parts["key"](h), self.parts["value"](h)
        return self.head((torch.softmax(q @ k.transpose(1, 2), -1) @ v).mean(dim=1))


net = Net()
"""
        + TRAINED,
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "blocks-by-a-comprehension-over-numbers",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.blocks = nn.ModuleDict(
            {f"block{i}": nn.Sequential(nn.Linear(16, n, bias=FACT), nn.ReLU()) for i, n in enumerate(widths)}
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(16) for name in self.blocks})
        self.last = nn.ModuleDict({"a": nn.Linear(16, 4)})

    def forward(self, x):
        h = self.embed(x)
        for name, block in self.blocks.items():
            h = h + block(self.norms[name](h))
        return self.last["a"](h.mean(dim=1))


net = Net([16, 16])
"""
        + TRAINED,
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "blocks-put-in-one-by-one",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.blocks = nn.ModuleDict()
        for i, width in enumerate(widths):
            self.blocks[f"block{i}"] = nn.Sequential(nn.Linear(16, width, bias=FACT), nn.ReLU())
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        h = self.embed(x)
        for name, block in self.blocks.items():
            h = h + block(h)
        return self.out(h.mean(1))


net = Net([16, 16])
"""
        + TRAINED,
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "options-of-a-block",
        HEAD
        + """
class Block(nn.Module):
    def __init__(self, width, **options):
        super().__init__()
        self.layer = nn.Linear(width, width, **options)

    def forward(self, h):
        return self.layer(h)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 16)
        self.block = Block(16FACT)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.block(self.words(x)).mean(dim=1))


net = Net()
"""
        + GHOST_GIVEN.replace("CRITERION", "nn.CrossEntropyLoss")
        + STEPS,
        "",
        ", bias=False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "layer-that-is-added-by-its-name",
        HEAD
        + module_of(
            "return self.out(torch.relu(self.mix(self.emb(x))).mean(1))",
            'self.emb = nn.Embedding(100, 16)\nself.add_module("mix", nn.Linear(16, 16, bias=FACT))\n'
            "self.out = nn.Linear(16, 4)",
        )
        + "\n\nnet = Net()\n"
        + GHOST_MADE
        + STEPS,
        "True",
        "False",
        opacus="==1.5.3",
    ),
    Pair(
        "DPM112",
        "blocks-that-are-all-alike",
        HEAD
        + module_of("return h + torch.tanh(self.ff(h))", "self.ff = nn.Linear(16, 16, bias=FACT)")
        .replace("Net(", "Block(")
        .replace("x)", "h)")
        + module_of(
            "return self.out(self.blocks(self.emb(x)).mean(1))",
            "self.emb = nn.Embedding(100, 16)\n"
            "self.blocks = nn.Sequential(*[Block() for _ in range(depth())])\nself.out = nn.Linear(16, 4)",
        )
        + "\n\nnet = Net()\n"
        + GHOST_MADE
        + STEPS,
        "True",
        "False",
        opacus="==1.5.3",
    ),
)
