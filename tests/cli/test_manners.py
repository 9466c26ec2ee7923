"""How the command ends: exit status, one line for a mistake, closed pipes, signals."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from endings import one_line

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


def test_help_imports_nothing_heavy():
    code = (
        "import sys, contextlib\n"
        "from pellucid.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "print({'numpy', 'sklearn', 'torch', 'numba', 'scipy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"
    assert "Usage: pellucid" in done.stdout


def test_help_answers_in_less_than_two_fifths_of_a_second():
    def seconds():
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pellucid", "--help"], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - begin

    assert min(seconds() for _ in range(5)) < 0.4


def test_help_lists_the_commands_that_there_are(pellucid):
    done = pellucid("--help")
    listed = [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == [
        "tour",
        "run",
        "watch",
        "studio",
        "lesson",
        "train",
        "predict",
        "inspect",
        "export",
        "bench",
        "spinn",
    ]


def test_no_command_shows_the_help(pellucid):
    done = pellucid()
    assert done.returncode == 0
    assert done.stdout == pellucid("--help").stdout


def test_version_is_that_of_the_package(pellucid):
    from pellucid import __version__

    assert pellucid("--version").stdout == f"pellucid {__version__}\n"


def test_texts_are_chinese_when_asked_for(pellucid):
    assert "看得透的神经网络" in pellucid("--help", language="zh").stdout
    assert "没有名为 'neurn' 的实验" in one_line(pellucid("run", "neurn", language="zh"), 2)


def test_an_unknown_option_is_a_usage_error(pellucid):
    assert "No such option: --jsonn" in one_line(pellucid("run", "neuron", "--jsonn"), 2)


def test_an_unknown_command_is_a_usage_error(pellucid):
    assert "Did you mean 'train'?" in one_line(pellucid("trian"), 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "Missing argument 'FILE'"),
        (["train", "x.csv", "--epochs", "0"], "'--epochs'"),
        (["train", "x.csv", "--test-fraction", "2"], "'--test-fraction'"),
        (["train", "x.csv", "--task", "guess"], "'--task'"),
        (["run", "neuron", "--seed", "-1"], "'--seed'"),
    ],
)
def test_a_value_that_is_not_allowed_is_a_usage_error(call, arguments, message):
    assert message in one_line(call(*arguments), 2)


def test_a_misspelt_experiment_is_answered_with_the_near_one(pellucid):
    line = one_line(pellucid("run", "neurn"), 2)
    assert "there is no experiment 'neurn'; did you mean neuron?" in line
    assert "two-layer" in line


def test_an_option_that_the_experiment_does_not_have_is_refused(call):
    assert "model" in one_line(call("run", "neuron", "--model", "mlp"), 2)


def test_an_unknown_room_names_those_there_are(call):
    assert "neuron, two-layer" in one_line(call("watch", "cellar"), 2)


@pytest.mark.parametrize("command", [["train"], ["inspect"], ["predict", "model.pellucid"]])
def test_a_missing_file_is_named(call, flowers, command):
    line = one_line(call(*command, "nowhere.csv"), 1)
    assert ("model.pellucid" if command[0] == "predict" else "nowhere.csv") in line


@pytest.mark.parametrize("command", ["train", "inspect"])
def test_a_folder_is_no_file(call, tmp_path, command):
    (tmp_path / "folder").mkdir()
    assert "folder" in one_line(call(command, "folder"), 1)


@posix
def test_a_file_that_may_not_be_read_is_named(call, flowers, tmp_path):
    assert call("train", "flowers.csv", "--epochs", "1", "--out", "first.pellucid").returncode == 0
    flowers.chmod(0)
    tmp_path.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may read anything
    try:
        done = call("train", "flowers.csv")
    finally:
        if root:
            os.seteuid(0)
    line = one_line(done, 1)
    assert "flowers.csv: " in line
    assert "ermission denied" in line


class Evil:
    """Would leave a file behind if it were unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize("content", [pickle.dumps(Evil()), b"\x80\x04K\x01.", b"", b"garbage" * 100, b"\0" * 1000])
@pytest.mark.parametrize("command", [["inspect"], ["predict"]])
def test_what_is_no_model_is_refused_unread(call, flowers, tmp_path, content, command):
    model = tmp_path / "model.pellucid"
    model.write_bytes(content)
    assert "model.pellucid" in one_line(call(*command, model, *([flowers] if command == ["predict"] else [])), 1)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"a,b\n",
        b"\x7fELF\x02\x01\x01\0" + bytes(range(256)) * 8,
        b"a,b\n1,2\n1,2,3\n",
        b"a,b\n\xff\xfe,1\n",
    ],
    ids=["empty", "blank", "header only", "binary", "ragged", "not UTF-8"],
)
def test_what_is_no_table_is_refused_in_one_line(call, tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    assert "table.csv" in one_line(call("train", "table.csv"), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_reader_that_goes_away_is_no_failure(start):
    for arguments in (["--help"], ["run", "neuron", "--json"], ["run", "neuron"]):
        process = start(*arguments)
        process.stdout.close()
        assert process.wait(60) == 0, arguments
        assert b"Traceback" not in process.stderr.read()


@posix
def test_a_pipe_into_head_ends_well(tmp_path):
    script = f"set -o pipefail; '{sys.executable}' -m pellucid watch neuron | head -n 1"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
def test_a_full_disk_behind_stdout_is_a_failure_in_one_line(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pellucid", "run", "neuron", "--json"],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "pellucid: No space left on device\n"


@posix
def test_a_closed_stdout_is_no_failure(tmp_path):
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m pellucid run neuron --json >&-"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_sigterm_ends_a_training_with_143_and_leaves_no_file(start, flowers, tmp_path):
    process = training(start, flowers)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert b"Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["flowers.csv"]


@posix
def test_ctrl_c_saves_the_model_up_to_the_last_whole_epoch_and_says_so(start, pellucid, flowers, tmp_path):
    process = training(start, flowers)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    text = errors.decode()
    assert "Traceback" not in text
    assert "interrupted after epoch" in text
    done = pellucid("inspect", "flowers.pellucid", "--json")
    epochs = json.loads(done.stdout)["epochs"]
    assert f"interrupted after epoch {epochs}" in text
    assert pellucid("predict", "flowers.pellucid", flowers).returncode == 0


@posix
def test_ctrl_c_in_an_experiment_is_130(start):
    process = start("tour", preexec_fn=hear_ctrl_c)  # minutes of experiments, however fast the machine
    assert b"neuron: as expected" in process.stderr.readline()
    for _ in range(3):  # one that falls into a callback of the compiler is lost to Python
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
            break
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    *told, last = errors.decode().splitlines()
    assert last == "pellucid: interrupted"
    assert all(": as expected, in " in line for line in told)


def training(start, table):
    """Start a training that takes long, and wait until it has made whole epochs."""
    rows = [f"{k % 101},{k % 37},{'yes' if k * k % 7 < 3 else 'no'}" for k in range(8_000)]
    table.write_text("\n".join(["a,b,answer", *rows]), encoding="utf-8")
    process = start(
        "train", table, "--epochs", "100000", "--hidden", "100,100", "--engine", "reference",
        preexec_fn=hear_ctrl_c,
    )  # fmt: skip
    for line in process.stderr:
        if b"epoch 2," in line:
            return process
    raise AssertionError("the training ended before it was interrupted")


def hear_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a runner in the background of a shell has it ignored
