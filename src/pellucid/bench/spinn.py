"""The SPINN tasks: sentences of given parses, forward and backward, against the article's list-of-stacks code.

Both have the same weights and sentences and compute the same function; quality is the mean of h², so that a
difference shows. Making the plan of indices from the transitions is part of Pellucid's time. The peer's buffers
stand padded before the clock starts. ``article`` has its transitions in a tensor, as published, whose elements
today's torch compares one by one; ``article-lists`` has them as Python's integers, which is quicker.
A place that is empty is zero for both.

``pairs`` is an update of a classifier of pairs as long as SNLI's, its plan made in the same time: how many pairs a
second. On another device (``ELSEWHERE`` says which tasks) the peer computes there too, and a time ends when the device
is done.

Three more tasks: ``own-parses`` reads by the model's own transitions, against the readable machine, a Python loop
over one sentence after another (quality: the share of transitions that are the loop's); ``identical-subtrees``
reads formulas that repeat each other, each distinct subtree once, against every one on its own (``unshared``);
``memory`` is a whole update of a classifier, whose peak must stay under ``memory_bound``.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.measure import MEBIBYTE
from pellucid.bench.peers import has_torch

__all__ = ["ELSEWHERE", "TASKS", "memory_bound", "random_sentences", "random_transitions"]

SHORTEST, LONGEST = 10, 18  # words: 14 in the mean
PAIRS_A_BIN = 1000  # formulas from which a batch is drawn
SNLI, WORDS = 550_152, 37_000  # pairs to learn from, and the words in them
SNLI_WORDS = ((14.1, 6.0), (8.3, 3.2))  # mean and spread of a premise's words, and of a hypothesis's
EMBEDDING, MLP, CLASSES = 100, 100, 3  # of the classifier whose memory is measured


def random_transitions(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return the transitions of a binary tree over n words, each split uniform."""
    steps: list[int] = []
    waiting = [n]  # sizes of subtrees, 0 for a REDUCE that is due
    while waiting:
        size = waiting.pop()
        if size == 0:
            steps.append(1)
        elif size == 1:
            steps.append(0)
        else:
            left = int(rng.integers(1, size))
            waiting += [0, size - left, left]
    return np.array(steps, np.uint8)


def random_sentences(seed: int, count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return tokens, all different, and transitions of ``count`` sentences."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(SHORTEST, LONGEST + 1, count)
    starts = np.concatenate([[0], lengths.cumsum()])
    tokens = [np.arange(first, last) for first, last in pairwise(starts)]
    return tokens, [random_transitions(rng, int(n)) for n in lengths]


def reading(hidden: int, tracker: int, batch: int) -> Task:
    """Return the task of reading one batch, forward and backward."""

    def task(setting: Setting) -> Comparison:
        import torch

        from pellucid.networks.spinn.batched import plan
        from pellucid.networks.spinn.machine import Cell

        torch.manual_seed(0)
        cell = Cell(hidden, tracker).to(setting.device)
        tokens, transitions = random_sentences(0, batch)
        leaves = torch.randn(sum(map(len, tokens)), 2 * hidden).to(setting.device).requires_grad_()

        def ours() -> Contender:
            from pellucid.networks.spinn.batched import encode

            def work(seed: int) -> Any:
                cell.zero_grad()
                leaves.grad = None
                h = encode(cell, leaves, tokens, transitions).h
                h.sum().backward()
                wait(setting.device)
                return h

            return Contender(work, lambda h: float(h.detach().square().mean()))

        def article(as_tensor: bool) -> Contender:
            from pellucid.bench.list_stacks import Spinn, padded

            model = Spinn(cell).to(setting.device)
            buffers, listed = padded(leaves.detach(), tokens, transitions)
            steps: Any = torch.tensor(listed) if as_tensor else listed
            buffers.requires_grad_()

            def work(seed: int) -> Any:
                model.zero_grad()
                buffers.grad = None
                h = model(buffers, steps)
                h.sum().backward()
                wait(setting.device)
                return h

            return Contender(work, lambda h: float(h.detach().square().mean()))

        made = plan(tokens, transitions, len(leaves), tracker=tracker > 0)
        contenders: dict[str, Callable[[], Contender]] = {
            OURS: ours,
            "article": lambda: article(True),
            "article-lists": lambda: article(False),
        }
        per = f"{batch} sentences of {SHORTEST}-{LONGEST} words, hidden {hidden}, tracker {tracker}, both ways, float32"
        return Comparison(per, contenders, products(made, hidden, tracker) if setting.device == "cpu" else ())

    return task


def products(made: Any, hidden: int, tracker: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return the products (m, k, n, count) of a plan: one a step each way, one a weight at the end.

    The tracker's first step has none: it sees an empty stack.
    """
    found = []
    for starts, inputs, gates in (
        (made.reduce_start, 2 * hidden + tracker, 5 * hidden),
        (made.track_start[1:], hidden + tracker, 4 * tracker),
        (made.cover_start, hidden, 4 * tracker),
    ):
        if len(starts) < 2 or not gates:
            continue
        for n in np.diff(starts):
            found += [(int(n), inputs, gates, 1), (int(n), gates, inputs, 1)]
        found.append((inputs, int(starts[-1] - starts[0]), gates, 1))
    if tracker:
        rows, gates = made.leaves, 4 * tracker
        found += [(rows, hidden, gates, 1), (rows, gates, hidden, 1), (hidden, rows, gates, 1)]
    return tuple(product for product in found if 0 not in product)


def own_parses(hidden: int, tracker: int, batch: int) -> Task:
    """Return the task of reading one batch by the model's own transitions, forward only."""

    def task(setting: Setting) -> Comparison:
        import torch

        from pellucid.networks.spinn.machine import Cell, machine

        torch.manual_seed(0)
        cell = Cell(hidden, tracker, predict=True)
        tokens, _ = random_sentences(0, batch)
        leaves = torch.randn(sum(map(len, tokens)), 2 * hidden)
        with torch.no_grad():
            expected = np.concatenate(machine(cell, leaves, tokens).transitions)

        def agreement(found: Any) -> float:
            return float(np.mean(np.concatenate(found.transitions) == expected))

        def ours() -> Contender:
            from pellucid.networks.spinn.parsing import parse

            return Contender(lambda seed: parse(cell, leaves, tokens), agreement)

        def loop() -> Contender:
            @torch.no_grad()
            def work(seed: int) -> Any:
                return machine(cell, leaves, tokens)

            return Contender(work, agreement)

        per = (
            f"{batch} sentences of {SHORTEST}-{LONGEST} words, hidden {hidden}, tracker {tracker}, own parses, float32"
        )
        return Comparison(per, {OURS: ours, "python-loop": loop})

    return task


def identical_subtrees(hidden: int, pairs: int) -> Task:
    """Return the task of reading a batch of pairs of formulas, forward and backward, without tracker."""

    def task(setting: Setting) -> Comparison:
        import torch

        from pellucid.data.logic import generate_logic
        from pellucid.data.vocabulary import Vocabulary
        from pellucid.networks.spinn.batched import encode
        from pellucid.networks.spinn.machine import Cell

        torch.manual_seed(0)
        drawn = list(generate_logic({"train": PAIRS_A_BIN}, bins={"train": range(5)})["train"])
        chosen = np.random.default_rng(0).permutation(len(drawn))[:pairs]
        trees = [tree for row in chosen for tree in drawn[row].trees]
        words = Vocabulary.of(trees)
        tokens, transitions = [words.indices(tree.words) for tree in trees], [tree.transitions for tree in trees]
        cell = Cell(hidden, multiply=True).to(setting.device)
        leaves = torch.randn(len(words), 2 * hidden).to(setting.device).requires_grad_()

        def reading_each(share: bool) -> Contender:
            def work(seed: int) -> Any:
                cell.zero_grad()
                leaves.grad = None
                h = encode(cell, leaves, tokens, transitions, share=share).h
                h.sum().backward()
                wait(setting.device)
                return h

            return Contender(work, lambda h: float(h.detach().square().mean()))

        per = f"{pairs} pairs of formulas with up to 4 operators, hidden {hidden}, both ways, float32"
        return Comparison(per, {OURS: lambda: reading_each(True), "unshared": lambda: reading_each(False)})

    return task


def updates_by_pairs(hidden: int, tracker: int, pairs: int) -> Task:
    """Return the task of one update of a classifier of pairs, given parses with tracking: forward, backward, AdamW."""

    def task(setting: Setting) -> Comparison:
        def ours() -> Contender:
            import torch

            from pellucid.networks.spinn.model import Side, TreeClassifier

            rng = np.random.default_rng(0)
            lengths = [
                np.maximum(1, rng.normal(mean, spread, pairs).round()).astype(int) for mean, spread in SNLI_WORDS
            ]
            sides = [
                Side([rng.integers(0, WORDS, n) for n in side], [random_transitions(rng, int(n)) for n in side])
                for side in lengths
            ]
            torch.manual_seed(0)
            model = TreeClassifier(
                WORDS, CLASSES, sides=2, encoder="spinn", embedding=hidden, hidden=hidden, tracker=tracker, mlp=1024
            ).to(setting.device)
            model.embedding.weight.requires_grad_(False)
            labels = (torch.arange(pairs) % CLASSES).to(setting.device)
            optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], 1e-4)

            def work(seed: int) -> Any:
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(model.prepare(sides, train=True)).logits, labels)
                loss.backward()
                optimizer.step()
                wait(setting.device)
                return loss

            return Contender(work, lambda loss: float(loss.detach()))

        per = (
            f"an update by {pairs} pairs as long as SNLI's, hidden {hidden}, tracker {tracker}, frozen vectors, "
            f"float32; SNLI's {SNLI} pairs take {SNLI / pairs:.0f} times as long"
        )
        return Comparison(per, {OURS: ours})

    return task


def wait(device: str) -> None:
    """Return when the device has done all that it was given."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def memory(hidden: int, tracker: int, batch: int) -> Task:
    """Return the task of one update of a classifier of single sentences: forward, backward, AdamW, from nothing.

    The learning rate is 0, so that every call, and the peer, does the same.
    """

    def task(setting: Setting) -> Comparison:
        import torch

        from pellucid.networks.spinn.model import Side, TreeClassifier

        tokens, transitions = random_sentences(0, batch)
        labels = torch.arange(batch) % CLASSES
        torch.manual_seed(0)
        model = TreeClassifier(
            sum(map(len, tokens)), CLASSES, sides=1, encoder="spinn", embedding=EMBEDDING, hidden=hidden,
            tracker=tracker, mlp=MLP,
        )  # fmt: skip

        def updating(weights: list[Any], logits: Callable[[], Any]) -> Contender:
            def work(seed: int) -> Any:
                optimizer = torch.optim.AdamW(weights, 0.0)
                loss = torch.nn.functional.cross_entropy(logits(), labels)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                return loss

            return Contender(work, lambda loss: float(loss.detach()))

        def ours() -> Contender:
            side = Side(tokens, transitions)
            return updating(list(model.parameters()), lambda: model(model.prepare([side], train=True)).logits)

        def article() -> Contender:
            from pellucid.bench.list_stacks import Spinn, padded

            peer = Spinn(model.cell)
            shared = [model.embedding, model.project, model.head]

            def logits() -> Any:
                leaves = model.project(model.embedding.weight)
                return model.head(peer(*padded(leaves, tokens, transitions)))

            return updating([weight for part in [peer, *shared] for weight in part.parameters()], logits)

        made = model.prepare([Side(tokens, transitions)], train=True).made
        count = sum(weight.numel() for weight in model.parameters())
        bound = memory_bound(made, hidden, tracker, count) / MEBIBYTE
        per = (
            f"an update by {batch} sentences of {SHORTEST}-{LONGEST} words, hidden {hidden}, tracker {tracker}, "
            f"{count} weights, float32; bound {bound:.1f} MB"
        )
        return Comparison(per, {OURS: ours, "article": article}, memory=True)

    return task


def memory_bound(made: Any, hidden: int, tracker: int, weights: int) -> float:
    """Return the bytes that training with this plan may take: 1.5 times what its states and slopes need in float32.

    A reduce has 7H numbers, a tracker step 6T + 3H, a word its embedding and 2H; a weight has its slope and AdamW's
    two means.
    """
    words = made.leaves * (EMBEDDING + 2 * hidden)
    states = 7 * hidden * made.left.size + (6 * tracker + 3 * hidden) * made.buffer.size
    return 1.5 * 4 * (states + words + 3 * weights)


SIZES = {
    "spinn-50": (50, 20, 64),
    "spinn-128": (128, 64, 64),
    "spinn-300": (300, 64, 128),
    "treelstm-50": (50, 0, 64),
    "treelstm-128": (128, 0, 64),
    "treelstm-300": (300, 0, 128),
}
# Without PyTorch there is nothing to compare.
TASKS: dict[str, Task] = (
    {name: reading(*sizes) for name, sizes in SIZES.items()}
    | {"own-parses": own_parses(50, 20, 64), "identical-subtrees": identical_subtrees(128, 1024)}
    | {"pairs": updates_by_pairs(300, 64, 1024), "memory": memory(300, 64, 128)}
    if has_torch()
    else {}
)
ELSEWHERE = (*SIZES, "identical-subtrees", "pairs")  # what may run on another device than the processor
