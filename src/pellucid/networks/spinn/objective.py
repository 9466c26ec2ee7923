"""What a network of sentences learns from, batch after batch, and its loss: alone, or as one of several processes.

While one batch is learned from, the next is made ready (``TreeClassifier.prepare``: plans of indices, in compiled
code) on another thread. Several processes take a share of each batch's rows, and their slopes are added up weighted
by rows (``scaling/processes.py``). The losses here are means over nodes and over transitions, of which a share has
more or fewer a row; ``_part`` makes the sum that of the whole batch.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch

from pellucid.networks.spinn.examples import Sentence, batches, chosen
from pellucid.networks.spinn.model import Batch, Side, TreeClassifier, open_transitions
from pellucid.scaling.checkpoint import fingerprint
from pellucid.scaling.processes import join

__all__ = ["Material", "Objective", "seeded"]


@dataclass(frozen=True)
class Material:
    """What an epoch learns from: sentences by side, each one's target, or those of its nodes; and what is held out."""

    sides: list[Side]
    targets: np.ndarray
    nodes: list[np.ndarray] | None
    lengths: np.ndarray
    held_out: tuple[list[tuple[Sentence, ...]], np.ndarray] | None

    def fingerprint(self) -> str:
        """Return 16 digits that tell whether two trainings learn from, and are judged by, the same."""
        tokens = chain.from_iterable(side.tokens for side in self.sides)
        steps = chain.from_iterable(side.transitions for side in self.sides)
        nodes = [np.concatenate(self.nodes)] if self.nodes is not None else []
        arrays = [self.lengths, self.targets, *nodes, np.concatenate(list(tokens)), _joined(steps)]
        if self.held_out is not None:
            found, targets = self.held_out
            parts = list(chain.from_iterable(found))
            text = "\n".join(" ".join(part.words) for part in parts).encode(errors="surrogatepass")
            arrays += [np.frombuffer(text, np.uint8), _joined(part.transitions for part in parts), targets]
        return fingerprint(arrays)


def _joined(steps: Iterable[np.ndarray | None]) -> np.ndarray:
    """Return all transitions that there are, one after the other."""
    return np.concatenate([np.zeros(0, np.uint8), *(np.asarray(one, np.uint8) for one in steps if one is not None)])


class Objective:
    """The batches of an epoch and the loss of each.

    ``draw()`` names the update, so that torch draws for it what belongs to it; None where nothing is drawn.
    ``places`` and ``words`` count what rectangular batches would have held, and what of it were words.
    """

    def __init__(
        self, model: TreeClassifier, material: Material, *, transition_weight: float,
        draw: Callable[[], list[int]] | None,
    ) -> None:  # fmt: skip
        self.model, self.material, self.transition_weight = model, material, transition_weight
        self.draw, self.together = draw, join()
        self.targets = torch.from_numpy(material.targets).to(model.device)
        self.own = model.cell is not None and model.cell.predict
        self.places = self.words = 0
        self._whole: np.ndarray = material.targets[:0]
        self._batch: Future[Batch] = Future()

    @property
    def padding_share(self) -> float:
        """The share of padding, had the batches of this epoch been rectangles."""
        return 1 - self.words / self.places if self.places else 0.0

    def batches(self, rng: np.random.Generator, size: int, first: int = 0) -> Iterator[np.ndarray]:
        """Yield the rows of each batch of an epoch from the ``first`` on; the one after it is being made ready."""
        if not first:
            self.places = self.words = 0
        coming: deque[tuple[np.ndarray, Future[Batch]]] = deque()
        with ThreadPoolExecutor(1, "pellucid-batch") as worker:
            for rows in islice(batches(rng, self.material.lengths, size), first, None):
                coming.append((rows, worker.submit(self._ready, self.together.share(rows))))
                if len(coming) == 2:
                    self._whole, self._batch = coming.popleft()
                    yield self._whole
            for self._whole, self._batch in coming:
                yield self._whole

    def _ready(self, rows: np.ndarray) -> Batch:
        return self.model.prepare(chosen(self.material.sides, rows), train=True, nodes=self.material.nodes is not None)

    def loss(self, rows: np.ndarray) -> tuple[Any, int]:
        """Return the mean loss of these rows, this process's share of the batch, and their number."""
        batch, nodes = self._batch.result(), self.material.nodes
        self.words += int(batch.lengths.sum())
        self.places += len(batch.lengths) * int(batch.lengths.max())
        with nullcontext() if self.draw is None else drawn(self.draw(), self.together.rank, self.model.device):
            out = self.model(batch)
        if nodes is None:
            wanted = self.targets[torch.from_numpy(rows).to(self.model.device)]
        else:
            wanted = torch.from_numpy(np.concatenate([nodes[row] for row in rows])).to(self.model.device)
        value = torch.nn.functional.cross_entropy(out.logits, wanted, ignore_index=-1)
        if nodes is not None:
            value = value * self._part(rows, lambda some: sum(int((nodes[row] >= 0).sum()) for row in some))
        if self.own:
            value = value + self.transition_weight * self._part(rows, self._choices) * out.transition_loss
        return value, len(rows)

    def _part(self, rows: np.ndarray, count: Callable[[np.ndarray], int]) -> float:
        """Return what a mean over a share must be multiplied by, so that weighted by rows they add up to the whole's.

        That is (counted in the share / counted in the batch) · (rows of the batch / rows of the share); 1 alone.
        """
        if self.together.size == 1:
            return 1.0
        return count(rows) / max(count(self._whole), 1) * (len(self._whole) / len(rows))

    def _choices(self, rows: np.ndarray) -> int:
        """Return at how many transitions both were possible."""
        steps = [side.transitions[row] for side in self.material.sides for row in rows]
        lengths = np.array([len(side.tokens[row]) for side in self.material.sides for row in rows])
        return len(open_transitions([one for one in steps if one is not None], lengths)[0])


def drawn(entropy: list[int], rank: int, device: torch.device) -> AbstractContextManager[None]:
    """Let torch draw, within the block, what belongs to this update of this model, whatever was drawn before."""
    seed = np.random.SeedSequence([*entropy, rank] if rank else entropy)
    return seeded(int(seed.generate_state(1, np.uint64)[0] >> 1), device)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let what torch draws on the device, within the block, follow from the seed; all generators are then as before.

    ``torch.manual_seed`` would seed those of every accelerator too, and dropout takes no generator of its own.
    """
    generator = _generator(device)
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)


def _generator(device: torch.device) -> torch.Generator:
    if device.type == "cuda":
        torch.cuda.init()
        found: torch.Generator = torch.cuda.default_generators[device.index or 0]
        return found
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator
