"""What watching costs is measured against the very calls that a fit makes."""

import pytest

from pellucid.bench import watching
from pellucid.bench.comparison import OURS, Setting


@pytest.fixture(autouse=True)
def few_digits(monkeypatch):
    from pellucid.bench.mlp import digits, enlarged_digits

    few, whole = 64, digits()
    part = type(whole)("digits", whole.X[:few], whole.y[:few], whole.X_test[:few], whole.y_test[:few])
    monkeypatch.setattr(watching, "digits", lambda: part)
    monkeypatch.setattr(watching, "enlarged_digits", lambda rows, tests: enlarged_digits(100, tests))


def test_calls_are_taken_down_in_order_and_the_function_is_put_back():
    class Owner:
        @staticmethod
        def kernel(a, b):
            return a + b

    function = Owner.kernel
    found, calls, changed = watching.calls_of(Owner, "kernel", lambda: [Owner.kernel(n, 1) for n in range(3)])
    assert found is function is Owner.kernel
    assert calls == [(0, 1), (1, 1), (2, 1)]
    assert changed == []
    with pytest.raises(ZeroDivisionError):
        watching.calls_of(Owner, "kernel", lambda: 1 / 0)
    assert Owner.kernel is function


@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
@pytest.mark.parametrize("task", watching.TASKS)
def test_everybody_does_the_same_work_of_a_task(task):
    made = {name: make() for name, make in watching.TASKS[task](Setting()).contenders.items()}
    assert list(made)[:2] == [OURS, "bare-loop"]
    assert ("watched" in made) == (task not in {"watching-neuron", "watching-xor"})
    assert len({contender.quality(contender.work(0)) for contender in made.values()}) == 1


def bare_loop(task, monkeypatch, look):
    """Return the bare loop of a task, in which ``look(changed)`` comes before every call of the kernel."""
    taken = watching.calls_of

    def looked_at(owner, name, work):
        function, calls, changed = taken(owner, name, work)

        def called(*arguments):
            look(changed)
            return function(*arguments)

        return called, calls, changed

    monkeypatch.setattr(watching, "calls_of", looked_at)
    return watching.TASKS[task](Setting()).contenders["bare-loop"]()


@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
@pytest.mark.parametrize("task", watching.TASKS)
def test_the_bare_loop_s_calls_are_those_that_train(task, monkeypatch):
    """Counted where they arrive: the fit's calls, and as many in each round of the bare loop."""
    counted = []
    bare = bare_loop(task, monkeypatch, counted.append)
    bare.work(0)
    first = len(counted)
    assert first >= 1
    bare.work(1)
    assert len(counted) == 2 * first


@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
@pytest.mark.parametrize("task", watching.TASKS)
def test_every_round_of_the_bare_loop_begins_with_the_fit_s_weights(task, monkeypatch):
    began = []

    def look(changed):
        assert any(array.dtype.kind == "f" for array, _ in changed)
        began.append(all(array.tobytes() == before.tobytes() for array, before in changed))

    bare = bare_loop(task, monkeypatch, look)
    for seed in range(2):
        began.clear()
        bare.work(seed)
        assert began[0]
        assert not any(began[1:])
