"""Losses made beside the returned criterion, and what programs do with losses beside training."""

from __future__ import annotations

import pytest

from tests.fix.conftest import OLD
from tests.fix.upgrading import HEAD, NEW_CALL, OLD_CALL, Make, body_of, upgraded, withheld

WRAPPED = """
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, {third}, loader = engine.make_private(
        module=model, optimizer=optimizer, criterion={given}, data_loader=loader, noise_multiplier=1.0,
        max_grad_norm=1.0, grad_sample_mode="ghost",
    )
    for x, y in loader:
        optimizer.zero_grad()
        loss = {loss}
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("given", "loss", "reason"),
    [
        ("nn.CrossEntropyLoss()", "F.cross_entropy(model(x), y, label_smoothing=0.1)", "another criterion"),
        ("nn.CrossEntropyLoss(ignore_index=0)", "F.cross_entropy(model(x), y)", "another criterion"),
        ("nn.CrossEntropyLoss()", 'F.cross_entropy(model(x), y, reduction="sum")', "is a sum over"),
        ("nn.MSELoss()", "F.cross_entropy(model(x), y)", "another criterion"),
    ],
)
def test_a_loss_that_differs_from_the_returned_criterion_withholds(
    folder: Make, given: str, loss: str, reason: str
) -> None:
    body = WRAPPED.format(third="criterion", given=given, loss=loss)
    assert reason in withheld(folder, body)


def test_a_loss_that_the_model_computes_is_left_and_named(folder: Make) -> None:
    body = WRAPPED.format(third="_", given="nn.CrossEntropyLoss()", loss="model(x, labels=y).loss")
    result = folder(HEAD + body).fix()
    assert (result.diff, [f.rule for f in result.remaining]) == ("", ["DPM103"])


@pytest.mark.parametrize("third", ["criterion", "_"])
@pytest.mark.parametrize("arguments", ["", "label_smoothing=0.1"])
def test_the_loss_that_the_returned_criterion_computes_is_made_by_it(
    folder: Make, third: str, arguments: str
) -> None:
    given = f"nn.CrossEntropyLoss({arguments})"
    loss = f"F.cross_entropy(model(x), y{', ' * bool(arguments)}{arguments})"
    after = upgraded(folder, WRAPPED.format(third=third, given=given, loss=loss))
    assert after == body_of(
        "\n\n" + WRAPPED.format(third="criterion", given=given, loss="criterion(model(x), y)").lstrip("\n")
    )


def test_the_projects_own_criterion_is_replaced_by_the_returned_one(folder: Make) -> None:
    body = WRAPPED.format(third="_", given="mine", loss="mine(model(x), y)")
    body = body.replace("    engine =", "    mine = nn.CrossEntropyLoss()\n    engine =")
    after = upgraded(folder, body)
    assert "model, optimizer, criterion, loader = " in after
    assert "loss = criterion(model(x), y)\n" in after


LOGGED = """
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss(reduction="none")
    model, optimizer, loader = {call}
    total, kept = 0.0, []
    for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), {target})
        double_backward(model, optimizer, losses)
        optimizer.step()
        {log}
    {end}
"""


@pytest.mark.parametrize(
    ("target", "log", "end", "reason"),
    [
        ("y", "print(losses.std())", "pass", ".std is used"),
        ("y", "kept.extend(losses.tolist())", "pass", ".tolist is used"),
        ("y", "print(losses[0])", "pass", "one loss per example is used"),
        ("y + 1", "total += losses.sum().item()", "pass", ".sum is used"),
        ("y", "y = y + 1; total += losses.sum().item()", "pass", ".sum is used"),
        ("y", "kept.append(losses.mean())", "print(torch.cat(kept))", "the tensors in kept are joined"),
        ("y", "total = x.sum(); total += losses.mean(); print(total.item())", "pass", "may also be a tensor"),
        ("y", "print(torch.stack([losses.mean(), x.mean()]))", "pass", "go into torch's stack"),
        ("y", "torch.distributed.all_reduce(losses.mean())", "pass", "go into torch's all_reduce"),
        ("y", "total += losses.mean()", "print(F.relu(total))", "go into torch's relu"),
        ("y", "meter.sum(losses)", "pass", "one loss per example is used"),
        ("y", "total += losses.mean()", "print(total.requires_grad_())", ".requires_grad_ is used"),
    ],
)
def test_logs_that_need_what_the_wrapped_criterion_lacks_withhold(
    folder: Make, target: str, log: str, end: str, reason: str
) -> None:
    body = LOGGED.format(call=OLD_CALL, target=target, log=log, end=end)
    assert reason in withheld(folder, body)


@pytest.mark.parametrize(
    ("log", "new_log", "end", "new_end"),
    [
        (
            "total += losses.sum().item()",
            "total += losses.item() * len(y) if len(y) else 0.0",
            "print(total)",
            "print(total)",
        ),
        ("total += losses.mean()", "total += losses.item()", "print(total.item())", "print(total)"),
        (
            "total += torch.sum(losses).item()",
            "total += losses.item() * len(y) if len(y) else 0.0",
            "pass",
            "pass",
        ),
        (
            "print(torch.sum(losses.detach()))",
            "print(losses.item() * len(y) if len(y) else 0.0)",
            "pass",
            "pass",
        ),
        ("print(torch.mean(losses))", "print(losses.item())", "pass", "pass"),
        ("meter.sum(losses.mean())", "meter.sum(losses.item())", "pass", "pass"),
        ("print(torch.exp(losses.mean()))", "print(torch.exp(torch.tensor(losses.item())))", "pass", "pass"),
        (
            "total += losses.mean()",
            "total += losses.item()",
            "print(torch.exp(total / 3))",
            "print(torch.exp(torch.tensor(total / 3)))",
        ),
        (
            "print(1 / losses.sum())",
            "print(1 / (losses.item() * len(y) if len(y) else 0.0))",
            "pass",
            "pass",
        ),
        (
            "kept.append(losses.mean().detach())",
            "kept.append(losses.item())",
            "print(torch.stack(kept).mean())",
            "print(torch.tensor(kept).mean())",
        ),
        (
            "kept.append(losses.mean())",
            "kept.append(losses.item())",
            "print(sum(kept).item(), kept[-1].item(), max(kept) / 2)",
            "print(sum(kept), kept[-1], max(kept) / 2)",
        ),
        (
            "kept.append(losses.mean())",
            "kept.append(losses.item())",
            "print([one.item() for one in kept], len(kept))",
            "print([one for one in kept], len(kept))",
        ),
    ],
)
def test_logs_stay_right(folder: Make, log: str, new_log: str, end: str, new_end: str) -> None:
    after = upgraded(folder, LOGGED.format(call=OLD_CALL, target="y", log=log, end=end))
    assert after.endswith(f"        {new_log}\n    {new_end}\n")


LISTED = """
def main(model, optimizer, loader, held_out):
    criterion = nn.CrossEntropyLoss({reduction})
    engine = PrivacyEngine()
    model, optimizer, {third}loader = {call}
    for x, y in loader:
        optimizer.zero_grad()
        {backward}
        optimizer.step()
        print({shown})
    with torch.no_grad():
        kept = [criterion(model(x), y).{number}() for x, y in held_out]
    print({end})
"""
BEFORE = {
    "reduction": 'reduction="none"',
    "third": "",
    "call": OLD_CALL,
    "backward": "double_backward(model, optimizer, (losses := criterion(model(x), y)))",
    "shown": 'f"{losses.mean():.2f}"',
    "number": "mean",
}
AFTER = {
    "reduction": "",
    "third": "criterion, ",
    "call": NEW_CALL,
    "backward": "(losses := criterion(model(x), y)).backward()",
    "shown": 'f"{losses.item():.2f}"',
    "number": "item",
}


@pytest.mark.parametrize(
    ("end", "new_end"),
    [
        ("torch.stack(kept).mean()", "torch.tensor(kept).mean()"),
        ("sum(kept).item() / len(kept)", "sum(kept) / len(kept)"),
        (
            "torch.stack([criterion(model(x), y).mean() for x, y in held_out]).max()",
            "torch.tensor([criterion(model(x), y).item() for x, y in held_out]).max()",
        ),
    ],
)
def test_numbers_that_a_comprehension_lists_are_no_tensors(folder: Make, end: str, new_end: str) -> None:
    assert upgraded(folder, LISTED.format(**BEFORE, end=end)) == body_of(
        "\n\n" + LISTED.format(**AFTER, end=new_end).lstrip("\n")
    )


COUNTED = """
def main(model, optimizer, loader):
    criterion = nn.CrossEntropyLoss({reduction})
    engine = PrivacyEngine()
    model, optimizer, {third}loader = {call}
    count = 0
    total = {start}
    for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        {backward}
        optimizer.step()
        {line}
    print(count, total{end})
"""


def counted(line: str, start: str = "0.0", end: str = "", old: bool = True) -> str:
    return COUNTED.format(
        reduction='reduction="none"' if old else "",
        third="" if old else "criterion, ",
        call=OLD_CALL if old else NEW_CALL,
        backward="double_backward(model, optimizer, losses)" if old else "losses.backward()",
        start=start,
        line=line,
        end=end,
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("count += losses.shape[-1]", "the losses' .shape is used"),
        ("count += losses.dim()", "the losses' .dim is used"),
        ("print(losses.device)", "the losses' .device is used"),
        ("y = y[:1]; count += len(losses)", "the losses' number is used"),
    ],
)
def test_what_only_a_tensor_of_losses_tells_withholds(folder: Make, line: str, said: str) -> None:
    assert said in withheld(folder, counted(line))


@pytest.mark.parametrize("number", ["losses.shape[0]", "losses.size(0)", "losses.numel()", "len(losses)"])
def test_as_many_losses_as_targets(folder: Make, number: str) -> None:
    after = counted("count += len(y)", old=False).lstrip("\n")
    assert upgraded(folder, counted(f"count += {number}")) == after


def test_a_tensor_to_which_a_number_is_added_stays_one(folder: Make) -> None:
    old = counted("total += losses.detach().mean()", "torch.tensor(0.0)", ".item()")
    new = counted("total += losses.item()", "torch.tensor(0.0)", ".item()", old=False)
    assert upgraded(folder, old) == new.lstrip("\n")


def test_what_may_also_be_a_number_is_left(folder: Make) -> None:
    body = counted("total += losses.detach().mean()", "torch.zeros(1) if loader else 0.0", ".item()")
    assert "may also be a tensor" in withheld(folder, body)


HANDED_ON = """\
def step(criterion, model, optimizer, batch):
    x, y = batch
    out = model(x)
    losses = criterion(out, y)
    double_backward(model, optimizer, losses)
    optimizer.step()
    return {returned}


def train(model, optimizer, loader):
    criterion = nn.CrossEntropyLoss(reduction="none")
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode="ghost", clipping="ghost",
    )
    for batch in loader:
        {taken} = step(criterion, model, optimizer, batch)
        print(losses.sum().item())
"""


@pytest.mark.parametrize(
    ("returned", "taken", "count"),
    [
        ("losses, out", "losses, logits", "logits"),
        ("y, losses", "targets, losses", "targets"),
        ("losses, model", "losses, _", ""),
        ("losses", "losses", ""),
    ],
)
def test_as_many_as_what_comes_back_beside_the_losses(
    folder: Make, returned: str, taken: str, count: str
) -> None:
    head = OLD.partition("\n\n\n")[0] + "\n\n\n"
    project = folder(head + HANDED_ON.format(returned=returned, taken=taken))
    refused = project.fix().refused
    assert bool(refused) == (not count), refused
    if count:
        assert f"print(losses.item() * len({count}) if len({count}) else 0.0)" in project.read()
    else:
        assert "the losses' .sum is used" in refused[0][1]


PHASES = """
def main(model, optimizer, loaders):
    criterion = nn.CrossEntropyLoss({reduction})
    engine = PrivacyEngine()
    loader = loaders["train"]
    model, optimizer, {third}loader = {call}
    loaders["train"] = loader
    for phase in ("train", "val"):
        total = 0.0
        for x, y in loaders[phase]:
            if phase == "train":
                optimizer.zero_grad()
                losses = criterion(model(x), y)
                {backward}
                optimizer.step()
            else:
                {other}
            total += {total}


main(nn.Linear(2, 2), torch.optim.SGD([], lr=0.1), {{"train": torch.utils.data.DataLoader([])}})
"""


@pytest.mark.parametrize(
    "other",
    [
        'losses = nn.functional.mse_loss(model(x), y, reduction="none")',
        "targets = y.long()\n                losses = criterion(model(x), targets)",
    ],
)
def test_losses_of_another_branch_are_no_longer_counted_by_this_ones(folder: Make, other: str) -> None:
    backward = "double_backward(model, optimizer, losses)"
    body = PHASES.format(
        reduction='reduction="none"',
        third="",
        call=OLD_CALL,
        backward=backward,
        other=other,
        total="losses.sum().item()",
    )
    assert "losses" in withheld(folder, body)


def test_losses_of_both_branches_are_the_wrapped_criterions(folder: Make) -> None:
    before = PHASES.format(
        reduction='reduction="none"',
        third="",
        call=OLD_CALL,
        backward="double_backward(model, optimizer, losses)",
        other="losses = criterion(model(x), y)",
        total="losses.sum().item()",
    )
    after = PHASES.format(
        reduction="",
        third="criterion, ",
        call=NEW_CALL,
        backward="losses.backward()",
        other="losses = criterion(model(x), y)",
        total="losses.item() * len(y) if len(y) else 0.0",
    )
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))


BY_HAND = """
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    {before}model, optimizer, {third}loader = engine.make_private(
        module=model, optimizer=optimizer, {given}data_loader=loader, noise_multiplier=1.0,
        max_grad_norm=1.0, grad_sample_mode="ghost"{clipping},
    )
    for x, y in loader:
        losses = {losses}
        {passes}
        optimizer.step()
        optimizer.zero_grad()
        print({logged})
"""


@pytest.mark.parametrize(
    ("mean", "first", "logged"),
    [
        ("losses.sum() / len(y)", "(losses.sum() / len(y))", "losses.item()"),
        ("loss = losses.sum() / x.size(0)", "loss", "loss.item()"),
        ("n = len(losses)\n        loss = torch.sum(losses) / n", "loss", "loss.item()"),
    ],
)
def test_a_sum_over_the_number_of_examples_is_their_mean(
    folder: Make, mean: str, first: str, logged: str
) -> None:
    kept = f"{mean}\n        " if "=" in mean else ""
    passes = f"""{kept}{first}.backward(retain_graph=True)
        optimizer.zero_grad()
        factors = model.get_coeff()
        model.disable_hooks()
        (factors * losses).sum().backward()
        model.enable_hooks()"""
    old = BY_HAND.format(
        before="",
        third="",
        given="",
        clipping=', clipping="ghost"',
        losses='F.cross_entropy(model(x), y, reduction="none")',
        passes=passes,
        logged=logged.replace("losses.item()", "losses.mean().item()"),
    )
    before = mean.partition("loss = ")[0].replace("len(losses)", "len(y)")
    new = BY_HAND.format(
        before="criterion = nn.CrossEntropyLoss()\n    ",
        third="criterion, ",
        given="criterion=criterion, ",
        clipping="",
        losses="criterion(model(x), y)",
        passes=f"{before}loss = losses\n        loss.backward()" if kept else "losses.backward()",
        logged=logged,
    )
    assert upgraded(folder, old) == body_of("\n\n" + new.lstrip("\n"))


@pytest.mark.parametrize("number", ["32", "len(loader)", "len(model(x)[0])"])
def test_a_sum_over_another_number_is_left(folder: Make, number: str) -> None:
    passes = f"""(losses.sum() / {number}).backward(retain_graph=True)
        optimizer.zero_grad()
        factors = model.get_coeff()
        (factors * losses).sum().backward()"""
    old = BY_HAND.format(
        before="",
        third="",
        given="",
        clipping=', clipping="ghost"',
        losses='F.cross_entropy(model(x), y, reduction="none")',
        passes=passes,
        logged="0",
    )
    assert "the losses are scaled before they go backward" in withheld(folder, old)


CHOSEN = """
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    ce = nn.CrossEntropyLoss({none})
    {margin}model, optimizer, {third}loader = engine.make_private(
        module=model, optimizer=optimizer, {given}data_loader=loader, noise_multiplier=1.0,
        max_grad_norm=1.0, grad_sample_mode="ghost"{clipping},
    )
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        losses = ce(model(x), y) if i % 2 else {other}(model(x.flip(1)), y)
        {step}
        optimizer.step()
"""
CHOSEN_OLD = {
    "none": 'reduction="none"',
    "third": "",
    "given": "",
    "clipping": ', clipping="ghost"',
    "step": "double_backward(model, optimizer, losses)",
}


def test_losses_of_either_side_of_an_expression_are_followed(folder: Make) -> None:
    new = {
        "none": "",
        "third": "ce, ",
        "given": "criterion=ce, ",
        "clipping": "",
        "step": "losses.backward()",
    }
    after = CHOSEN.format(**new, margin="", other="ce")
    assert upgraded(folder, CHOSEN.format(**CHOSEN_OLD, margin="", other="ce")) == after.lstrip("\n")


def test_an_expression_that_chooses_between_criteria_is_left_with_both(folder: Make) -> None:
    margin = 'margin = nn.MultiMarginLoss(reduction="none")\n    '
    reason = withheld(folder, CHOSEN.format(**CHOSEN_OLD, margin=margin, other="margin"))
    assert "the losses of this run are made by several criteria" in reason
