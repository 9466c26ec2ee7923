"""``torchrun ... -m pellucid train``: two processes, one model; who is killed starts again and goes on to the bit."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import pellucid

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rows 42-46 of the faults hold on POSIX systems")
HERE = Path(__file__).parent
ROWS = 120
# Where a worker is killed: importing, meeting the others, in a step, writing a checkpoint.
PHASES = {"import": "import", "init": "init_process_group", "step": "backward", "save": "write_file"}


@pytest.fixture
def table(tmp_path):
    rows = [(k % 11, (k * 7) % 13, "xy"[(k % 11) * 2 > (k * 7) % 13]) for k in range(ROWS)]
    lines = ["a,b,class", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def torchrun(folder, name, *options, kill=None, when=None, restarts=1):
    """Start two processes that train ``name``; they write a checkpoint after every epoch, and a log an attempt."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "KILL_NOTE": str(folder / f"{name}.killed")}
    if kill is not None:
        environment |= {"KILL": kill} | ({} if when is None else {"KILL_WHEN": str(folder / when)})
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(HERE / "killer"), *filter(None, [os.environ.get("PYTHONPATH"), str(Path(pellucid.__file__).parents[1])])]
    )
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", str(restarts),
        "--log-dir", f"{name}.logs", "--tee", "3",
        "-m", "pellucid", "train", "table.csv", "--engine", "torch", "--hidden", "8", "--epochs", "40",
        "--out", f"{name}.pellucid", "--checkpoint", name, "--checkpoint-every", "0", *options,
    ]  # fmt: skip
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process, folder, name):
    """Wait for the end; return what the model's file holds, and all that was said."""
    said, complained = process.communicate(timeout=200)
    assert process.returncode == 0, complained
    return (folder / f"{name}.pellucid").read_bytes(), said, complained


def log(folder, name, attempt):
    """Return what the first process said in that attempt."""
    (file,) = folder.glob(f"{name}.logs/*/attempt_{attempt}/0/stderr.log")
    return file.read_text()


def workers(folder):
    """Return the processes that train in this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and "pellucid" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def assert_gone(folder, seconds=5):
    """No process is left after so many seconds."""
    end = time.monotonic() + seconds
    while workers(folder) and time.monotonic() < end:
        time.sleep(0.1)
    assert workers(folder) == []


def test_two_processes_train_one_model_and_a_killed_one_goes_on_to_the_bit(table):
    whole = torchrun(table, "whole")
    cut = torchrun(table, "cut", kill="1:backward:0", when="cut/checkpoint.pellucid")
    expected, said, _ = finished(whole, table, "whole")
    found, _, complained = finished(cut, table, "cut")
    assert (table / "cut.killed").exists()
    assert "Signal 9 (SIGKILL)" in complained or "exitcode: -9" in complained or "exitcode  : -9" in complained
    assert found == expected
    assert "epoch 1, loss" in log(table, "whole", 0)
    assert "epoch 1, loss" not in log(table, "cut", 1)  # it went on, and did not begin anew
    assert said.count("accuracy") == 1 == said.count("Saved in whole.pellucid")  # one of the two speaks
    assert_gone(table)


@pytest.mark.long
def test_twenty_workers_killed_at_random_go_on_to_the_bit_and_leave_no_orphan(table, capsys):
    begin = time.time()
    expected, _, _ = finished(torchrun(table, "whole"), table, "whole")
    alone = time.time() - begin  # on a busy machine the same start takes several times longer
    chosen, slowest = random.Random(0), 0.0
    for number in range(20):
        phase = list(PHASES)[number % 4]
        rank = 0 if phase == "save" else chosen.randrange(2)
        after = chosen.uniform(0, {"import": 2, "init": 0.05, "step": 0.3, "save": 0.003}[phase])
        name = f"cut{number}"
        found, _, _ = finished(torchrun(table, name, kill=f"{rank}:{PHASES[phase]}:{after}"), table, name)
        seconds = time.time() - float((table / f"{name}.killed").read_text())
        slowest = max(slowest, seconds)
        with capsys.disabled():
            print(f"{name}: rank {rank} killed in {phase}, finished {seconds:.1f} s later", flush=True)
        assert found == expected, (number, phase)
        assert_gone(table)
    assert slowest <= max(30, 2 * alone)


@pytest.mark.long
@pytest.mark.parametrize("moment", ["import", "train"])
def test_without_torchrun_the_processes_end(table, moment):
    process = torchrun(table, "orphans", "--epochs", "100000")
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            started = len(workers(table)) == 2
            if started and (moment == "import" or (table / "orphans" / "checkpoint.pellucid").exists()):
                break
            time.sleep(0.05)
        if moment == "import":
            time.sleep(1)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert_gone(table)
    finally:
        process.kill()
        process.communicate()
        for worker in workers(table):
            worker.kill()


@pytest.mark.long
def test_another_number_of_processes_is_refused_with_both(table):
    finished(torchrun(table, "two"), table, "two")
    done = subprocess.run(
        [sys.executable, "-m", "pellucid", "train", "table.csv", "--engine", "torch", "--hidden", "8", "--epochs", "40",
         "--out", "two.pellucid", "--checkpoint", "two"],
        cwd=table, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "is of a run with processes=2, but now processes=1" in done.stderr.splitlines()[-1]


def test_several_processes_need_torch(table):
    environment = os.environ | {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pellucid", "train", "table.csv"],
        cwd=table, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "pellucid: rank 1: 2 processes need --engine torch\n"


@pytest.mark.long
def test_the_rendezvous_of_one_machine_listens_on_loopback_alone(table):
    process = torchrun(table, "closed", "--epochs", "100000", restarts=0)
    process.kill()
    process.communicate()
    command = [*process.args]
    command[3:3] = ["--rdzv-backend", "loopback"]
    process = subprocess.Popen(command, cwd=table, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (table / "closed" / "checkpoint.pellucid").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.2)
        for each in [psutil.Process(process.pid), *workers(table)]:
            for connection in each.net_connections():
                if connection.status == psutil.CONN_LISTEN:
                    assert connection.laddr.ip in {"127.0.0.1", "::1"}
    finally:
        process.kill()
        process.communicate()
    assert_gone(table)
