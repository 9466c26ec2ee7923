"""What one of several processes does in test_processes.py: each scenario, and what came of it, as JSON."""

import json
import os

import numpy as np
import torch
from cases import CASES, SETTINGS, samples

from pellucid import CNNClassifier, MLPClassifier
from pellucid.errors import ProcessError
from pellucid.scaling.checkpoint import agree
from pellucid.scaling.loop import learn
from pellucid.scaling.processes import ALONE, join

torch.set_num_threads(1)
rank = int(os.environ["RANK"])
together = join()
X, y = map(torch.from_numpy, samples())
found = {"rank": together.rank, "size": together.size}


def network():
    torch.manual_seed(1)
    unused = torch.nn.Linear(2, 2)
    module = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)).double()
    with torch.no_grad():  # one lies transposed in memory, as Pellucid's weights do
        module[0].weight.data = module[0].weight.t().contiguous().t()
    return module, [*module.parameters(), unused.weight]


def slopes(who, rows):
    module, weights = network()

    def loss(part):
        return torch.nn.functional.cross_entropy(module(X[part]), y[part]), len(part)

    value, size = who.backward(weights, loss, rows)
    return float(value), size, [None if w.grad is None else w.grad.clone() for w in weights]


def difference(rows):
    (value, size, mine), (whole, count, theirs) = slopes(together, rows), slopes(ALONE, rows)
    assert size == count
    assert mine[-1] is theirs[-1] is None  # the weight that nothing depends on
    return max(abs(value - whole), *(float((a - b).abs().max()) for a, b in zip(mine[:-1], theirs[:-1], strict=True)))


found["differences"] = [difference(np.arange(n)) for n in (37, 36, 2, 1)]


def train(batches, failing=False):
    module, weights = network()
    seen = []

    def loss(part):
        if failing and len(seen) == 2:
            raise MemoryError("no memory for this batch")
        seen.append(part)
        return torch.nn.functional.cross_entropy(module(X[part]), y[part]), len(part)

    steps = learn(weights, torch.optim.SGD(weights, 0.1), batches, loss, together=together)
    try:
        return [float(value) for value, _, _ in steps][-1]
    except (MemoryError, ProcessError) as error:
        return f"{type(error).__name__}: {error}"


batches = [np.arange(k, k + 7) for k in (0, 7, 14, 21, 28)]
found["even"] = train(batches)
found["one raises"] = train(batches, failing=rank == 1)
found["one has fewer"] = train(batches[:3] if rank == 1 else batches)
found["after that"] = train(batches)

try:
    agree({"data": ["a", "b"][rank]}, together)
except ProcessError as error:
    found["other data"] = str(error)

try:
    images = X.numpy().reshape([(37, 1, 5), (37, 5, 1)][rank])  # of the same rows
    CNNClassifier([(2, 1)], pool_size=1, random_state=0, engine="torch").fit(images, y.numpy())
except ProcessError as error:
    found["other images"] = str(error)

for name, (changes, given) in CASES.items():
    model = MLPClassifier(**(SETTINGS | changes)).fit(*samples(name), **given)
    found[name] = model.loss_curve_
found["seed drawn"] = MLPClassifier(**(SETTINGS | {"random_state": None})).fit(X.numpy(), y.numpy()).loss_curve_
print(json.dumps(found))
