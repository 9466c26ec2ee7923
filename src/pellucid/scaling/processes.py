"""Several processes train one network, as ``torchrun`` starts them: who is who, and what they add up.

Each process holds the whole network, takes its share of every batch, and the slopes are added over all: with
losses L_r, means over the n_r samples of process r (its *rank*)::

    ∂C/∂θ = Σ_r n_r ∂L_r/∂θ / Σ_r n_r

which is the slope over the joined batch, however unequal the shares. What batch normalisation remembers is their
mean, weighted likewise. It is one sum over one line of numbers, in which each process also says whether it goes on:
who fails or runs out of batches is known to all at once.

All that processes say to each other stands within two blocks: ``preparing``, where they compare what they are about
to do, and ``training``, where every message is such a line. So whoever leaves a block, by whatever error, can tell
the others in the very message that they wait for.
"""

import atexit
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidWarning, ProcessError
from pellucid.scaling import import_torch

__all__ = ["ALONE", "Line", "Processes", "join", "launched", "leave_with_parent"]

GOING, BEGINNING, LEFT, FAILED = 0.0, 1.0, 2.0, 3.0  # who begins anew is ahead of those that still go on
# Processes import and read at different speeds; who is silent for longer is lost.
PATIENCE = timedelta(minutes=10)
WAIT = 1.0  # seconds: torchrun, which looks every 0.1 s, is to see who has gone before those who notice it go too
LOOK_EVERY = 0.5  # seconds


@dataclass(frozen=True)
class Line:
    """What processes add up at every update: how many numbers, of how many weights, their dtype and device."""

    numbers: int
    weights: int
    dtype: Any
    device: Any

    @classmethod
    def of(cls, weights: list[Any], running: Iterable[Any] = ()) -> "Line":
        """Return the line of these torch tensors: weights, and what batch normalisation remembers."""
        every = [*weights, *running]
        return cls(sum(one.numel() for one in every), len(weights), weights[0].dtype, weights[0].device)


@dataclass(frozen=True)
class Processes:
    """``size`` processes, of which this is number ``rank``, counted from 0."""

    rank: int = 0
    size: int = 1

    def share(self, batch: Any) -> Any:
        """Return this process's part of a batch: every ``size``-th sample."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Within the block the processes compare what they are about to do; who leaves it by an error tells the others.

        Raises ProcessError where another has failed.
        """
        if self.size == 1:
            yield
            return
        try:
            yield
        except ProcessError:
            raise
        except BaseException:
            with suppress(ProcessError):  # what failed here is what matters
                self._in_step(FAILED)
            raise
        self._in_step(GOING)

    @contextmanager
    def training(self, line: Line) -> Iterator[None]:
        """Within the block the processes train together; who leaves it, by an error or early, tells the others.

        Raises ProcessError where another has left before.
        """
        if self.size == 1:
            yield
            return
        try:
            yield
        except ProcessError:
            raise
        except GeneratorExit:  # whoever looks on has seen enough, perhaps in every process
            self._leave(line, LEFT)
            raise
        except BaseException:
            with suppress(ProcessError):
                self._leave(line, FAILED)
            raise
        self._leave(line, LEFT)

    def backward(
        self, weights: list[Any], loss: Callable[[Any], tuple[Any, float]], batch: Any, *,
        running: Iterable[Any] = (), begins: bool = False,
    ) -> tuple[Any, float]:  # fmt: skip
        """Write the slopes of the joined batch into the weights' ``grad``; return its mean loss and its size.

        ``loss`` gives the mean loss of a part and its size; ``running`` is what the module's batch normalisations
        remember; ``begins`` says that the batch is the first of many. Raises ProcessError where another process has
        stopped.
        """
        if self.size == 1:
            value, size = loss(batch)
            value.backward()
            return value.detach(), size
        part, running = self.share(batch), list(running)
        state = BEGINNING if begins else GOING
        if not len(part):  # fewer samples than processes
            return self._joined(weights, running, 0.0, 0.0, state)
        value, size = loss(part)
        value.backward()
        return self._joined(weights, running, value.detach(), size, state)

    def _leave(self, line: Line, state: float) -> None:
        """Say in a line of nothing that this process takes no further batch."""
        torch = import_torch()
        if not torch.distributed.is_initialized():  # at the end of Python, when all have parted
            return
        numbers = torch.zeros(line.numbers + 2 + self.size + line.weights, dtype=line.dtype, device=line.device)
        states = numbers[line.numbers + 2 :][: self.size]
        states[self.rank] = state
        self._sum(numbers)
        self._look(states.tolist(), state)

    def _joined(
        self, weights: list[Any], running: list[Any], value: Any, size: float, state: float
    ) -> tuple[Any, float]:
        """Add up slopes, running statistics, losses and sizes; know who has stopped."""
        torch = import_torch()
        flags = torch.zeros(self.size + len(weights), dtype=weights[0].dtype)
        flags[self.rank] = state
        parts = []
        for number, weight in enumerate(weights, start=self.size):
            flags[number] = float(weight.grad is not None)  # a slope that nobody has stays away, as it does alone
            grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            parts.append(grad.reshape(-1) * size)
        parts += [buffer.reshape(-1).to(flags.dtype) * size for buffer in running]
        sums = torch.as_tensor([size], dtype=flags.dtype)
        total = torch.as_tensor(value * size, dtype=flags.dtype, device=weights[0].device).reshape(1)
        line = torch.cat([*parts, total, sums.to(total.device), flags.to(total.device)]).detach()
        self._sum(line)
        known = line[-len(flags) - 1 :].tolist()
        self._look(known[1 : self.size + 1], state)
        count = known[0]
        start, scale = 0, 1 / count if count else 0.0
        for weight, present in zip(weights, known[self.size + 1 :], strict=True):
            slope = line[start : start + weight.numel()].mul_(scale).view(weight.shape)
            weight.grad = slope if present else None
            start += weight.numel()
        for buffer in running:
            if count:
                buffer.copy_(line[start : start + buffer.numel()].mul_(scale).view(buffer.shape))
            start += buffer.numel()
        return line[start] * scale, count

    def _sum(self, numbers: Any) -> None:
        """Add up a tensor over all processes, in place."""
        with self._reached():
            import_torch().distributed.all_reduce(numbers)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Raise ProcessError where torch finds no one at the other end."""
        try:
            yield
        except RuntimeError as error:
            time.sleep(WAIT)
            raise ProcessError(
                f"rank {self.rank}: another of the {self.size} processes has gone; see what it said, and start again"
            ) from error

    def _look(self, states: list[float], own: float) -> None:
        """Raise ProcessError, naming who has stopped, unless all go on or all leave."""
        if own == FAILED or len(set(states)) == 1:
            return
        if FAILED in states:
            raise ProcessError(f"rank {states.index(FAILED)} has failed: all {self.size} processes stop")
        least, most = max(states), min(states)
        ahead = states.index(most)
        if own == least:
            raise ProcessError(
                f"rank {self.rank} has fewer batches than rank {ahead}; give every process as many, or all the data"
            )
        raise ProcessError(
            f"rank {states.index(least)} has fewer batches than rank {self.rank}: all {self.size} processes stop"
        )

    def _in_step(self, state: float, number: int = 0) -> int:
        """Add up a number over all processes while they prepare; raise ProcessError where one has failed."""
        torch = import_torch()
        told = torch.zeros(1 + self.size, dtype=torch.int64)
        told[0], told[1 + self.rank] = number, int(state)
        self._sum(told)
        self._look([float(one) for one in told[1:]], state)
        return int(told[0])

    def told_by(self, rank: int, content: bytes | None) -> bytes | None:
        """Return what the process of that rank gives, on every process; to be called within ``preparing``."""
        if self.size == 1:
            return content
        torch = import_torch()
        mine = content if self.rank == rank else None
        length = self._in_step(GOING, 0 if mine is None else len(mine) + 1)
        if not length:
            return None
        data = torch.frombuffer(bytearray(length) if mine is None else bytearray(mine + b"\0"), dtype=torch.uint8)
        with self._reached():
            torch.distributed.broadcast(data, rank)
        return bytes(data[:-1].numpy().tobytes())

    def told_by_all(self, text: str) -> list[str]:
        """Return what each process says, by rank; to be called within ``preparing``."""
        if self.size == 1:
            return [text]
        return [(self.told_by(rank, text.encode()) or b"").decode() for rank in range(self.size)]


ALONE = Processes()


def launched() -> Processes:
    """Return what ``torchrun`` says that this process is, before anyone has met: alone where it says nothing."""
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return ALONE
    return Processes(rank, size) if 0 <= rank < size else ALONE


def join() -> Processes:
    """Meet the other processes that ``torchrun`` has started, once; return who is who. Alone where there are none.

    Raises ProcessError where they do not meet.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        return Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())
    here = launched()
    return here if here.size == 1 else _meet(here)


@cache
def _meet(here: Processes) -> Processes:
    leave_with_parent()
    torch = import_torch()
    if _is_this_machine(os.environ.get("MASTER_ADDR", "")):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        if here.rank == 0:
            _warn_of_open_port(os.environ.get("MASTER_PORT", ""))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store = _store(torch.distributed)
        known = {} if store is None else {"store": store, "rank": here.rank, "world_size": here.size}
        torch.distributed.init_process_group(backend, timeout=PATIENCE, **known)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ProcessError(f"rank {here.rank}: the {here.size} processes have not met ({reason})") from error
    atexit.register(_part)
    return here


def _store(distributed: Any) -> Any:
    """Return torchrun's store under a name of this attempt; None where the first process is to open one.

    torch would read the addresses that processes of an earlier attempt, dead now, have left in the same store.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = distributed.TCPStore(address, port, is_master=False, timeout=PATIENCE)
    return distributed.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _part() -> None:
    torch = import_torch()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _is_this_machine(address: str) -> bool:
    return address in {"localhost", "127.0.0.1", "::1"}


def _warn_of_open_port(port: str) -> None:
    """Say so where the port at which processes of one machine meet is open to others: torchrun's own is."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # an address of documents: no packet leaves, but it tells our own
            own = probe.getsockname()[0]
        with socket.create_connection((own, int(port)), timeout=1):
            pass
    except (OSError, ValueError):
        return
    if not own.startswith("127."):
        warnings.warn(
            f"torchrun's port {port} is open to other machines ({own}); "
            "`torchrun --rdzv-backend loopback` keeps it on this one",
            PellucidWarning,
            stacklevel=2,
        )


# Who started this process, as it was when Pellucid was imported: with the first fit it may be gone already.
_BORN = os.getpid(), os.getppid()


@cache
def leave_with_parent() -> None:
    """From now on end this process when the one that started it is gone: nobody would restart or stop it."""
    own, parent = _BORN
    if own != os.getpid():  # a process that was forked since
        parent = os.getppid()
    gone = "TORCHELASTIC_RUN_ID" in os.environ and _is_adopted(parent)

    def watch() -> None:
        while os.getppid() == parent and not gone:
            time.sleep(LOOK_EVERY)
        with suppress(OSError, ValueError):
            print("pellucid: torchrun is gone, so this process ends too", file=sys.stderr, flush=True)
        os._exit(1)

    if os.name == "posix":
        threading.Thread(target=watch, name="pellucid-watch", daemon=True).start()


def _is_adopted(parent: int) -> bool:
    """Whether that parent of a process of torchrun's only took it over, as ``init`` does when torchrun has died.

    torchrun gives its processes a session of their own, and is Python; a script between the two is of their session.
    """
    if os.name != "posix" or parent <= 0:  # 0: of another container
        return False
    try:
        if os.getsid(parent) == os.getsid(0):
            return False
        return "python" not in Path(f"/proc/{parent}/exe").readlink().name
    except PermissionError:  # of another user, as torchrun is not
        return True
    except OSError:  # it has just ended, or this system tells nothing of it
        return parent == 1
