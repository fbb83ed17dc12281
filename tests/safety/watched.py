"""Runs a dpmigrate command line in a process that writes down what it does to the system.

``python watched.py LOG COMMAND..`` writes a line ``EVENT ARGUMENT`` to LOG for every program that is
started, every connection, every file that is opened outside of the current folder and the installation,
and whatever of the current folder is run.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

LOG, COMMAND = sys.argv[1], sys.argv[2:]
TREE = Path.cwd().resolve()
CHECKOUT = Path(__file__).resolve().parents[2]
ALLOWED = tuple(
    f"{Path(path).resolve()}/"
    for path in (
        TREE,
        CHECKOUT / "dpmigrate",
        CHECKOUT / "rules",
        Path(os.__file__).parent,
        sys.prefix,
        sys.base_prefix,
        *sysconfig.get_paths().values(),
        *sys.path[1:],
        os.environ.get("XDG_CACHE_HOME", os.devnull),
        "/proc",
        "/dev/null",
        "/sys/fs/cgroup",
    )
)
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
OTHERS = ("socket.connect", "socket.bind", "ctypes.dlopen", "pickle.find_class", "os.putenv", "shutil.rmtree")
DESCRIPTOR = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(event: str, what: object) -> None:
    os.write(DESCRIPTOR, f"{event} {what!r}\n".encode("utf-8", "backslashreplace"))


def hook(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS or event in OTHERS:
        note(event, arguments[0] if arguments else "")
    elif event in ("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.chmod"):
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, str) and not f"{Path(path).resolve()}/".startswith(ALLOWED):
            note(event, path)
    elif event == "exec":
        path = Path(getattr(arguments[0], "co_filename", "")).resolve()
        if path.is_file() and TREE in path.parents:
            note(event, path)


sys.path[0] = str(CHECKOUT)
from dpmigrate.cli import run  # noqa: E402 - the folder of this script must not be searched

sys.addaudithook(hook)
status = run(COMMAND)
note("exit", status)
sys.exit(status)
