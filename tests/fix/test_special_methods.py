"""A method that Python calls by itself makes private: nothing can hand a criterion to it."""

from __future__ import annotations

from tests.fix.upgrading import NEW_CALL, OLD_CALL, Make, body_of, upgraded

ENTERED = """
class Private:
    def __init__(self, *parts):
        self.parts = parts

    def __enter__(self):
        model, optimizer, loader = self.parts
        engine = PrivacyEngine()
        {made}return {call}

    def __exit__(self, *raised):
        return False


def main(model, optimizer, loader):
{first}    with Private(model, optimizer, loader) as (model, optimizer, {third}loader):
        for x, y in loader:
            optimizer.zero_grad()
            losses = {name}(model(x), y)
            {backward}
            optimizer.step()


main(nn.Linear(2, 2), torch.optim.SGD([], lr=0.1), torch.utils.data.DataLoader([]))
"""


def test_a_method_that_python_calls_makes_its_own(folder: Make) -> None:
    before = ENTERED.format(
        made="",
        call=OLD_CALL,
        first='    criterion = nn.CrossEntropyLoss(reduction="none")\n',
        third="",
        name="criterion",
        backward="double_backward(model, optimizer, losses)",
    )
    after = ENTERED.format(
        made="criterion = nn.CrossEntropyLoss()\n        ",
        call=NEW_CALL,
        first="",
        third="criterion, ",
        name="criterion",
        backward="losses.backward()",
    )
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))
