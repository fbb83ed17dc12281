"""DPM124, examples-coupled: means of what counts and paddings, in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, PRIVATE, STEP, Pair

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
            (
                "beside-a-bound",
                {"collate": "None", "labels": "batch['labels'][FACT]"},
                "batch['mask'] != -100",
                "-100:",
            ),
            (
                "of-what-it-reads",
                {
                    "collate": "transformers.DataCollatorForTokenClassification(tokenizer)",
                    "labels": "batch['FACT']",
                },
                "labels",
                "input_ids",
            ),
        )
    ),
)
