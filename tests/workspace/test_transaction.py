"""All files of a fix are written or none, and every file is whole at every moment."""

from __future__ import annotations

import os
import random
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from dpmigrate.workspace import transaction as module
from dpmigrate.workspace.errors import Refused
from dpmigrate.workspace.reading import holds_exactly
from dpmigrate.workspace.transaction import Transaction


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def files(folder: Path, count: int = 3) -> list[Path]:
    paths = [folder / f"{index}.py" for index in range(count)]
    for path in paths:
        path.write_bytes(b"old")
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_nothing_staged_writes_nothing(folder: Path) -> None:
    (path,) = files(folder, 1)
    before = path.stat().st_mtime_ns
    transaction = Transaction()
    transaction.stage(path, b"old", b"old")
    transaction.commit()
    assert (transaction.paths, path.stat().st_mtime_ns) == ((), before)


def test_every_file_is_written_and_keeps_its_mode(folder: Path) -> None:
    paths = files(folder)
    paths[0].chmod(0o751)
    transaction = Transaction()
    for path in paths:
        transaction.stage(path, b"old", b"new " + path.name.encode())
    transaction.commit()
    assert contents(folder) == {f"{i}.py": f"new {i}.py".encode() for i in range(3)}
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o751


def test_rollback_puts_everything_back(folder: Path) -> None:
    paths = files(folder)
    transaction = Transaction()
    for path in paths:
        transaction.stage(path, b"old", b"new")
    transaction.commit()
    transaction.rollback()
    assert set(contents(folder).values()) == {b"old"}
    assert len(contents(folder)) == 3


def test_a_new_file_comes_and_goes_with_the_others(folder: Path) -> None:
    (path,) = files(folder, 1)
    transaction = Transaction(allowed=lambda p: p == str(path))
    transaction.stage(path, b"old", b"new")
    transaction.create(folder / "made.py", b"made")
    transaction.commit()
    assert contents(folder) == {"0.py": b"new", "made.py": b"made"}
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((folder / "made.py").stat().st_mode) == 0o666 & ~umask
    transaction.rollback()
    assert contents(folder) == {"0.py": b"old"}


def test_a_new_file_takes_the_place_of_none(folder: Path) -> None:
    (path,) = files(folder, 1)
    transaction = Transaction()
    with pytest.raises(Refused, match="is there already"):
        transaction.create(path, b"made")
    transaction.stage(path, b"old", b"new")
    transaction.create(folder / "made.py", b"made")
    (folder / "made.py").write_bytes(b"theirs")
    with pytest.raises(Refused, match="is there already"):
        transaction.commit()
    assert contents(folder) == {"0.py": b"old", "made.py": b"theirs"}


def test_a_new_file_is_gone_where_another_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = files(folder, 1)
    transaction = Transaction()
    transaction.stage(path, b"old", b"new")
    transaction.create(folder / "made.py", b"made")
    replace = os.replace

    def failing(source: str, target: str) -> None:
        if target == str(path):
            raise OSError(28, "No space left on device", target)
        replace(source, target)

    monkeypatch.setattr(module.os, "replace", failing)
    with pytest.raises(Refused, match="No space left"):
        transaction.commit()
    assert contents(folder) == {"0.py": b"old"}


def test_rollback_does_not_overwrite_what_somebody_else_wrote(folder: Path) -> None:
    paths = files(folder, 2)
    transaction = Transaction()
    for path in paths:
        transaction.stage(path, b"old", b"new")
    transaction.commit()
    paths[0].write_bytes(b"theirs")
    with pytest.raises(Refused, match="changed on disk"):
        transaction.rollback()
    assert contents(folder) == {"0.py": b"theirs", "1.py": b"new"}


def test_a_file_that_changed_since_it_was_read_is_refused(folder: Path) -> None:
    paths = files(folder)
    transaction = Transaction(display=lambda path: Path(path).name)
    for path in paths:
        transaction.stage(path, b"old", b"new")
    paths[2].write_bytes(b"theirs")
    with pytest.raises(Refused) as caught:
        transaction.commit()
    assert (caught.value.path, caught.value.reason) == ("2.py", "changed on disk since it was read")
    assert contents(folder) == {"0.py": b"old", "1.py": b"old", "2.py": b"theirs"}


def test_a_file_that_vanished_since_it_was_read_is_refused(folder: Path) -> None:
    paths = files(folder)
    transaction = Transaction(display=lambda path: Path(path).name)
    for path in paths:
        transaction.stage(path, b"old", b"new")
    paths[1].unlink()
    with pytest.raises(Refused) as caught:
        transaction.commit()
    assert caught.value.path == "1.py"
    assert contents(folder) == {"0.py": b"old", "2.py": b"old"}


def test_what_must_not_be_written_is_refused(folder: Path) -> None:
    (path,) = files(folder, 1)
    (folder / "link.py").symlink_to(path)
    (folder / "sub").mkdir()
    (folder / "way").symlink_to(folder / "sub")
    (folder / "sub" / "x.py").write_bytes(b"old")
    transaction = Transaction(allowed=lambda name: not name.endswith("0.py"))
    for target, reason in [
        (path, "outside the given paths"),
        (folder / "link.py", "link"),
        (folder / "way" / "x.py", "link"),
        (folder / "sub", "not a regular file"),
        (folder / "gone.py", "no such file"),
    ]:
        with pytest.raises(Refused, match=reason):
            transaction.stage(target, b"old", b"new")
    transaction.commit()
    assert path.read_bytes() == b"old"


def test_a_read_only_file_or_folder_refuses_everything(folder: Path) -> None:
    paths = files(folder, 2)
    transaction = Transaction()
    for path in paths:
        transaction.stage(path, b"old", b"new")
    paths[1].chmod(0o444)
    with pytest.raises(Refused, match=r"1\.py: read-only"):
        transaction.commit()
    paths[1].chmod(0o644)
    folder.chmod(0o555)
    with pytest.raises(Refused, match="its folder is read-only"):
        transaction.commit()
    folder.chmod(0o755)
    assert set(contents(folder).values()) == {b"old"}


@pytest.mark.parametrize("failing", [1, 2, 3, 4, 5, 6])
def test_a_failure_at_any_step_leaves_everything_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    paths = files(folder)
    transaction = Transaction()
    for path in paths:
        transaction.stage(path, b"old", b"new")
    calls = 0

    def counted(real: object) -> object:
        def call(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(28, "No space left on device")
            return real(*arguments)  # type: ignore[operator]

        return call

    monkeypatch.setattr(os, "replace", counted(os.replace))
    monkeypatch.setattr(module, "_write", counted(module._write))
    with pytest.raises(Refused, match="No space left"):
        transaction.commit()
    assert contents(folder) == {f"{i}.py": b"old" for i in range(3)}


def test_an_interrupt_leaves_everything_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = files(folder)
    transaction = Transaction()
    for path in paths:
        transaction.stage(path, b"old", b"new")
    real = os.replace

    def interrupted(source: str, target: str) -> None:
        if target.endswith("1.py") and Path(source).read_bytes() == b"new":
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        transaction.commit()
    assert contents(folder) == {f"{i}.py": b"old" for i in range(3)}


def _interrupted_at(step: int, work: Callable[[], None]) -> bool:
    """Whether some work was interrupted as it came to its n-th line of this module."""
    lines = 0

    def told(frame: FrameType, event: str, argument: object) -> object:
        nonlocal lines
        lines += event == "line"
        if lines == step:
            raise KeyboardInterrupt
        return told

    def entered(frame: FrameType, event: str, argument: object) -> object:
        return told if frame.f_code.co_filename == module.__file__ else None

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_line_leaves_all_files_old_or_all_new(folder: Path) -> None:
    paths, seen = files(folder, 2), set[str]()
    for step in range(1, 1_000):
        transaction = Transaction()
        for path in paths:
            path.write_bytes(b"old")
            transaction.stage(path, b"old", b"new")
        transaction.create(folder / "more.py", b"new")
        interrupted = _interrupted_at(step, transaction.commit)
        held = contents(folder)
        assert held in (
            {"0.py": b"old", "1.py": b"old"},
            dict.fromkeys(("0.py", "1.py", "more.py"), b"new"),
        ), step
        (folder / "more.py").unlink(missing_ok=True)
        seen.add(f"{interrupted} {held['0.py']!r}")
        if not interrupted:
            break
    assert seen == {"True b'old'", "True b'new'", "False b'new'"}


_OLD, _NEW = b"old " * 2_000, b"new " * 2_500


def _keep_committing(paths: list[Path], told: int) -> None:
    """Rewrite all files over and over; say ``w`` at the first write of a round, ``r`` at the first rename."""
    write, replace = module._write, os.replace

    def tell_write(name: str, path: str, data: bytes) -> None:
        if path == str(paths[0]):
            os.write(told, b"w")
        write(name, path, data)

    def tell_rename(source: str, target: str) -> None:
        if target == str(paths[0]):
            os.write(told, b"r")
        replace(source, target)

    module._write, os.replace = tell_write, tell_rename  # type: ignore[assignment]
    os.fsync = lambda descriptor: None  # a killed process loses no page cache; only power loss does
    while True:
        transaction = Transaction()
        for path in paths:
            old = path.read_bytes()
            transaction.stage(path, old, _NEW if old == _OLD else _OLD)
        transaction.commit()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_at_200_moments_leaves_every_file_whole(folder: Path) -> None:
    paths = files(folder, 200)
    for path in paths:
        path.write_bytes(_OLD)
    before = [_OLD] * len(paths)
    interrupted = mixed = 0
    rng = random.Random(0)
    for moment in range(200):
        reading, signalling = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                _keep_committing(paths, signalling)
            finally:
                os._exit(1)
        os.close(signalling)
        phase, longest = (b"w", 0.05) if moment % 2 else (b"r", 0.01)
        while os.read(reading, 1) != phase:
            pass
        time.sleep(rng.uniform(0.0, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(reading)
        assert os.WTERMSIG(status) == signal.SIGKILL
        after = [path.read_bytes() for path in paths]
        assert set(after) <= {_OLD, _NEW}
        left = list(folder.glob(".*.tmp"))
        changed = sum(new != old for new, old in zip(after, before, strict=True))
        mixed += 0 < changed < len(paths)
        interrupted += bool(left)
        before = after
        for temporary in left:
            temporary.unlink()
    assert interrupted > 20, "hardly a kill fell into a commit"
    assert mixed > 5, "hardly a kill fell between two renames"


@pytest.mark.parametrize("length", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20])
def test_a_file_is_the_one_that_was_read_only_with_every_byte_and_none_more(
    tmp_path: Path, length: int
) -> None:
    file, expected = tmp_path / "a.py", b"x" * length
    for content in (expected, expected + b"x", expected[:-1], expected[:-1] + b"y"):
        file.write_bytes(content)
        assert holds_exactly(str(file), expected) is (content == expected)
