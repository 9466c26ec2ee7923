"""What one of several processes does with SPINN in test_processes_spinn.py, and what came of it, as JSON."""

import json
import os
from contextlib import closing, redirect_stdout
from io import StringIO

import torch
from cases import Full, outcome, sentences, spinn

from pellucid.scaling import processes

torch.set_num_threads(1)
rank = int(os.environ["RANK"])
found, sent = {}, []
add_up = processes.Processes._sum


def counted(self, numbers):
    sent.append(numbers.numel())
    add_up(self, numbers)


processes.Processes._sum = counted


def one_cannot_print():
    with redirect_stdout(Full() if rank == 1 else StringIO()):
        spinn(verbose=True).fit(*sentences())


def one_cannot_validate():
    model = spinn(early_stopping=True, validation_fraction=0.3)
    judge, left = model._held_out, [2]

    def held_out(*given):
        left[0] -= 1
        if rank == 0 and not left[0]:
            raise ArithmeticError("no score")
        return judge(*given)

    model._held_out = held_out
    model.fit(*sentences())


def one_breaks_off():
    with closing(spinn().steps(*sentences())) as steps:
        for step in steps:
            if rank == 1 and step.number == 2:
                break


def one_has_bad_data():
    X, y = sentences()
    spinn().fit(X, y[: len(y) - rank])


for action in (one_cannot_print, one_cannot_validate, one_breaks_off, one_has_bad_data):
    found[action.__name__] = outcome(action)
model = spinn(batch_norm=True, batch_size=64, max_iter=1).fit(*sentences(2))
found["running"] = [value.tolist() for name, value in model.model_.state_dict().items() if "running" in name]
sent.clear()
model = spinn().fit(*sentences())
found["lines"] = sent.copy()
found["learned"] = sum(weight.numel() for weight in model.model_.parameters())
model.model_.embedding.weight.requires_grad_(False)
model.set_params(warm_start=True)
model._begin()
sent.clear()
model.fit(*sentences())
found["lines, frozen"] = sent.copy()
found["frozen"] = model.model_.embedding.weight.numel()
print(json.dumps(found))
