"""What to do about the errors of Opacus and torch that private training meets, in one sentence each."""

from __future__ import annotations

import re
import urllib.error
from collections.abc import Sequence

from dpmigrate.runtime.run.records import EngineRecord

IN_PLACE = (
    "a module or the script changes the output of a hooked layer in place, which Opacus 1.5.4 and later do "
    "not allow: use inplace=False, and h = h + x instead of h += x"
)

_UNPACKED = re.compile(r"(?:too many|not enough) values to unpack \(expected (\d+)")


KNOWN = {
    r"Unsupported combination of parameters\. Clipping: ghost": (
        'clipping="ghost" is gone since Opacus 1.5.3: grad_sample_mode="ghost" alone asks for it (DPM405)'
    ),
    r"loss_reduction should be the same across": (
        "in ghost mode the reduction of the criterion is that of make_private (mean unless loss_reduction is "
        "given); 1.5.3 and 1.5.4 set the criterion that they are given to none for good, so that each "
        "make_private needs one of its own"
    ),
    r"must install the torchcsprng": (
        "secure_mode=True needs the package torchcsprng, built for this torch (DPM207)"
    ),
    r"PrivacyEngine\.__init__\(\) got an unexpected keyword|'PrivacyEngine' .* no attribute 'attach'": (
        "this is the engine of Opacus 0.x: since 1.0 PrivacyEngine() takes no model, and make_private "
        "returns what is trained with (DPM410)"
    ),
    r"has no attribute 'virtual_step'": "BatchMemoryManager has taken its place since 1.0 (DPM411)",
    r"has no attribute 'get_privacy_spent'": "it is engine.get_epsilon(delta) since 1.0 (DPM412)",
    r"cannot import name 'double_backward'": (
        "only Opacus 1.5.2 has it: since 1.5.3 loss.backward() of the criterion that make_private returns "
        "makes both passes (DPM401)"
    ),
    r"has no attribute 'get_coeff'": "it is get_clipping_coef since Opacus 1.5.3 (DPM409)",
    r"cannot import name '\w+' from 'opacus|No module named 'opacus\.": (
        "names of Opacus that have moved or are gone are listed by `dpmigrate explain DPM413`"
    ),
    r"unsupported operand type\(s\).*DPTensorFastGradientClipping": (
        "the loss of ghost mode takes no arithmetic before Opacus 1.6.0: leave it out (the optimizer divides "
        "by the batch itself) or use 1.6.0 (DPM107)"
    ),
    r"DPTensorFastGradientClipping|outputs must be a Tensor or an iterable of Tensors": (
        "the loss of ghost mode is no tensor: loss.item() is its value, and loss.backward() is called as it "
        "is, without arguments or a scaler (DPM407)"
    ),
    r"stack expects each tensor to be equal size.*fast_gradient_clipping": (
        "a layer was frozen after make_private, and its norms are those of an earlier batch: freeze "
        "before it (DPM119)"
    ),
    r"has no attribute '_norm_sample'": (
        "a parameter got no gradient norm in this batch: it was frozen after make_private (freeze before it, "
        "DPM119), or forward() does not use it"
    ),
    r"Per sample gradient (?:is not initialized|not found)|accumulated steps is inconsistent": (
        "a parameter that the optimizer trains got no gradient in this batch: zero_grad() came between "
        "backward() and step() (DPM108), it was unfrozen after make_private (unfreeze before it, DPM119), or "
        "forward() does not use it"
    ),
    r"Poisson sampling is not compatible with grad accumulation": (
        "several backward passes came before one step: step after each and clear the gradients, and let "
        "BatchMemoryManager make large batches of small ones (DPM314)"
    ),
    r"Gradients haven't been cleared since the last optimizer step": (
        "call optimizer.zero_grad() between two steps (a Trainer of transformers clears the model alone: a "
        "TrainerCallback can do it, in on_step_end)"
    ),
    r"Module parameters are different than optimizer": (
        "the optimizer was made for other parameters: make it from the model that make_private gets, after "
        "ModuleValidator.fix, which makes new layers"
    ),
    r"unexpected keyword argument 'criterion'": "make_private takes criterion= since Opacus 1.5.3",
    r"DPOptimizer\w*\.__init__\(\) got an unexpected keyword": (
        "make_private has no such argument on this Opacus (DPM406)"
    ),
    r"Model needs to be in training mode": "call model.train() before make_private",
    r"UnsupportedModuleError|ShouldReplaceModuleError": (
        "a layer lets the examples of a batch see one another: ModuleValidator.fix(model) replaces it, "
        "before the optimizer is made"
    ),
    r"Trying to add hooks twice": (
        "the model is private already: make_private is called once a model (DPM309)"
    ),
    r"tying is not supported with Ghost": (
        'parameters that two layers share need grad_sample_mode="hooks", or layers of their own'
    ),
    r"state_dict of .* cannot be loaded": (
        "Opacus up to 1.5.4 wrote the accountant's mechanism in a form that 1.6.0 does not read: set "
        '["privacy_accountant_state_dict"]["mechanism"] of the checkpoint to its name, "rdp" or "prv"'
    ),
    r"Weights only load failed": (
        "Opacus up to 1.5.2 copies models by torch.load, which refuses that since torch 2.6: use a later "
        "Opacus, or an earlier torch"
    ),
    r"pop from empty list.*grad_sample": (
        "two backward passes went over one forward pass, whose activations hooks take once: add the losses "
        "up, and call backward() on the sum"
    ),
    r"No activations detected for": (
        "a backward pass came without a forward pass of this model: call make_private before the first "
        "forward, and each loss's backward() once"
    ),
    r"must match the size of tensor .*fast_gradient_clipping": (
        "the criterion gives another number of losses than there are examples: for a flattened sequence hand "
        "it shape=logits.shape (1.5.3 on, DPM111), else make it one loss an example"
    ),
    r"multi-target not supported": (
        "nn.CrossEntropyLoss takes targets of shape (batch,): squeeze the last dimension of the target"
    ),
    r"unexpected keyword argument 'num_items_in_batch'": (
        "a Trainer of transformers believes the private model to take it, whose forward takes anything and "
        "hands it on: trainer.model_accepts_loss_kwargs = False before train()"
    ),
    r"environment variable \w+ expected|KeyError: '(?:LOCAL_)?(?:RANK|WORLD_SIZE)'": (
        "it is written for a launcher: torchrun --nproc_per_node 2 -m dpmigrate verify SCRIPT"
    ),
    r"expected (?:scalar type|m1 and m2|mat1 and mat2).*BFloat16": (
        "Opacus before 1.6.0 has no mixed precision: leave autocast out, or use 1.6.0"
    ),
    r"cannot be directly executed": "name the module that trains: -m PACKAGE.MODULE",
    r"No module named .*runpy": "call this from the folder that holds the module's first package",
    r"EOF when reading a line": "give what it asks for as an argument or a default",
}
"""Errors that are known by their message (a regular expression), and what to do about each: the first that
fits is the one."""


def for_message(text: str) -> str:
    """A sentence in the place of a message that torch gives no advice in; empty for all others."""
    if "EOF when reading a line" in text:
        return "it asks for input()"
    return IN_PLACE if "BackwardHookFunction" in text and "inplace" in text else ""


def for_error(error: BaseException, engines: Sequence[EngineRecord]) -> str:
    """What to do about an error that a script raised; empty where that is not known."""
    text = " ".join(str(error).split())
    said = _for_unpacking(text, engines) or _for_missing(error)
    if said:
        return said
    last = engines[-1] if engines else None
    if last is not None and last.mode == "ghost" and not last.wrapped_api and "is not initialized" in text:
        return 'ghost clipping needs clipping="ghost" as well before Opacus 1.5.3 (DPM408)'
    line = f"{type(error).__name__}: {text} ({_raised_in(error)})"
    return next((said for message, said in KNOWN.items() if re.search(message, line)), "")


def _for_missing(error: BaseException) -> str:
    """How to verify a script whose packages or data are not here."""
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("opacus"):
        return f"install it, or let a file of yours stand in for it: --with {error.name}=FILE.py"
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
        return f"a small file can stand in for data that is not here: --with {error.filename}=FILE"
    if isinstance(error, ConnectionError | urllib.error.URLError):
        return "verify where the data lies already, or judge its model alone (--factory MODULE:FUNCTION)"
    return ""


def _raised_in(error: BaseException) -> str:
    """The file that an error was raised in."""
    trace, path = error.__traceback__, ""
    while trace is not None:
        path, trace = trace.tb_frame.f_code.co_filename, trace.tb_next
    return path


def _for_unpacking(text: str, engines: Sequence[EngineRecord]) -> str:
    """What ``make_private`` returns, where an error says that its result was unpacked to another number."""
    match = _UNPACKED.search(text)
    if match is None or not engines or any(e.steps for e in engines):
        return ""
    last = engines[-1]
    if last.manual or match[1] not in ("3", "4"):
        return ""
    if "ghost" in last.mode and last.wrapped_api and match[1] == "3":
        return (
            "since Opacus 1.5.3 make_private returns four in ghost mode: model, optimizer, criterion, data "
            "loader (DPM403)"
        )
    if match[1] == "4" and ("ghost" not in last.mode or not last.wrapped_api):
        return "make_private returns four in ghost mode of Opacus 1.5.3 and later alone, and three here"
    return ""
