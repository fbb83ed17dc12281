"""DPM111, flattened-sequence-loss: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_MADE, HEAD, Pair

PAIRS = (
    Pair(
        "DPM111",
        "loss-by-a-helper",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.head = nn.Linear(16, 50)

    def forward(self, x):
        return self.head(self.embed(x))


net = Net()
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(TensorDataset(torch.randint(0, 50, (64, 9))), batch_size=8),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)


def token_loss(logits, labels, criterion):
    return FACT


for (tokens,) in loader:
    optimizer.zero_grad()
    loss = token_loss(net(tokens), tokens, criterion)
    loss.backward()
    optimizer.step()
""",
        "criterion(logits.view(-1, 50), labels.view(-1))",
        "criterion(logits.view(-1, 50), labels.view(-1), shape=logits.shape)",
        "==1.6.0",
    ),
    Pair(
        "DPM111",
        "flattened-by-a-function-of-torch",
        HEAD
        + """
from opacus.layers import DPLSTM


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.rnn = nn.Embedding(50, 16), DPLSTM(16, 16, batch_first=True)
        self.head = nn.Linear(16, 50)

    def forward(self, ids):
        return self.head(self.rnn(self.words(ids))[0])


net = Net()
"""
        + GHOST_MADE
        + """
for ids, _ in loader:
    optimizer.zero_grad()
    logits = net(ids[:, :-1])
    criterion(FACT).backward()
    optimizer.step()
""",
        "torch.flatten(logits, 0, 1), torch.reshape(ids[:, 1:], (-1,))",
        "torch.flatten(logits, 0, 1), torch.reshape(ids[:, 1:], (-1,)), shape=logits.shape",
    ),
)
