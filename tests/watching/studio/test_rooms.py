"""The rooms show what the library does, and the script that a room exports comes to the same."""

import contextlib
import io
from importlib.util import find_spec

import numpy as np
import pytest

from pellucid import HopfieldNetwork, MLPClassifier, Neuron
from pellucid.data import NEURON_TABLE, circles
from pellucid.data.letters import letters
from pellucid.watching.studio.rooms import open_room

ROOMS = ["neuron", "playground", "hopfield", *(["sentences"] if find_spec("torch") else [])]


def run_script(text):
    """Run it as Python runs a file, in this process, which has imported everything already."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "script.py", "exec"), {"__name__": "__main__"})
    return printed.getvalue().splitlines()


def after(room, steps):
    for _ in range(steps):
        room.advance()
    return room.frame()


def test_the_neuron_is_the_library_s_and_comes_to_the_article_s_figure():
    room = open_room("neuron", {})
    header, _ = after(room, 10_000)
    neuron = Neuron(random_state=1, engine="reference").fit(*NEURON_TABLE)
    assert header["iteration"] == 10_000
    assert not room.advance()
    assert header["weights"].tolist() == neuron.w_.tolist()
    assert f"{header['answer_to_case']:.8f}" == "0.99993704"
    assert len(header["curve"][0]) <= 401


@pytest.mark.parametrize(
    "settings", [{}, {"bias": True, "seed": 7, "X": [[0, 1], [1, 1]], "y": [1, 0], "case": [[1, 0]]}]
)
def test_the_neuron_s_script_comes_to_what_is_on_the_screen(settings):
    room = open_room("neuron", settings)
    header, _ = after(room, 321)
    lines = run_script(room.ask("export", {})[0]["script"])
    assert lines[0] == f"iteration {header['iteration']}" == "iteration 321"
    assert lines[1] == f"weights {header['weights'].tolist()}"
    assert lines[2].startswith(f"{header['answer_to_case']:.8f} for")


SETTINGS = {
    "as it opens": {},
    "spirals": {"shape": "spirals", "hidden": [8, 8], "activation": "relu", "solver": "rmsprop", "learning_rate": 0.01},
    "clouds": {"shape": "clouds", "loss": "squared_error", "solver": "sgd", "activation": "logistic", "alpha": 0.01},
    "moons": {"shape": "moons", "n": 33, "noise": 0.2, "batch_size": 500, "loss": "focal", "seed": 5},
    "own points": {
        "shape": "own",
        "points": [[0.5, 0.25, 1], [-0.5, 0.125, 0], [0, -1, 1]],
        "hidden": [2],
        "activation": "gelu",
    },
}  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_playground_s_script_comes_to_what_is_on_the_screen(settings):
    room = open_room("playground", settings)
    header, arrays = after(room, 25)
    line = f"epoch 25: loss {header['loss']:.10f}, accuracy {header['accuracy']:.4f}"
    assert run_script(room.ask("export", {})[0]["script"]) == [line]
    assert arrays["units"].shape == (sum(header["sizes"][1:-1]), 40, 40)


def test_the_playground_is_the_library_s_own_network():
    header, arrays = after(room := open_room("playground", {"hidden": [3], "seed": 4}), 12)
    X, y = circles(200, noise=0.05, random_state=0)
    model = MLPClassifier(
        (3,), activation="tanh", solver="adam", alpha=0, learning_rate_init=0.03, batch_size=20, random_state=4,
        max_iter=12, n_iter_no_change=12, tol=0, dtype="float64", engine="reference",
    ).fit(X, y)  # fmt: skip
    weights = np.concatenate([W.ravel() for W in model.coefs_]).astype(np.float32)
    assert arrays["weights"].tobytes() == weights.tobytes()
    assert header["accuracy"] == model.score(X, y)
    share = model.predict_proba(room.grid)[:, 1].reshape(40, 40)
    assert np.abs(arrays["answer"] / 255 - share).max() < 0.01
    assert room.grid[0].tolist() == pytest.approx([-1.4625, 1.4625])  # the first row is the top


def test_a_point_s_trace_goes_forwards_and_backwards_and_names_its_sources():
    room = open_room("playground", {"hidden": [3, 2]})
    answer, _ = room.ask("trace", {"x": [0.5, -0.5], "y": 1})
    names = [record["name"] for record in answer["trace"]]
    assert names[:6] == ["a0", "z1", "a1", "z2", "a2", "z3"]
    values = {record["name"]: np.array(record["value"]) for record in answer["trace"]}
    np.testing.assert_allclose(values["dW3"], values["a2"].T @ values["delta3"])
    np.testing.assert_allclose(values["dW1"], values["a0"].T @ values["delta1"])
    assert {record["function"] for record in answer["trace"]} - {""} == set(answer["sources"])
    assert "def backward(" in answer["sources"]["Dense.backward"]


def test_training_that_leaves_the_finite_numbers_is_said():
    wild = {"solver": "sgd", "activation": "relu", "learning_rate": 10, "alpha": 1, "batch_size": 1, "n": 8}
    room = open_room("playground", wild)
    header, arrays = after(room, 400)
    assert "training diverged in epoch" in header["diverged"]
    assert not room.advance()
    assert np.isfinite(arrays["weights"]).all()


@pytest.mark.parametrize("update", ["asynchronous", "synchronous", "stochastic"])
def test_the_hopfield_script_comes_to_what_is_on_the_screen(update):
    spoiled = open_room("hopfield", {}).ask("corrupt", {"share": 0.2, "seed": 1})[1]["pattern"].tolist()
    room = open_room("hopfield", {"start": [spoiled], "update": update})
    header, arrays = after(room, 40)
    lines = run_script(room.ask("export", {})[0]["script"])
    assert lines[0] == f"step {header['step']}: energy {header['energy']:.10f}"
    shown = ["".join("#" if unit == 1 else "." for unit in row) for row in arrays["state"].reshape(10, 10)]
    assert lines[1:] == shown


def test_a_stored_letter_comes_back_and_is_called_so():
    patterns = letters()[[0, 2, 23]]
    spoiled = open_room("hopfield", {}).ask("corrupt", {"share": 0.2, "seed": 1})[1]["pattern"]
    assert (spoiled != patterns[0]).sum() == 20
    room = open_room("hopfield", {"start": [spoiled.tolist()]})
    energies = [room.frame()[0]["energy"]]
    while room.advance():
        energies.append(room.frame()[0]["energy"])
    header, arrays = room.frame()
    assert (header["rests"], header["kind"]) == (True, "stored")
    assert arrays["state"].tolist() == patterns[0].tolist()
    assert (np.diff(energies) <= 1e-12).all()
    network = HopfieldNetwork(random_state=0).fit(patterns)
    assert header["energy"] == pytest.approx(network.energy(patterns[:1])[0])


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_gives_formulas_and_the_source_of_what_runs(room):
    made = open_room(room, {})
    made.frame()
    about = made.about()
    assert about["formulas"]
    assert all("def " in text for text in about["sources"].values())
