"""Makes each mistake that an argument names, and prints what verify advises on the error as JSON."""

import json
import sys
import warnings

import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dpmigrate.runtime.features import wraps_criterion
from dpmigrate.runtime.run.processes.advice import for_error

warnings.filterwarnings("ignore")


def train(fault: str) -> None:
    torch.manual_seed(2)  # two batches of 14 and 16
    x, y = torch.randn(32, 12), torch.randint(0, 4, (32,))
    ghost = not fault.startswith("hooks")
    model = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 4))
    if fault == "evaluating":
        model.eval()
    if fault == "batch-norm":
        model[1] = nn.BatchNorm1d(16)
    if fault == "hooks-unfrozen":
        model[0].requires_grad_(False)
    options = {}
    if ghost:
        options["grad_sample_mode"] = "ghost"
        options |= {"criterion": nn.CrossEntropyLoss()} if wraps_criterion() else {"clipping": "ghost"}
    if fault == "clipping-ghost":
        options["clipping"] = "ghost"
    if fault == "reduction":
        options["criterion"] = nn.CrossEntropyLoss(reduction="sum")
    if fault == "criterion":
        options["criterion"] = nn.CrossEntropyLoss()
    if fault == "misspelt":
        options["max_grad_nrm"] = 1.0
    if fault == "attach":
        PrivacyEngine(
            model, batch_size=4, sample_size=32, alphas=[2], noise_multiplier=1.0, max_grad_norm=1.0
        )
    if fault == "double-backward":
        from opacus.utils.fast_gradient_clipping_utils import double_backward  # noqa: F401
    if fault == "spent":
        PrivacyEngine().get_privacy_spent()
    engine = PrivacyEngine(secure_mode=fault == "secure-mode")
    trained = nn.Linear(2, 2) if fault == "other-parameters" else model
    model, optimizer, *criteria, loader = engine.make_private(
        module=model,
        optimizer=torch.optim.SGD(trained.parameters(), lr=0.1),
        data_loader=DataLoader(TensorDataset(x, y), batch_size=16),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        **options,
    )
    criterion = criteria[0] if criteria else nn.CrossEntropyLoss()
    if fault == "coefficient":
        model.get_coeff()
    if fault == "frozen":
        model._module[0].requires_grad_(False)
    if fault == "hooks-unfrozen":
        model._module[0].requires_grad_(True)
    if fault == "twice-private":
        engine.make_private(
            module=model._module,
            optimizer=torch.optim.SGD(model._module.parameters(), lr=0.1),
            data_loader=DataLoader(TensorDataset(x, y), batch_size=16),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
    for data, target in loader:
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target.unsqueeze(1) if fault == "target-column" else target)
        if fault == "divided":
            loss = loss / 2
        if fault == "mean":
            loss = loss.mean()
        if fault == "printed":
            print(f"{loss:.3f}")
        if fault in ("retain", "hooks-twice-backward"):
            loss.backward(retain_graph=True)
        if fault == "scaler":
            loss = torch.amp.GradScaler("cpu").scale(loss)
        loss.backward()
        if fault == "hooks-accumulated":
            criterion(model(data), target).backward()
        optimizer.step()
        if fault == "frozen-late":
            model._module[0].requires_grad_(False)


advised = {}
for fault in sys.argv[1:]:
    try:
        train(fault)
        advised[fault] = "nothing was raised"
    except Exception as error:
        advised[fault] = for_error(error, [])
print(json.dumps(advised))
