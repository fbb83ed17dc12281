"""Has torch and Opacus imported, and runs ``dpmigrate verify`` in forks of itself: a request a line.

Importing them takes 2 of the 5 seconds of a small verification, and dpmigrate itself another 0.3.
"""

import atexit
import gc
import json
import os
import sys
import traceback
from pathlib import Path

del sys.path[0]  # this file's folder: no user of the command has it there
gc.disable()
import opacus.utils.batch_memory_manager  # noqa: E402, F401
import torch._dynamo  # noqa: E402
import torch.utils.data  # noqa: E402, F401

import dpmigrate.report.verification.text  # noqa: E402
import dpmigrate.runtime.run.verify  # noqa: E402, F401
from dpmigrate.cli import main  # noqa: E402
from dpmigrate.runtime.run import api, child  # noqa: E402

gc.enable()
gc.freeze()


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if process == 0:
            status = 70
            try:
                status = command(request)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        print(status, flush=True)


def command(request: dict) -> int:
    """The command line in this process, with its child as a fork instead of a new Python."""
    os.chdir(request["cwd"])
    for module in list(sys.modules.values()):
        # The folder of the command is asked for as it starts.
        if "STARTED_IN" in vars(module):
            module.STARTED_IN = Path.cwd()
    for descriptor, path in ((1, request["stdout"]), (2, request["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    api._child = verifying_process
    sys.argv = ["dpmigrate", *request["arguments"]]
    try:
        main()
    except SystemExit as leaving:
        sys.stdout.flush()
        sys.stderr.flush()
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


def verifying_process(asked, answer) -> int:
    parent = os.getpid()
    process = os.fork()
    if process == 0:
        status = 70
        try:
            os.dup2(2, 1)
            # A new Python would not remove the folder of the command, as the script ends.
            atexit._clear()
            status = child.main([str(asked), str(answer), str(parent)])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


serve()
