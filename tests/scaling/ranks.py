"""What one of several processes does in test_processes.py: each scenario, and what came of it, as JSON."""

import json
import os
import shutil
import sys
from contextlib import closing, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from cases import CASES, IMAGES, SETTINGS, Full, images, outcome, samples

from pellucid import CNNClassifier, MLPClassifier
from pellucid.errors import ProcessError
from pellucid.scaling.checkpoint import Checkpoint, agree
from pellucid.scaling.loop import learn
from pellucid.scaling.processes import ALONE, Line, join

torch.set_num_threads(1)
rank = int(os.environ["RANK"])
together = join()
X, y = map(torch.from_numpy, samples())
found = {"rank": together.rank, "size": together.size}


def network(dtype=torch.float64):
    torch.manual_seed(1)
    unused = torch.nn.Linear(2, 2, dtype=dtype)
    module = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)).to(dtype)
    with torch.no_grad():  # one lies transposed in memory, as Pellucid's weights do
        module[0].weight.data = module[0].weight.t().contiguous().t()
    return module, [*module.parameters(), unused.weight]


def slopes(who, rows, dtype):
    module, weights = network(dtype)

    def loss(part):
        return torch.nn.functional.cross_entropy(module(X[part].to(dtype)), y[part]), len(part)

    value, size = who.backward(weights, loss, rows)
    return float(value), size, [None if w.grad is None else w.grad.clone() for w in weights]


def difference(rows, dtype=torch.float64):
    (value, size, mine), (whole, count, theirs) = slopes(together, rows, dtype), slopes(ALONE, rows, dtype)
    assert size == count
    assert mine[-1] is theirs[-1] is None  # the weight that nothing depends on
    return max(abs(value - whole), *(float((a - b).abs().max()) for a, b in zip(mine[:-1], theirs[:-1], strict=True)))


found["differences"] = [difference(np.arange(n)) for n in (37, 36, 2, 1)]
found["float32"] = [difference(np.arange(n), torch.float32) for n in (37, 36, 2, 1)]


def train(batches, failing=False):
    module, weights = network()
    seen = []

    def loss(part):
        if failing and len(seen) == 2:
            raise MemoryError("no memory for this batch")
        seen.append(part)
        return torch.nn.functional.cross_entropy(module(X[part]), y[part]), len(part)

    optimizer = torch.optim.SGD(weights, 0.1)
    try:
        with together.training(Line.of(weights)):
            for _ in range(2):
                values = [float(value) for value, _, _ in learn(weights, optimizer, batches, loss, together=together)]
            return values
    except (MemoryError, ProcessError) as error:
        return f"{type(error).__name__}: {error}"


batches = [np.arange(k, k + 7) for k in (0, 7, 14, 21, 28)]
found["even"] = train(batches)
found["one raises"] = train(batches, failing=rank == 1)
found["one has fewer"] = train(batches[:3] if rank == 1 else batches)
found["after that"] = train(batches)

try:
    with together.preparing():
        agree({"data": ["a", "b"][rank]}, together)
except ProcessError as error:
    found["other data"] = str(error)

try:
    shaped = X.numpy().reshape([(37, 1, 5), (37, 5, 1)][rank])  # of the same rows
    CNNClassifier([(2, 1)], pool_size=1, random_state=0, engine="torch").fit(shaped, y.numpy())
except ProcessError as error:
    found["other images"] = str(error)


def one_cannot_print():
    with redirect_stdout(Full() if rank == 1 else StringIO()):
        MLPClassifier(**SETTINGS, verbose=True).fit(*samples())


def one_cannot_validate():
    model = MLPClassifier(**(SETTINGS | {"early_stopping": True}))
    judge, left = model._score_logits, [2]

    def score(*given):
        left[0] -= 1
        if rank == 1 and not left[0]:
            raise ArithmeticError("no score")
        return judge(*given)

    model._score_logits = score
    model.fit(*samples())


def the_first_cannot_keep():
    folder = Path(sys.argv[1]) / "kept"
    for step in MLPClassifier(**SETTINGS).steps(*samples(), checkpoint=Checkpoint(folder, 0)):
        if rank == 0 and step.number == 2:
            shutil.rmtree(folder)
            folder.touch()


def one_breaks_off():
    with closing(MLPClassifier(**SETTINGS).steps(*samples())) as steps:
        for step in steps:
            if rank == 1 and step.number == 2:
                break


def both_break_off():
    with closing(MLPClassifier(**SETTINGS).steps(*samples())) as steps:
        next(steps)


def one_cannot_begin():
    (Path(sys.argv[1]) / "file").touch()
    MLPClassifier(**SETTINGS).fit(*samples(), checkpoint=Path(sys.argv[1]) / "file")


def one_has_bad_data():
    X, y = samples()
    X[0, 0] = [0.0, np.nan][rank]
    MLPClassifier(**SETTINGS).fit(X, y)


for action in (
    one_cannot_print, one_cannot_validate, the_first_cannot_keep, one_breaks_off, both_break_off, one_cannot_begin,
    one_has_bad_data,
):  # fmt: skip
    found[action.__name__] = outcome(action)

for name, (changes, given) in CASES.items():
    model = MLPClassifier(**(SETTINGS | changes)).fit(*samples(name), **given)
    found[name] = model.loss_curve_
model = CNNClassifier(**IMAGES).fit(*images())
found["running"] = model.stack_.parameters.state.tolist()
found["seed drawn"] = MLPClassifier(**(SETTINGS | {"random_state": None})).fit(X.numpy(), y.numpy()).loss_curve_
print(json.dumps(found))
