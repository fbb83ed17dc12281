"""Faults of the loss and of the model: what goes backward has not one clipped gradient for each example."""

from __future__ import annotations

from tests.verify.planting import CLASSIFIER, LANGUAGE, OLD, SINCE_153, TRAINER, Plant

RETURNED = "model, optimizer, criterion, train_loader = privacy_engine"
MEAN_LOSS = """
class MeanLoss(nn.Module):
    reduction = "mean"

    def forward(self, output, target):
        losses = nn.functional.cross_entropy(output, target, reduction="none")
        return (losses * (1 - torch.exp(-losses)) ** 2).mean()


def main():
"""

PLANTS: tuple[Plant, ...] = (
    Plant(
        "a",
        "F.cross_entropy goes backward",
        CLASSIFIER,
        (("loss = criterion(model(x), y)", "loss = nn.functional.cross_entropy(model(x), y)"),),
        SINCE_153,
        "DPM103",
    ),
    Plant(
        "a",
        "the model's own loss goes backward",
        TRAINER,
        (
            ('self.model(input_ids=inputs["input_ids"])', "self.model(**inputs)"),
            ('return self.criterion(outputs.logits, inputs["labels"])', "return outputs.loss"),
        ),
        SINCE_153,
        "DPM103",
    ),
    Plant(
        "a'",
        "own criterion object after make_private",
        CLASSIFIER,
        ((RETURNED, "model, optimizer, _, train_loader = privacy_engine"),),
        ("1.6.0",),
        "DPM103",
    ),
    Plant(
        "b1",
        "MSELoss of shape (B, 1)",
        CLASSIFIER,
        (
            ("nn.Linear(16, 4)", "nn.Linear(16, 1)"),
            ("nn.CrossEntropyLoss()", "nn.MSELoss()"),
            ("criterion(model(x), y)", "criterion(model(x), y.float()[:, None])"),
        ),
        SINCE_153,
        "DPM105",
    ),
    Plant(
        "b1",
        "losses of shape (B, 1), old API",
        OLD,
        (
            ("nn.Linear(16, 4)", "nn.Linear(16, 1)"),
            ("nn.CrossEntropyLoss(reduction", "nn.MSELoss(reduction"),
            ("criterion(model(x), y)", "criterion(model(x), y.float()[:, None])"),
        ),
        ("1.5.2",),
        "DPM105",
    ),
    Plant(
        "b3",
        "criterion=F.cross_entropy",
        CLASSIFIER,
        (("criterion = nn.CrossEntropyLoss()", "criterion = nn.functional.cross_entropy"),),
        ("1.6.0",),
        "DPM104",
    ),
    Plant(
        "b3",
        "criterion=lambda",
        TRAINER,
        (("self.criterion = nn.CrossEntropyLoss()", "self.criterion = lambda o, t: F.cross_entropy(o, t)"),),
        ("1.6.0",),
        "DPM104",
    ),
    Plant(
        "b3",
        "criterion ignores its reduction",
        CLASSIFIER,
        (("\ndef main():\n", MEAN_LOSS), ("criterion = nn.CrossEntropyLoss()", "criterion = MeanLoss()")),
        SINCE_153,
        "DPM104",
    ),
    Plant(
        "f2",
        "loss + penalty on the parameters",
        CLASSIFIER,
        (
            (
                "loss.backward()",
                "loss = loss + 0.1 * sum(p.pow(2).sum() for p in model.parameters())\n"
                "                loss.backward()",
            ),
        ),
        ("1.6.0",),
        "DPM107",
    ),
    Plant(
        "g",
        "ignore_index, target by keyword",
        LANGUAGE,
        (("target.view(-1), shape", "target=target.view(-1), shape"),),
        SINCE_153,
        "DPM110",
        says="wrong weights",
    ),
    Plant("g", "ignore_index", LANGUAGE, (), ("1.5.3", "1.5.4"), "DPM110", says="wrong weights"),
    Plant(
        "g'",
        "no shape=, one sequence in a physical batch",
        LANGUAGE,
        (
            (", shape=logits.shape", ""),
            ("max_physical_batch_size=16", "max_physical_batch_size=1"),
            ("target[torch.arange(LENGTH) >= length] = PAD", ""),
        ),
        SINCE_153,
        "DPM111",
        says="scaled by 7",
    ),
    Plant(
        "h",
        "Linear bias on 3-d activations",
        LANGUAGE,
        (("target[torch.arange(LENGTH) >= length] = PAD", ""),),
        ("1.5.3",),
        "DPM112",
        says="hidden.bias",
    ),
    Plant(
        "n",
        "loss_reduction is sum, the first pass takes a mean",
        OLD,
        (("max_grad_norm=1.0,", 'max_grad_norm=1.0,\n        loss_reduction="sum",'),),
        ("1.5.2",),
        "DPM115",
        says="loss_reduction",
    ),
    Plant(
        "t",
        "a weight used outside its module",
        LANGUAGE,
        (("return self.head(hidden)", "return hidden @ self.embed.weight.T + 0 * self.head(hidden)"),),
        ("1.6.0",),
        "DPM117",
        says="embed.weight",
    ),
)
