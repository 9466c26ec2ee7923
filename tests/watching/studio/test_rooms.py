"""The rooms show what the library does, and the script that a room exports comes to the same."""

import ast
import contextlib
import inspect
import io
import sys
from textwrap import dedent

import numpy as np
import pytest

from pellucid import HopfieldNetwork, MLPClassifier, Neuron
from pellucid.data import NEURON_TABLE, block_counts, circles, drawn_digit, normalized_bitmap
from pellucid.data.letters import letters
from pellucid.errors import PellucidError
from pellucid.experiments import inference
from pellucid.experiments.digits import parts
from pellucid.watching.studio.app import ROOMS
from pellucid.watching.studio.rooms import open_room


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


def test_the_script_goes_through_the_point_that_was_gone_through():
    room = open_room("playground", {"hidden": [2], "seed": 1})
    after(room, 3)
    answer, _ = room.ask("trace", {"x": [0.25, -1], "y": 0})
    lines = run_script(room.ask("export", {})[0]["script"])
    found = {name: ast.literal_eval(value) for name, value in (line.split(" = ") for line in lines[1:] if line)}
    assert found == {record["name"]: record["value"] for record in answer["trace"]}
    room.advance()
    assert "trace" not in room.ask("export", {})[0]["script"]


def test_training_that_leaves_the_finite_numbers_is_said():
    wild = {"solver": "sgd", "activation": "relu", "learning_rate": 10, "alpha": 1, "batch_size": 1, "n": 8}
    room = open_room("playground", wild)
    header, arrays = after(room, 400)
    assert "training diverged in epoch" in header["diverged"]
    assert header["epoch"] >= 1
    end = f"epoch {header['epoch']}: loss {header['loss']:.10f}"
    assert run_script(room.ask("export", {})[0]["script"]) == [header["diverged"], end]
    room = open_room("playground", wild | {"n": 100, "loss": "sum_of_squares", "hidden": [8] * 4})
    header, _ = room.frame()
    assert header["epoch"] == 0
    assert run_script(room.ask("export", {})[0]["script"]) == [header["diverged"], "epoch 0: loss inf"]
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
    assert (header["ended"], header["kind"]) == ("rest", "stored")
    assert arrays["state"].tolist() == patterns[0].tolist()
    assert (np.diff(energies) <= 1e-12).all()
    network = HopfieldNetwork(random_state=0).fit(patterns)
    assert header["energy"] == pytest.approx(network.energy(patterns[:1])[0])


def finished(settings):
    room = open_room("hopfield", settings)
    while room.advance():
        pass
    return room, *room.frame()


def taking_turns():
    """Return a state from which the network of A, B and C comes to two states that take turns, all at once."""
    network = HopfieldNetwork(update="synchronous", random_state=0).fit(letters()[:3])
    generator = np.random.default_rng(0)
    starts = (generator.choice([-1, 1], 100) for _ in range(1000))
    return next(start.tolist() for start in starts if list(network.steps(start))[-1].cycle)


def test_only_what_is_at_rest_is_called_so():
    start = taking_turns()
    room, header, arrays = finished({"patterns": letters()[:3].tolist(), "start": [start], "update": "synchronous"})
    assert (header["ended"], header["kind"]) == ("cycle", "")
    assert not room.model.is_stable(arrays["state"][None])[0]
    _, header, _ = finished({"update": "stochastic", "temperature": 1.0})
    assert (header["ended"], header["kind"]) == ("sampled", "")
    room, header, arrays = finished({"start": [start]})
    assert header["ended"] == "rest"
    assert room.model.is_stable(arrays["state"][None])[0]
    room = open_room("hopfield", {"start": [start]})
    room.advance()
    room.run = iter(())  # as when the sweeps are over
    assert not room.advance()
    assert room.frame()[0]["ended"] == "unsettled"


def test_the_landscape_is_the_energy_of_states_and_its_corners_are_the_patterns():
    room = open_room("hopfield", {"rule": "pseudo_inverse"})
    ground, header = room.about()["landscape"], room.frame()[0]
    assert np.array(ground["energies"]).shape == (41 * 41,)
    for corner, pattern in zip(ground["corners"], room.patterns, strict=True):
        assert ground["energies"][corner] == pytest.approx(room.model.energy(pattern[None])[0], abs=1e-3)
    assert ground["pictures"] == room.patterns.tolist()
    assert (header["place"], header["nearness"]) == (ground["corners"][0], 1.0)  # it opens with the first pattern
    one = open_room("hopfield", {"patterns": letters()[:1].tolist()}).about()["landscape"]
    assert one["stored"] == 1
    assert one["pictures"][1] == (-letters()[0]).tolist()


def test_the_valleys_are_the_library_s_fixed_points_with_their_kinds_and_energies():
    room = open_room("hopfield", {"update": "stochastic"})
    assert room.frame()[0]["valleys"] == []
    assert room.ask("sample", {"starts": 500}) == ({}, {})
    header, arrays = room.frame()
    network = HopfieldNetwork(random_state=0).fit(letters()[[0, 2, 23]])
    states, kinds, counts = network.fixed_points(500)
    assert header["found"] == len(states) > 6
    shown = {tuple(state): valley for state, valley in zip(arrays["rests"].tolist(), header["valleys"], strict=True)}
    assert len(shown) == min(24, len(states))
    for state, kind, count, energy in zip(states, kinds, counts, network.energy(states), strict=True):
        if (valley := shown.get(tuple(state.tolist()))) is not None:
            assert valley == {"kind": kind, "count": count, "energy": pytest.approx(energy)}
    assert network.is_stable(arrays["rests"]).all()
    assert {"stored", "inverse", "mixture"} <= {valley["kind"] for valley in header["valleys"]}
    again = open_room("hopfield", {"starts": 500}).frame()  # as a link opens it
    assert again[0]["valleys"] == header["valleys"]


def test_the_hopfield_script_comes_to_what_is_on_the_screen_before_the_first_step_too_and_to_its_valleys():
    room = open_room("hopfield", {"starts": 300, "rule": "storkey", "seed": 3})
    header, arrays = room.frame()
    lines = run_script(room.ask("export", {})[0]["script"])
    assert lines[0] == f"step 0: energy {header['energy']:.10f}"
    assert lines[1:11] == [
        "".join("#" if unit == 1 else "." for unit in row) for row in arrays["state"].reshape(10, 10)
    ]
    assert lines[11] == f"{header['found']} valleys"
    assert lines[12:] == [
        f"{valley['kind']}: {valley['count']} of 300, energy {valley['energy']:.10f}" for valley in header["valleys"]
    ]


LINE = [[[500, 100], [510, 900]]]


@pytest.mark.parametrize("settings", [{"strokes": LINE}, {"strokes": [], "image": 7, "seed": 3}])
def test_the_digits_script_comes_to_what_is_on_the_screen(settings):
    room = open_room("digits", settings)
    header, _ = after(room, 2)
    lines = run_script(room.ask("export", {})[0]["script"])
    assert lines[0] == f"epoch {header['epoch']}" == "epoch 2"
    for line, (name, p) in zip(lines[1:], header["probabilities"].items(), strict=True):
        share = header["accuracies"][name][-1]
        assert line == f"{name} reads {np.argmax(p)} (p = {max(p):.6f}), accuracy {share:.4f}"


def test_what_is_drawn_goes_to_the_networks_by_the_law_of_the_data_and_their_values_are_shown():
    room = open_room("digits", {})
    room.advance()
    header, arrays = room.ask("look", {"strokes": LINE})
    bitmap = normalized_bitmap(LINE)
    np.testing.assert_array_equal(arrays["bitmap"], bitmap)
    np.testing.assert_array_equal(arrays["counts"], block_counts(bitmap))
    x = drawn_digit(LINE)[None]
    trace = room.cnn.trace(x)
    for name in ("a1", "m1", "source1", "a2", "m2", "source2"):
        np.testing.assert_array_equal(arrays[name], trace[name])
    maps, sources = arrays["a1"][0].reshape(8, 64), arrays["source1"][0].reshape(8, 16)
    np.testing.assert_array_equal(np.take_along_axis(maps, sources.astype(int), 1), arrays["m1"][0].reshape(8, 16))
    hidden = room.machine.transform(x)
    np.testing.assert_array_equal(arrays["rbm_units"], hidden)
    for name, p in (("mlp", room.mlp.predict_proba(x)), ("cnn", room.cnn.predict_proba(x)),
                    ("rbm", room.reader.predict_proba(hidden))):  # fmt: skip
        np.testing.assert_allclose(header["probabilities"][name], p[0], atol=1e-6)
    assert header["blank"] is False
    assert room.ask("look", {"strokes": []})[0]["blank"] is True


def test_the_confusion_matrices_are_those_of_the_held_out_digits():
    from sklearn.metrics import confusion_matrix

    room = open_room("digits", {"seed": 1})
    header, arrays = after(room, 2)
    _, X_test, _, y_test = parts(1)
    guess = {"mlp": room.mlp.predict(X_test), "rbm": room.reader.predict(room.machine.transform(X_test))}
    for name, found in guess.items():
        np.testing.assert_array_equal(arrays[f"confusion_{name}"].reshape(10, 10), confusion_matrix(y_test, found))
        assert header["accuracies"][name][-1] == (found == y_test).mean()


def test_a_held_out_digit_and_the_next_that_is_misread_are_put_before_the_networks():
    room = open_room("digits", {})
    room.advance()
    _, X_test, _, y_test = parts(0)
    header, arrays = room.ask("look", {"strokes": [], "image": 12})
    assert (header["image"], header["digit"]) == (12, y_test[12])
    np.testing.assert_array_equal(arrays["counts"].ravel(), 16 * X_test[12])
    assert not arrays["bitmap"].any()
    header, _ = room.ask("look", {"strokes": [], "image": 12, "mistaken": True})
    image, digit = header["image"], header["digit"]
    assert image >= 12
    assert {int(np.argmax(p)) for p in header["probabilities"].values()} != {digit}
    assert all((room.guesses[name][12:image] == y_test[12:image]).all() for name in room.guesses)


def test_the_digits_are_to_be_seen_and_drawn_before_the_networks_have_learnt():
    room = open_room("digits", {})
    header, arrays = room.frame()
    assert header["begins"]
    assert (header["epoch"], header["probabilities"]) == (0, None)
    np.testing.assert_array_equal(arrays["bitmap"], normalized_bitmap(room.about()["strokes"]))
    assert not hasattr(room.mlp, "stack_")  # nothing has been computed
    header, arrays = room.ask("look", {"strokes": LINE})
    np.testing.assert_array_equal(arrays["counts"], block_counts(normalized_bitmap(LINE)))
    with pytest.raises(PellucidError, match="let the networks learn an epoch first"):
        room.ask("export", {})
    room.ask("look", {"mistaken": True})
    room.advance()
    assert "begins" not in room.frame()[0]


def test_the_digits_leave_off_in_the_middle_of_an_epoch_where_nobody_looks_on():
    asked = []
    room = open_room("digits", {}, lambda: asked.append(1) or len(asked) < 5)
    assert not room.advance()
    assert len(asked) <= 7
    assert room.epoch == 0
    assert room.mlp.n_iter_ == 0


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_called_the_code_that_ran_did_run(room):
    """Every function that is called while a room opens, takes two steps and is shown is written down."""
    if room == "sentences":
        inference.model_file()  # now, and not while all is written down
    ran = set()

    def note(frame, event, _):
        if event == "call":
            ran.add(frame.f_code)

    sys.setprofile(note)
    try:
        made = open_room(room, {})
        for _ in range(2):
            made.advance()
        made.frame()
    finally:
        sys.setprofile(None)
    about = made.about()
    assert about["formulas"]
    names = {}
    for code in ran:
        names.setdefault(code.co_qualname, set()).add(code)
    for name, source in about["sources"].items():
        assert source in {dedent(inspect.getsource(code)) for code in names.get(name, ())}, name


@pytest.mark.parametrize("room", ["digits", "rbm"])
def test_the_code_of_the_training_is_there_and_not_only_that_of_the_answer(room):
    made = open_room(room, {})
    made.advance()
    sources = set(made.about()["sources"])
    assert {"contrast", "BernoulliRBM._advance"} <= sources
    assert "gradient" not in sources
    if room == "digits":
        assert {"batch_gradient", "Optimizer.update", "Dense.backward", "Conv2d.backward"} <= sources
