"""What it costs that every run can be watched: a fit beside its own kernels in a bare loop, and beside a watched run.

The runs last some 50 ms: a fit costs some 0.3 ms whatever its length, and that is not what an epoch pays.

The bare loop prepares as the fit does (checks, first weights, buffers, the orders of the samples), then calls the
compiled functions that the fit calls, with the same arguments and from the same weights (a trained network's products
are faster by a tenth), and does nothing else: nothing counts, yields, looks for Ctrl-C or for weights that are not
finite. Quality is that of the fit, which the calls were taken down from.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.mlp import accuracy, digits, enlarged_digits
from pellucid.data import NEURON_TABLE, XOR
from pellucid.parts.stack import Stack

__all__ = ["TASKS"]

Calls = list[tuple[Any, ...]]
Arrays = list[tuple[np.ndarray, np.ndarray]]  # each, and a copy of what it held


def calls_of(owner: Any, name: str, work: Callable[[], Any]) -> tuple[Callable[..., Any], Calls, Arrays]:
    """Return ``owner.name``, the arguments of all calls that ``work()`` makes of it, and the arrays these change."""
    function = getattr(owner, name)
    calls: Calls = []
    found: Arrays = []

    def taken_down(*arguments: Any) -> Any:
        if not calls:
            found.extend((array, array.copy()) for array in arrays(arguments))
        calls.append(arguments)
        return function(*arguments)

    setattr(owner, name, taken_down)
    try:
        work()
    finally:
        setattr(owner, name, function)
    return function, calls, [(array, before) for array, before in found if array.tobytes() != before.tobytes()]


def arrays(arguments: tuple[Any, ...]) -> Iterator[np.ndarray]:
    """Yield the arrays that a call may change."""
    for argument in arguments:
        if isinstance(argument, tuple):
            yield from arrays(argument)
        elif isinstance(argument, Stack):
            yield argument.parameters.vector
        elif isinstance(argument, np.ndarray) and argument.flags.writeable:
            yield argument


def contenders(
    make: Callable[[], Any],
    data: tuple[Any, ...],
    prepare: Callable[[Any], Any],
    kernel: Callable[[], tuple[Any, str]],
    grade: Callable[[Any], float],
) -> dict[str, Callable[[], Contender]]:
    """Return the fit of ``make()`` to the data, its bare loop, and a run that is watched.

    ``prepare(model)`` does what the fit does first; ``kernel()`` says where the function is that it calls then.
    """

    def ours() -> Contender:
        return Contender(lambda seed: make().fit(*data), grade)

    def bare() -> Contender:
        model = make()
        function, calls, changed = calls_of(*kernel(), lambda: model.fit(*data))
        quality = grade(model)

        def work(seed: int) -> None:
            prepare(make())
            for array, before in changed:
                array[...] = before
            for arguments in calls:
                function(*arguments)

        return Contender(work, lambda result: quality)

    def watched() -> Contender:
        def work(seed: int) -> Any:
            model = make()
            for _ in model.steps(*data):
                pass
            return model

        return Contender(work, grade)

    return {OURS: ours, "bare-loop": bare, "watched": watched}


def neuron(setting: Setting) -> Comparison:
    """Time the neuron's iterations, fifty times as many as the article's."""
    from pellucid.networks.neuron import Neuron

    X, y = (np.array(part, dtype=np.float64) for part in NEURON_TABLE)

    def kernel() -> tuple[Any, str]:
        from pellucid.parts.compiled import delta_rule

        return delta_rule, "iterate"

    made = contenders(
        lambda: Neuron(500_000, random_state=1), (X, y), lambda model: model._begin(X, y), kernel,
        lambda model: accuracy(model.predict(X), y),
    )  # fmt: skip
    made.pop("watched")  # its half a million steps take seconds
    return Comparison("500,000 iterations on 4 rows, float64", made)


def layered(kind: str, data: Callable[[], tuple[Any, Any]], per: str, **settings: Any) -> Task:
    """Return the task of a network of layers."""

    def task(setting: Setting) -> Comparison:
        import pellucid

        X, y = data()
        given = {"tol": 0, "n_iter_no_change": 1 << 40, "random_state": 0} | settings

        def kernel() -> tuple[Any, str]:
            from pellucid.learning import compiled
            from pellucid.learning.convolved import Convolved

            return (Convolved, "_learn") if kind == "CNNClassifier" else (compiled, "train")

        def prepare(model: Any) -> None:
            problem, recipe, _, data, asked = model._prepare(X, y, None, (None, None), False, None)
            model._taken_up(None, data, asked, recipe)
            model._engine._plan(model.stack_, recipe.batch_size)
            model._training._orders(recipe, problem, model.max_iter, -(-problem.size // recipe.batch_size))

        made = contenders(
            lambda: getattr(pellucid, kind)(**given), (X, y), prepare, kernel,
            lambda model: accuracy(model.predict(X), y),
        )  # fmt: skip
        if settings["max_iter"] > 1000:
            made.pop("watched")
        return Comparison(f"{per}; watched: each epoch" if "watched" in made else per, made)

    return task


def rbm(setting: Setting) -> Comparison:
    """Time epochs of PCD."""
    from pellucid.networks.rbm import BernoulliRBM

    X = digits().X

    def kernel() -> tuple[Any, str]:
        from pellucid.parts.compiled import boltzmann

        return boltzmann, "contrast"

    made = contenders(
        lambda: BernoulliRBM(100, learning_rate=0.06, n_iter=20, random_state=0), (X,),
        lambda model: model._begin(X, fresh=True), kernel,
        lambda model: float(model.score_samples(X[:100]).mean()) / X.shape[1],
    )  # fmt: skip
    return Comparison(f"20 epochs of {len(X):,} digits, 64-100, batch 10; watched: each batch", made)


def xor() -> tuple[Any, Any]:
    """Return the truth table of XOR."""
    return np.array(XOR[0], dtype=np.float64), np.asarray(XOR[1])


def images() -> tuple[Any, Any]:
    """Return the digits that are learnt from."""
    return digits().X, digits().y


def large_images() -> tuple[Any, Any]:
    """Return a thousand digits in 28 x 28."""
    enlarged = enlarged_digits(1_000, 1)
    return enlarged.X.reshape(-1, 28, 28), enlarged.y


TASKS: dict[str, Task] = {
    "watching-neuron": neuron,
    "watching-xor": layered(
        "MLPClassifier", xor, "100,000 iterations on 4 rows, 2-2-1, float64", hidden_layer_sizes=(2,),
        activation="logistic", solver="sgd", learning_rate_init=1.0, alpha=0, batch_size=4, shuffle=False,
        max_iter=100_000, dtype="float64",
    ),
    "watching-digits": layered(
        "MLPClassifier", images, "100 epochs of the digits, 64-100-10, batch 32", hidden_layer_sizes=(100,),
        batch_size=32, max_iter=100,
    ),
    "watching-cnn": layered(
        "CNNClassifier", large_images, "2 epochs of 1,000 enlarged digits, LeNet 6-16-120-84-10, batch 100",
        conv_layers=[(6, 5), (16, 5)], hidden_layer_sizes=(120, 84), padding=(2, 0), batch_size=100, max_iter=2,
    ),
    "watching-rbm": rbm,
}  # fmt: skip
