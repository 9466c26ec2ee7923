"""The room of sentences: what is read is what the library reads, and learning goes on some batches at a time."""

import contextlib
import io
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

pytest.importorskip("torch")

import pellucid
from pellucid.errors import InvalidArgumentError, PellucidError
from pellucid.experiments import inference
from pellucid.spinn import Tree
from pellucid.watching.studio.rooms import open_room, sentences

PLAIN = {"premise": "every big dog runs", "hypothesis": "Some animal does not sleep"}
WRONG = "( ( ( every big ) dog ) runs )"


def printed(text):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(text, "script.py", "exec"), {"__name__": "__main__"})
    return shown.getvalue()


def opened(**settings):
    room = open_room("sentences", settings)
    room.advance()
    return room


@pytest.fixture(scope="module")
def model():
    return pellucid.load(inference.model_file())


def test_it_reads_as_the_kept_model_does(model):
    room = open_room("sentences", PLAIN)
    header, _ = room.frame()  # before the model is opened, which takes its time
    assert (header["begins"], header["reading"], header["asked"]["premise"]) == (True, None, PLAIN["premise"])
    assert room.advance()
    header, _ = room.frame()
    assert not header["begins"]
    trace = model.trace(PLAIN["premise"])
    assert (header["moment"], header["of"], header["learning"], header["kept"]) == (0, 7, None, True)
    assert header["reading"]["transitions"] == trace.tree.transitions.tolist()
    for step, moment in zip(header["reading"]["steps"], trace.moments, strict=True):
        for name in ("e", "m", "p", "h", "c"):
            np.testing.assert_allclose(step["values"][name], moment[name], rtol=0, atol=1e-6)
            assert step["shapes"][name] == list(moment[name].shape)
        assert step["formulas"] == dict(moment.formulas)
        assert set(step["functions"]) <= set(room.about()["sources"])
    assert np.array_equal(header["likely"], model.predict_proba([tuple(PLAIN.values())])[0])
    assert header["labels"] == ["contradiction", "entailment", "neutral"]
    assert header["sentences"]["premise"]["found"] == str(trace.tree)
    assert header["reading"]["compared"] is None


@pytest.mark.parametrize(
    ("hypothesis", "label"),
    [
        ("Some animal does not sleep", "entailment"),
        ("no dog moves", "contradiction"),
        ("( ( some poodle ) ( does ( not run ) ) )", "neutral"),
        ("some animal eats", None),
    ],
)
def test_what_the_rules_of_the_fragment_say_stands_beside_the_answer(hypothesis, label):
    assert opened(premise="every big dog runs", hypothesis=hypothesis).frame()[0]["rules"] == label


def test_it_goes_forwards_and_to_any_step():
    room = opened()
    assert [room.advance() for _ in range(8)] == [True] * 6 + [False] * 2
    assert room.frame()[0]["moment"] == 7
    assert room.ask("go", {"moment": 2}) == ({}, {})
    assert room.frame()[0]["moment"] == 2
    with pytest.raises(InvalidArgumentError, match="moment must be a whole number from 0 to 7"):
        room.ask("go", {"moment": 8})
    with pytest.raises(InvalidArgumentError, match="answers export, read and go"):
        room.ask("corrupt", {})


def test_its_own_parse_is_set_against_the_given_one(model):
    room = opened(premise=WRONG)
    own = model.parse(Tree.parse(WRONG))
    reading = room.frame()[0]["reading"]
    assert (reading["compared"], reading["compared_is_given"]) == (Tree.parse(WRONG).transitions.tolist(), True)
    assert reading["transitions"] == own.transitions.tolist()
    room.ask("read", {"parses": "given"})
    header, _ = room.frame()
    assert header["asked"]["premise"] == WRONG
    assert header["reading"]["transitions"] == Tree.parse(WRONG).transitions.tolist()
    assert (header["reading"]["compared"], header["reading"]["compared_is_given"]) == (own.transitions.tolist(), False)
    room.ask("read", {"premise": PLAIN["premise"]})
    assert room.frame()[0]["parses"] == "predicted"  # no parse was given


def test_words_that_it_never_met_and_sentences_that_are_none_are_named():
    room = opened(premise="every unicorn runs", hypothesis="( every dog ) )")
    header, _ = room.frame()
    premise, hypothesis = header["sentences"].values()
    assert (premise["unknown"], premise["problem"]) == (["unicorn"], "")
    assert header["reading"]["unknown"] == [1]
    assert "position" in hypothesis["problem"]
    assert header["likely"] is None
    assert {"dog", "every", "not"} <= set(header["vocabulary"])
    assert "unicorn" not in header["vocabulary"]
    with pytest.raises(PellucidError, match="give it two sentences"):
        room.ask("export", {})
    for text, problem in ((" ", "is blank"), ("dog " * 41, "has 41 words, and at most 40")):
        room.ask("read", {"premise": text})
        assert problem in room.frame()[0]["sentences"]["premise"]["problem"]
        assert room.frame()[0]["reading"] is None


@pytest.mark.parametrize(
    "settings",
    [{}, PLAIN, {"premise": 'dog "runs" \\', "shown": "hypothesis"}, {"premise": WRONG, "parses": "given"}],
)
def test_its_script_comes_to_what_is_on_the_screen(settings):
    room = opened(**settings)
    header, _ = room.frame()
    said = printed(room.ask("export", {})[0]["script"])
    assert said.startswith(str(room.reading))
    shares = dict(line.split() for line in said.splitlines()[-3:])
    assert shares == {label: f"{p:.6f}" for label, p in zip(header["labels"], header["likely"], strict=True)}


@pytest.fixture
def unlearned(monkeypatch, tmp_path):
    monkeypatch.setattr(inference, "SIZES", {"train": 300, "validation": 60, "test": 30})
    monkeypatch.setattr(inference, "EPOCHS", 3)
    path = tmp_path / "own" / "inference.pellucid"
    monkeypatch.setattr(inference, "model_file", lambda: path)
    return path


def learned(room):
    while room.run is not None:
        goes_on = room.advance()
    assert not goes_on  # it does not read on by itself
    return room.frame()[0]


def test_where_no_model_is_kept_it_learns_batch_by_batch_and_keeps_what_it_learned(unlearned, monkeypatch):
    monkeypatch.setattr(sentences, "BATCHES", 2)
    room = opened()
    header, _ = room.frame()
    assert (header["learning"]["batch"], header["kept"], header["reading"]) == (0, False, None)
    assert room.advance()
    header, _ = room.frame()
    assert (header["learning"]["batch"], header["learning"]["batches"], header["learning"]["epoch"]) == (2, 9, 0)
    assert header["learning"]["left"] is None
    assert header["reading"] is not None
    assert header["sources"]  # what runs is told as soon as it runs
    assert "sources" not in room.frame()[0]
    assert not unlearned.exists()
    halfway = printed(room.ask("export", {})[0]["script"])
    assert halfway.startswith(str(room.reading))
    shares = dict(line.split() for line in halfway.splitlines()[-3:])
    assert shares == {label: f"{p:.6f}" for label, p in zip(header["labels"], header["likely"], strict=True)}
    room.ask("read", PLAIN)  # another sentence does not begin the learning anew
    assert room.frame()[0]["learning"]["batch"] == 2
    assert room.advance()
    header, _ = room.frame()
    assert (header["learning"]["batch"], header["learning"]["epoch"]) == (3, 1)
    assert header["learning"]["left"] > 0
    assert header["learning"]["score"] == room.model.validation_scores_[0]
    header = learned(room)
    assert (header["learning"], header["kept"], header["moment"]) == (None, True, 0)
    assert room.model.n_iter_ == 3
    assert room.advance()  # now an advance is a transition
    assert opened().frame()[0]["learning"] is None
    assert np.array_equal(pellucid.load(unlearned).predict_proba([tuple(PLAIN.values())])[0], header["likely"])


def test_an_advance_of_learning_is_short_however_many_pairs_there_are(unlearned, monkeypatch):
    """It is some batches and never an epoch, so that pausing, another speed and a page that leaves need not wait."""
    monkeypatch.setattr(inference, "SIZES", {"train": 6000, "validation": 60, "test": 30})
    room = opened()
    for batch in (8, 16, 24):
        assert room.advance()
        assert room.frame()[0]["learning"]["batch"] == batch


def test_it_begins_anew_from_a_seed_and_keeps_that(unlearned):
    for seed, settings in ((0, {}), (7, {"seed": 7})):
        room = opened(**PLAIN, **settings)
        assert room.frame()[0]["learning"]["batch"] == 0  # what was kept is of another seed
        header = learned(room)
        alone = inference.network(seed)
        for _ in inference.training(alone, inference.pairs(seed)):
            pass
        assert np.array_equal(alone.predict_proba([tuple(PLAIN.values())])[0], header["likely"])
        again = opened(**settings).frame()[0]
        assert (again["learning"], again["seed"], again["kept"]) == (None, seed, True)
    assert opened().frame()[0]["seed"] == 7  # the last that was kept
    anew = opened(anew=True, seed=7).frame()[0]
    assert (anew["learning"]["batch"], anew["reading"]) == (0, None)
    with pytest.raises(InvalidArgumentError, match="seed must be a whole number"):
        opened(seed=-1)


def test_a_kept_file_of_another_kind_is_said_and_it_learns_anew(unlearned):
    unlearned.parent.mkdir()
    pellucid.save(pellucid.Neuron().fit([[0, 1], [1, 0]], [0, 1]), unlearned)
    header, _ = opened().frame()
    assert "holds no network that parses pairs" in header["trouble"]
    assert header["learning"]["batch"] == 0
    unlearned.write_bytes(unlearned.read_bytes()[:-1])
    assert opened().frame()[0]["trouble"]


def test_without_torch_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(sentences, "find_spec", lambda name: None if name == "torch" else ModuleSpec(name, None))
    room = opened()
    assert room.frame() == ({"missing": "torch"}, {})
    assert not room.advance()
    assert room.about() == {"formulas": {}, "sources": {}}
    with pytest.raises(InvalidArgumentError, match=r"pip install 'pellucid\[torch\]'"):
        room.ask("read", {})


def test_pages_that_learn_from_the_same_pairs_share_them(monkeypatch):
    monkeypatch.setattr(inference, "SIZES", {"train": 50, "validation": 10, "test": 10})
    written, given = sentences.pairs(3), inference.pairs(3)
    assert sentences.pairs(3) is written
    assert [pair.label for pair in written["train"]] == [pair.label for pair in given["train"]]
    assert sentences.pairs(4) is not written
    monkeypatch.setattr(inference, "SIZES", {"train": 60, "validation": 10, "test": 10})
    assert len(sentences.pairs(4)["train"]) == 60
