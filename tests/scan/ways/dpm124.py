"""DPM124, examples-coupled: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, STEP, STEPS, Pair

MIXED = """
def changed(x, y):
    order = torch.randperm(len(x))
    return FACT, y


for x, y in loader:
    x, y = changed(x, y)
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""


MODEL = """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.value, self.head = nn.Linear(16, 8), nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x):
        FACT
        return self.head(h)


net = Net()
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""

OWN = "h[torch.arange(len(x)), lengths - 1]"
BY_HAND = """
from opacus.layers import DPLSTM


def collate(batch):
    rows, labels = zip(*batch)
    lengths = torch.tensor([len(row) for row in rows])
    longest = max(len(row) for row in rows)
    return torch.tensor(FILLED), lengths, torch.tensor(labels)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 16, padding_idx=0)
        self.rnn = DPLSTM(16, 8, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x, lengths):
        h, _ = self.rnn(self.embedding(x))
        return self.out(LAST)


net = Reader()
rows = [([1 + i % 19] * (3 + i % 20), i % 2) for i in range(256)]
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(rows, batch_size=32, collate_fn=collate),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, lengths, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x, lengths), y).backward()
    optimizer.step()
"""

LANGUAGE_MODEL = """
import transformers

tokenizer = transformers.AutoTokenizer.from_pretrained("gpt2")
net = transformers.AutoModelForTokenClassification.from_pretrained("gpt2")
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32, collate_fn={collate}),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for batch in loader:
    optimizer.zero_grad()
    net(batch["input_ids"], labels={labels}).loss.backward()
    optimizer.step()
"""

PAIRS = (
    Pair(
        "DPM124",
        "mixup-by-a-helper",
        HEAD
        + HOOKS
        + """
def mixed(batch, share):
    order = torch.randperm(batch.size(0))
    return share * batch + (1 - share) * FACT


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(mixed(x, 0.3)), y).backward()
    optimizer.step()
""",
        "batch[order]",
        "batch.abs()",
    ),
    Pair(
        "DPM124",
        "batch-turned-round",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(0.5 * x + 0.5 * x.flip(FACT)), y).backward()
    optimizer.step()
""",
        "0",
        "1",
    ),
    Pair(
        "DPM124",
        "all-compared-with-all-by-a-criterion",
        HEAD
        + HOOKS
        + """
class Alike(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("anchors", torch.randn(4, 8))

    def forward(self, z, y):
        return F.cross_entropy(torch.matmul(z, FACT.T), y)


alike = Alike()
for x, y in loader:
    optimizer.zero_grad()
    alike(net(x), y).backward()
    optimizer.step()
""",
        "z",
        "self.anchors",
    ),
    Pair(
        "DPM124",
        "those-at-risk-in-a-loss-of-survival",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    risk = net(x)[:, 0]
    (FACT - risk).mean().backward()
    optimizer.step()
""",
        "torch.logcumsumexp(risk, dim=0)",
        "torch.logcumsumexp(net(x), dim=1)[:, -1]",
    ),
    *(
        Pair(
            "DPM124",
            f"standardised-by-a-helper-{name}",
            HEAD
            + HOOKS
            + f"""
def standardised(z):
    {first}
    return (z - middle) / (z.std(1, keepdim=True) + 1e-5)


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(standardised(net(x)), y).backward()
    optimizer.step()
""",
            "0",
            "1",
        )
        for name, first in (
            ("keyword", "middle = z.mean(dim=FACT, keepdim=True)"),
            ("function", "middle = torch.mean(z, FACT, keepdim=True)"),
            ("two-at-once", "middle, spread = z.mean(FACT), z.std(1)"),
        )
    ),
    Pair(
        "DPM124",
        "standardising-layer-in-a-list",
        HEAD
        + """
class Standardised(nn.Module):
    def forward(self, h):
        return (h - h.mean(FACT, keepdim=True)) / 2


net = nn.Sequential(nn.Linear(16, 8), Standardised(), nn.Linear(8, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP,
        "0",
        "1",
    ),
    *(
        Pair(
            "DPM124",
            f"statistic-{name}",
            HEAD
            + f"""
class Standardised(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        {statistic}
        return (x - mean) / (deviation + 1e-5)


net = nn.Sequential(nn.Linear(16, 8), Standardised(FACT), nn.Linear(8, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
criterion = nn.CrossEntropyLoss()
"""
            + STEPS,
            "0",
            "1",
        )
        for name, statistic in (
            (
                "over-a-dimension-of-its-own",
                "mean, deviation = x.mean(self.dim, keepdim=True), x.std(self.dim, keepdim=True)",
            ),
            (
                "and-deviation-at-once",
                "deviation, mean = torch.std_mean(x, dim=self.dim, keepdim=True)",
            ),
        )
    ),
    *(
        Pair("DPM124", f"parts-of-others-{name}", HEAD + HOOKS + MIXED, wrong, right)
        for name, wrong, right in (
            (
                "joined",
                "torch.cat([x[:, :8], x[order][:, 8:]], dim=1)",
                "torch.cat([x[:, 8:], x[:, :8]], dim=1)",
            ),
            (
                "chosen",
                "torch.where(torch.rand_like(x) < 0.1, x[order], x)",
                "torch.where(torch.rand_like(x) < 0.1, torch.zeros_like(x), x)",
            ),
        )
    ),
    Pair(
        "DPM124",
        "share-of-the-batch",
        HEAD + MODEL + STEP,
        "h = torch.softmax(self.gate(x), dim=0) * self.value(x)",
        "h = torch.softmax(self.gate(x), dim=1) * self.value(x)",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "share-of-the-batch-or-of-weights",
        HEAD
        + MODEL.replace("super().__init__()", "super().__init__(); self.mix = nn.Parameter(torch.ones(8))")
        + STEP,
        "h = F.softmax(self.gate(x), 0) * self.value(x)",
        "h = F.softmax(self.mix, 0) * self.value(x)",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "deviation-of-the-batch-beside",
        HEAD + MODEL + STEP,
        "h = self.value(x) + x.std(dim=0).mean()",
        "h = self.value(x) + x.std(dim=1, keepdim=True)",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "batch-standardised-by-a-helper",
        HEAD
        + HOOKS
        + """

def standardised(x, dimension):
    return (x - x.mean(dimension, keepdim=True)) / x.std(dimension, keepdim=True)


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(standardised(x, FACT)), y).backward()
    optimizer.step()
""",
        "0",
        "1",
    ),
    *(
        Pair(
            "DPM124",
            f"padded-by-hand-{name}",
            HEAD + BY_HAND.replace("FILLED", filled).replace("LAST", last),
            wrong,
            right,
        )
        for name, filled, last, wrong, right in (
            ("lists", "[row + [0] * (longest - len(row)) for row in rows]", "FACT", "h[:, -1]", OWN),
            ("fixed", "[row + [0] * (FACT - len(row)) for row in rows]", "h[:, -1]", "longest", "32"),
            (
                "zeros",
                "[row + [0] * (FACT - len(row)) for row in rows]",
                "h[:, -1]",
                "max(map(len, rows))",
                "32",
            ),
        )
    ),
    *(
        Pair(
            "DPM124",
            f"standardised-over-everything-{name}",
            HEAD
            + HOOKS
            + """
for x, y in loader:
    optimizer.zero_grad()
    value = net(x)[:, 0]
    advantage = FACT
    (F.log_softmax(net(x), 1)[:, 1] * advantage).mean().backward()
    optimizer.step()
""",
            wrong,
            "(value - value.tanh()) / (value.abs() + 1e-8)",
        )
        for name, wrong in (
            ("mean", "value - value.mean()"),
            ("deviation", "value / (torch.std(value) + 1e-8)"),
        )
    ),
    Pair(
        "DPM124",
        "standardised-over-everything-in-a-model",
        HEAD + MODEL + STEP,
        "h = self.value(x); h = h - h.mean()",
        "h = self.value(x); w = self.gate.weight; w = w - w.mean()",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "covariance-of-the-batch",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    z = net(x)
    (F.cross_entropy(z, y) + 0.01 * FACT).backward()
    optimizer.step()
""",
        "torch.cov(z.T).pow(2).sum()",
        "z.pow(2).sum(1).mean()",
    ),
    *(
        Pair("DPM124", f"mean-of-what-counts-{name}", PRIVATE + program, wrong, right)
        for name, program, wrong, right in (
            (
                "of-a-criterion",
                "criterion = nn.CrossEntropyLoss(FACT)" + STEP.replace("F.cross_entropy", "criterion"),
                "ignore_index=0",
                "label_smoothing=0.1",
            ),
            (
                "of-a-function",
                STEP.replace("y).backward", "y, ignore_index=-1, reduction=FACT).backward"),
                "'mean'",
                "'none'",
            ),
            (
                "of-a-criterion-of-the-program",
                """
class Masked(nn.Module):
    def forward(self, out, y):
        return F.cross_entropy(out, y, FACT)


criterion = Masked()
"""
                + STEP.replace("F.cross_entropy", "criterion"),
                "ignore_index=0",
                "label_smoothing=0.1",
            ),
        )
    ),
    *(
        Pair(
            "DPM124", f"mean-of-a-language-model-{name}", HEAD + LANGUAGE_MODEL.format(**parts), wrong, right
        )
        for name, parts, wrong, right in (
            (
                "whose-collator-pads",
                {"collate": "FACT(tokenizer)", "labels": "batch['labels']"},
                "transformers.DataCollatorForTokenClassification",
                "transformers.DataCollatorWithPadding",
            ),
            (
                "with-labels-of-its-own",
                {"collate": "None", "labels": "batch['labels'].masked_fill(batch['mask'] == 0, FACT)"},
                "-100",
                "0",
            ),
        )
    ),
    Pair(
        "DPM124",
        "product-with-the-example-before",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    z = net(x)
    FACT
    (F.cross_entropy(z, y) + alike.sum(1).abs().mean()).backward()
    optimizer.step()
""",
        "alike = z * z.roll(1, 0)",
        "alike = z * z.roll(1, 1)",
    ),
)
