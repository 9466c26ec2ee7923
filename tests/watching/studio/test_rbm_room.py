"""The Boltzmann machine's room shows the library's own machine, and its script comes to what is on the screen."""

import contextlib
import io

import numpy as np
import pytest

from pellucid import BernoulliRBM
from pellucid.data import load_digits
from pellucid.errors import InvalidArgumentError
from pellucid.watching.studio.rooms import open_room

X = load_digits()[0]
SMALL = {"n_components": 9, "n_iter": 1}


def after(room, steps):
    for _ in range(steps):
        room.advance()
    return room.frame()


def machine(steps, **changes):
    given = {"learning_rate": 0.06, "n_iter": 1, "schedule": "cosine", "random_state": 0} | changes
    model = BernoulliRBM(9, **given)
    for step in model.steps(X[:1700]):
        if step.number == steps:
            return model, step.copy()
    raise AssertionError


def signed(values, largest):
    return (values.astype(float) - 127.5) / 127.5 * largest


@pytest.mark.parametrize("settings", [{}, {"algorithm": "cd", "k": 3}, {"learning_rate": 0.3, "schedule": "constant"}])
def test_it_is_the_library_s_own_machine(settings):
    header, arrays = after(room := open_room("rbm", SMALL | settings), 25)
    model, step = machine(25, **settings)
    half = 1 / 255  # of a quantised value, twice over
    np.testing.assert_allclose(
        signed(arrays["filters"], header["largest"]), model.components_, atol=half * header["largest"]
    )
    np.testing.assert_allclose(
        signed(arrays["change"], header["changed"]), step.change, atol=1.01 * half * header["changed"]
    )
    most = max(step.outer_positive.max(), step.outer_negative.max())
    for phase in ("positive", "negative"):
        np.testing.assert_allclose(arrays[phase] / 255 * most, step[f"outer_{phase}"], atol=half * most)
    np.testing.assert_array_equal(arrays["v_data"], np.rint(255 * step.v_positive))
    np.testing.assert_array_equal(arrays["v_model"], 255 * step.v_negative)
    assert header["pseudo_likelihood"] == model.score_samples(X[1700:1730]).mean()
    picture = np.array([room.about()["picture"]]) / 16
    assert header["free_energy"] == pytest.approx(model.free_energy(picture)[0])
    np.testing.assert_array_equal(arrays["reconstruction"], np.rint(255 * model.reconstruct(picture)[0]))
    assert header["curves"]["pseudo_likelihood"][0] == [1, 11, 21]


def test_it_ends_with_the_last_batch_of_the_last_epoch():
    room = open_room("rbm", SMALL | {"batch_size": 100})
    steps = 1
    while room.advance():
        steps += 1
    header, _ = room.frame()
    assert steps == header["batch"] == header["of"] == 17
    assert not room.advance()
    assert room.model.n_iter_ == 1


def test_what_one_looks_at_changes_nothing_of_what_is_learnt():
    room = open_room("rbm", SMALL)
    for what, about in (("trace", {"rounds": 20}), ("sample", {}), ("look", {"v": [0] * 64}), ("trace", {})):
        after(room, 5)
        room.ask(what, about)
    after(room, 5)
    np.testing.assert_array_equal(room.model.components_, machine(25)[0].components_)


def test_the_chain_is_the_library_s_trace_round_by_round():
    room = open_room("rbm", SMALL)
    after(room, 12)
    model, picture = machine(12)[0], [16] * 32 + [0] * 32
    v = np.array(picture) / 16
    for number in range(1, 5):
        header, arrays = room.ask("trace", {"rounds": 1} | ({"v": picture} if number == 1 else {}))
        trace = model.trace(v)
        v = trace["v_next"][0]
        assert header["round"] == number
        assert header["batch"] == 12
        assert header["free_energy"] == trace["free_energy"][0]
        np.testing.assert_array_equal(arrays["v_next"], 255 * v)
        np.testing.assert_array_equal(arrays["h"], 255 * trace["h"][0])
        np.testing.assert_array_equal(arrays["past"][-1], arrays["p_v"])
        room.advance()  # what goes on being learnt does not disturb the chain
    assert header["rounds"] == [1, 2, 3, 4]


def test_a_long_chain_stays_bounded():
    room = open_room("rbm", SMALL)
    for _ in range(3):
        header, arrays = room.ask("trace", {"rounds": 1000})
    assert header["round"] == header["rounds"][-1] == 3000
    assert len(header["rounds"]) == len(arrays["past"]) <= 25


def test_another_picture_ends_the_chain():
    room = open_room("rbm", SMALL)
    room.ask("trace", {"rounds": 7})
    header, arrays = room.ask("look", {"v": [0] * 64})
    model = machine(1)[0]
    assert header["free_energy"] == pytest.approx(model.free_energy(np.zeros((1, 64)))[0])
    np.testing.assert_array_equal(arrays["hidden"], np.rint(255 * model.transform(np.zeros((1, 64)))[0]))
    assert room.ask("trace", {})[0]["round"] == 1


def test_its_dreams_are_the_machine_s_samples():
    room = open_room("rbm", SMALL)
    after(room, 40)
    header, arrays = room.ask("sample", {})
    model = machine(40)[0]
    dreams = model.reconstruct(model.sample(20, 500))
    np.testing.assert_array_equal(arrays["dreams"], np.rint(255 * dreams))
    assert (header["rounds"], header["batch"]) == (500, 40)


@pytest.mark.parametrize("settings", [{}, {"algorithm": "cd", "k": 2, "batch_size": 33, "seed": 7, "v": [16, 0] * 32}])
def test_the_script_comes_to_what_is_on_the_screen(settings):
    room = open_room("rbm", SMALL | settings)

    def printed():
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            exec(compile(room.ask("export", {})[0]["script"], "script.py", "exec"), {"__name__": "__main__"})
        return text.getvalue().splitlines()

    header, _ = after(room, 15)
    assert printed() == [
        f"batch 15: log pseudo-likelihood {header['pseudo_likelihood']:.10f}",
        f"free energy of the picture {header['free_energy']:.10f}",
    ]
    room.ask("trace", {"rounds": 2})
    answer, arrays = room.ask("trace", {"rounds": 3})
    header, _ = after(room, 6)  # the chain stays with the machine as it was
    shown = ["".join("#" if unit else "." for unit in row) for row in arrays["v_next"].reshape(8, 8)]
    assert printed() == [
        f"batch 21: log pseudo-likelihood {header['pseudo_likelihood']:.10f}",
        f"free energy of the picture {header['free_energy']:.10f}",
        f"round 5: free energy {answer['free_energy']:.10f}",
        *shown,
    ]


def test_the_script_dreams_what_is_on_the_screen_though_the_machine_learnt_on():
    room = open_room("rbm", SMALL)
    after(room, 8)
    dreams = room.ask("sample", {})[1]["dreams"]
    after(room, 5)
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        exec(compile(room.ask("export", {})[0]["script"], "script.py", "exec"), {"__name__": "__main__"})
    lines = text.getvalue().splitlines()
    assert lines[0].startswith("batch 13: ")
    shown = np.rint(dreams / 255).astype(int).reshape(20, 8, 8)
    drawn = [line for dream in shown for line in ("dream", *("".join(".#"[pixel] for pixel in row) for row in dream))]
    assert lines[2:] == drawn


@pytest.mark.parametrize(
    ("what", "about", "sentence"),
    [
        ("corrupt", {}, "this room answers export, look, trace and sample, got 'corrupt'"),
        ("trace", {"rounds": 1001}, "rounds must be a whole number from 1 to 1000"),
        ("trace", {"v": [0] * 63}, "v must be a list of 64 to 64, got 63"),
        ("look", {"v": [17] * 64}, "v must hold whole numbers from 0 to 16, got 17"),
        ("sample", {"n": 10**9}, "about must not hold 'n'"),
    ],
)
def test_what_is_no_question_is_refused(what, about, sentence):
    room = open_room("rbm", SMALL)
    with pytest.raises(InvalidArgumentError, match=sentence):
        room.ask(what, about)


def test_a_picture_is_there_before_the_machine_has_learnt():
    room = open_room("rbm", SMALL)
    header, arrays = room.frame()
    assert (header["begins"], header["batch"], header["of"], arrays) == (True, 0, 170, {})
    assert len(room.about()["picture"]) == 64
    assert not hasattr(room.model, "components_")
    room.advance()
    assert "begins" not in room.frame()[0]


def test_it_gives_formulas_sources_and_ten_digits_that_it_does_not_learn_from():
    room = open_room("rbm", {})
    room.advance()
    about = room.about()
    assert "change" in about["formulas"]
    assert all("def " in text for text in about["sources"].values())
    answer, _ = room.ask("trace", {})
    assert {"sample_units", "mean_hiddens", "free_energy", "BernoulliRBM._sample_visibles"} == set(
        answer["sources"]
    ) - {"BernoulliRBM._mean_visibles"}
    held = np.rint(16 * X[1700:]).astype(int).tolist()
    kinds = load_digits()[1][1700:]
    assert [kinds[held.index(digit)] for digit in about["digits"]] == [*range(10)]
    assert about["picture"] == about["digits"][3]
