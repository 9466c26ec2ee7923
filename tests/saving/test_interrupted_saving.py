"""Saving on a full disk, in a folder that may not be written, and killed on the way (FAULTS 33)."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from line import Line

from pellucid.errors import ModelFileError
from pellucid.saving import load, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="row 33 of the faults holds on POSIX systems")

PREAMBLE = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from line import Line
from pellucid import saving
saving.MODELS["Line"] = "line"
path = Path(sys.argv[2])
"""


def run(script, path):
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + script, Path(__file__).parent, path],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )


@contextmanager
def small_disk(folder):
    """Mount a disk of 64 kB there, or say that this machine does not let us."""
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "pellucid-test", str(folder)]
    mounted = bool(shutil.which("mount")) and subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_previous_file_whole_and_says_so(tmp_path):
    path = tmp_path / "line.pellucid"
    with small_disk(tmp_path) as mounted:
        save(Line(), path)
        before = path.read_bytes()
        limit = "" if mounted else "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        result = run(limit + "saving.save(Line(shape=(200, 100)), path)", path)
        assert result.returncode == 1
        reason = "No space left on device" if mounted else "File too large"
        assert f"{path}: not saved ({reason}); what stood there before is unchanged" in result.stderr
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_may_not_be_written_leaves_the_previous_file_whole_and_says_so():
    folder = Path(tempfile.mkdtemp())  # pytest's own folder is closed to all but its user
    try:
        path = folder / "line.pellucid"
        save(Line(), path)
        before = path.read_bytes()
        folder.chmod(0o555)
        drop_privileges = "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        result = run(drop_privileges + "saving.save(Line(shape=(5, 5)), path)", path)
        assert result.returncode == 1
        assert f"{path}: not saved (Permission denied); what stood there before is unchanged" in result.stderr
        assert path.read_bytes() == before
        assert list(folder.iterdir()) == [path]
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_killed_at_any_line_of_saving_the_file_is_the_previous_or_the_new_one_whole(tmp_path):
    path = tmp_path / "line.pellucid"
    script = """
before, after = Line(fill=np.zeros((3, 2), np.float32)), Line(fill=np.ones((3, 2), np.float32))

def die_at(line):
    def trace(frame, event, argument, left=[line]):
        if not frame.f_code.co_filename.endswith(os.path.join("saving", "file.py")):
            return None
        left[0] -= event == "line"
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)

killed = signal.SIGKILL
line, seen = 0, []
while killed:
    line += 1
    saving.save(before, path)
    if not (child := os.fork()):
        die_at(line)
        saving.save(after, path)
        os._exit(0)
    killed = os.WTERMSIG(os.waitpid(child, 0)[1])
    seen.append(saving.load(path).weights[0, 0])
print(line, *sorted(seen) == seen and (min(seen), max(seen)), len(list(path.parent.glob(".*"))))
"""
    result = run(script, path)
    assert result.returncode == 0, result.stderr
    lines, first, last, remains = result.stdout.split()
    assert int(lines) > 30  # killed at this many places, and then once not
    assert (first, last) == ("0.0", "1.0")  # at first the previous model, from some line on the new one
    assert int(remains) > 0  # some of the kills fell between the first byte and the last


def test_killed_at_any_moment_the_file_is_whole(tmp_path):
    path = tmp_path / "line.pellucid"
    script = """
import time
model = Line(shape=(1000, 500))
saving.save(model, path)
torn = 0
for delay in np.linspace(0, 0.03, 25):
    if not (child := os.fork()):
        while True:
            saving.save(model, path)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    np.testing.assert_array_equal(saving.load(path).weights, model.weights)
print(len(list(path.parent.glob(".*"))))
"""
    result = run(script, path)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0  # kills fell into the middle of saving


def test_ctrl_c_while_saving_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "line.pellucid"
    save(Line(), path)
    before = path.read_bytes()

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(Line(shape=(9, 9)), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_does_not_fail_a_file_that_is_saved(tmp_path, monkeypatch):
    fsync = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    save(Line(), tmp_path / "line")
    np.testing.assert_array_equal(load(tmp_path / "line").weights, Line().weights)
    with pytest.raises(ModelFileError, match="cannot be read"):
        load(tmp_path / "other")
