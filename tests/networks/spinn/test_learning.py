"""How SPINNClassifier learns: options, parts of fits, early stopping, own parses, plain text, files."""

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone  # noqa: E402

from pellucid import load, save  # noqa: E402
from pellucid.data.english import generate_english  # noqa: E402
from pellucid.data.sentences import Pair  # noqa: E402
from pellucid.data.vectors import Vectors  # noqa: E402
from pellucid.errors import InvalidArgumentError, InvalidDataError, ModelFileError  # noqa: E402
from pellucid.networks.spinn.examples import batches, both_ways, examples  # noqa: E402
from pellucid.networks.spinn.machine import machine, reduce  # noqa: E402
from pellucid.networks.spinn.model import ENCODERS  # noqa: E402
from pellucid.saving.file import read_file  # noqa: E402
from pellucid.spinn import SPINNClassifier, Tree  # noqa: E402

A, B = Tree.parse("( a b )"), Tree.parse("( c d )")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def english():
    return generate_english({"train": 300, "test": 60})


def small(**settings):
    sizes = {"hidden": 12, "embedding": 8, "tracker": 8, "mlp": 16, "batch_size": 16, "random_state": 0}
    return SPINNClassifier(**sizes | {"max_iter": 2} | settings)


def own_parses(**settings):
    return small(encoder="spinn", parses="predicted", **settings)


@pytest.fixture(scope="module")
def parser(english):
    return own_parses(max_iter=6, learning_rate_init=0.01).fit(english["train"], labels(english["train"]))


def labels(found):
    return np.array([example.label for example in found])


def same(one, other, X):
    return np.array_equal(one.predict_proba(X), other.predict_proba(X))


# -- own parses and text -----------------------------------------------------------------------------------------


def test_a_parser_beats_both_baselines_on_sentences_that_it_has_not_read(parser, english):
    trees = list(english["test"].trees)
    right = np.mean([one == two for one, two in zip(trees, parser.parse(trees), strict=True)])
    for baseline in (Tree.left_branching, Tree.right_branching):
        assert right > np.mean([tree == baseline(tree.words) for tree in trees]) + 0.3


def test_text_is_read_as_its_words_are(parser, english):
    pair = next(iter(english["test"]))
    as_text = tuple(" ".join(tree.words) for tree in pair.trees)
    assert same_row(parser.predict_proba([as_text]), parser.predict_proba([pair]))
    assert parser.parse(as_text[0]) == parser.parse(pair.premise)
    assert parser.parse([as_text[0]]) == [parser.parse(as_text[0])]
    assert parser.parse("It doesn't move (yet).").words == ("It", "does", "n't", "move", "-LRB-", "yet", "-RRB-", ".")


def same_row(one, other):
    return np.allclose(one, other, rtol=0, atol=1e-6)


def test_the_given_tree_changes_nothing_where_parses_are_predicted(parser, english):
    pair = next(iter(english["test"]))
    turned = Pair(pair.label, Tree.left_branching(pair.premise.words), Tree.right_branching(pair.hypothesis.words))
    assert same_row(parser.predict_proba([turned]), parser.predict_proba([pair]))


def test_a_model_with_given_parses_says_what_to_do_with_text(english):
    model = small().fit(english["train"], labels(english["train"]))
    with pytest.raises(InvalidDataError, match=r"text at row 1, .*\(Tree\.parse\).*parses='predicted'"):
        model.predict([next(iter(english["test"])), ("a dog runs", "a dog moves")])
    with pytest.raises(InvalidArgumentError, match="finds no parses; train one with"):
        model.parse("a dog runs")


def test_what_knows_no_tree_learns_from_text_alone(english):
    texts = [tuple(" ".join(tree.words) for tree in pair.trees) for pair in english["train"]]
    one = small(encoder="gru").fit(texts, labels(english["train"]))
    other = small(encoder="gru").fit(english["train"], labels(english["train"]))
    assert same(one, other, english["test"])


def test_blank_text_is_named_by_its_row(parser):
    with pytest.raises(InvalidDataError, match="row 1 is blank"):
        parser.predict([("a", "b"), ("a", "  ")])


def test_a_table_is_not_read_by_the_names_of_its_columns(parser):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"first": ["a dog runs"], "second": ["a dog moves"]})
    for given in (table, {"first": ["a dog runs"], "second": ["a dog moves"]}):
        with pytest.raises(
            InvalidDataError, match=rf"got {type(given).__name__}; give one column as a list, or two as"
        ):
            parser.encode(given)
    assert parser.encode(table["first"]).shape == (1, 12)
    assert parser.encode(list(zip(table["first"], table["second"], strict=True))).shape == (1, 2, 12)


def test_a_wider_beam_is_used_by_predict_and_parse(parser, english, monkeypatch):
    from pellucid.networks.spinn import model as room

    widths = []
    plain = room.beam_parse
    monkeypatch.setattr(room, "beam_parse", lambda *given: widths.append(given[-1]) or plain(*given))
    wide = copy.deepcopy(parser).set_params(beam=3)
    wide.predict(list(english["test"])[:4])
    wide.parse("every dog runs")
    assert widths == [3, 3]


def test_predicted_parses_need_the_encoder_that_predicts():
    with pytest.raises(InvalidArgumentError, match="needs encoder='spinn', got encoder='treelstm'"):
        small(parses="predicted").fit([Tree.parse("( a b )")] * 2, ["x", "y"])


def test_encode_gives_each_sentence_of_a_pair(parser, english):
    pairs = list(english["test"])[:5]
    both = parser.encode(pairs)
    assert both.shape == (5, 2, 12)
    np.testing.assert_allclose(parser.encode([pair.hypothesis for pair in pairs]), both[:, 1], rtol=0, atol=1e-6)


# -- the trace ---------------------------------------------------------------------------------------------------


def test_a_trace_holds_the_machines_own_values(parser):
    trace = parser.trace("not every small cat does move")
    words = parser.vocabulary_.indices(trace.tree.words)
    with torch.no_grad():
        leaves = parser.model_.project(parser.model_.embedding.weight)
        found = machine(parser.model_.cell, leaves, [words])
    assert trace.tree.transitions.tolist() == found.transitions[0].tolist()
    np.testing.assert_allclose(trace["h11"], found.h[0], rtol=0, atol=1e-6)
    for moment, logits in zip(trace.moments, found.logits, strict=True):
        choice = len(moment.buffer) > 0 and len(moment.stack) > 1
        expected = logits.double().softmax(0).numpy() if choice else [len(moment.buffer) > 0, len(moment.buffer) == 0]
        np.testing.assert_allclose(moment.p, expected, rtol=0, atol=1e-6)
    assert trace["buffer2"].tolist() == ["every", "small", "cat", "does", "move"]
    assert trace["e3"].shape == trace["m3"].shape == (8,)


def test_a_trace_is_shown_as_text_and_as_html_that_runs_nothing(parser):
    trace = parser.trace("<script> every dog")
    lines = str(trace).splitlines()
    assert lines[1].split() == ["step", "stack", "buffer", "transition", "p"]
    assert len(lines) == 2 + 5 + 1 + 3
    assert "<script>" not in trace._repr_html_()
    assert "&lt;script&gt;" in trace._repr_html_()
    assert "def tree_lstm(" in trace._repr_html_()
    assert trace.__rich__() is not None


def test_each_step_of_a_trace_knows_its_formulas_shapes_and_functions(parser):
    shift, *_, last = parser.trace("every dog runs").moments
    assert (shift.kind, shift.number, shift.name, last.number, last.name) == ("transition", 1, "SHIFT", 5, "REDUCE")
    assert last.shapes == {
        "buffer": (0,), "stack": (2,), "e": (8,), "m": (8,), "p": (2,), "transition": (), "name": (), "h": (12,),
        "c": (12,), "trees": (1,),
    }  # fmt: skip
    assert set(last.formulas) == {"e", "m", "p", "h", "c"}
    assert shift.formulas["h"].startswith("[h; c] = E[word] P + p")
    assert [function.__name__ for function in shift.functions] == ["track", "track_lstm", "probabilities", "leaves"]
    assert "def tree_lstm(left: State, right: State, z: Tensor)" in last.sources()[-1]
    with pytest.raises(ValueError, match="read-only"):
        last.h[0] = 1
    shown = last._repr_html_()
    assert "c = tanh(a) σ(i) + c_left σ(f_left)" in shown
    assert "def tree_lstm(" in shown


def test_the_formula_of_a_state_names_what_reduce_sees(parser):
    left, right = (torch.randn(2, 12) for _ in range(2))
    cell = parser.model_.cell
    h, _ = reduce(cell, (left[0], left[1]), (right[0], right[1]), torch.zeros(8))
    given = torch.cat([left[0], right[0], left[0] * right[0], torch.zeros(8)])
    a, i, f_left, f_right, o = (given @ cell.W + cell.b).chunk(5)
    c = a.tanh() * i.sigmoid() + left[1] * f_left.sigmoid() + right[1] * f_right.sigmoid()
    assert torch.allclose(h, o.sigmoid() * c.tanh())
    last = parser.trace("every dog runs").moments[-1]
    assert last.formulas["c"].endswith("= [h_left; h_right; h_left · h_right; e] W + b")


def test_a_tree_is_followed_where_that_is_asked_for(parser):
    tree = Tree.left_branching(["not", "every", "small", "cat", "does", "move"])
    assert parser.trace(tree).tree == parser.parse(tree) != tree
    trace = parser.trace(tree, parses="given")
    assert trace.tree == tree
    assert trace.moments[2].name == "REDUCE"
    with pytest.raises(InvalidArgumentError, match="parses must be"):
        parser.trace(tree, parses="own")


def test_an_epoch_s_step_knows_its_formulas_and_functions(english):
    model = small(encoder="spinn", parses="predicted", max_iter=1)
    (step,) = model.steps(english["train"], labels(english["train"]))
    assert step.formulas["loss"] == "C = -mean log p(label) - α mean log p(transition)"
    assert set(step.formulas) <= set(step.values)
    assert [function.__name__ for function in step.functions] == [
        "leaves", "track", "track_lstm", "reduce", "tree_lstm", "pair_features", "forward", "learn"
    ]  # fmt: skip
    assert all("def " in source for source in step.sources())


@pytest.mark.parametrize("settings", [{}, {"averaging": 0.9, "dropout": 0.2, "batch_norm": True}])
def test_steps_batch_by_batch_are_the_same_run(english, settings):
    X, held = english["train"], english["test"]
    settings = {"encoder": "spinn", "parses": "predicted", "max_iter": 2, "batch_size": 64} | settings
    watched, alone = small(**settings), small(**settings)
    alone.fit(X, labels(X), X_val=held, y_val=labels(held))
    steps, chances = [], []
    for step in watched.steps(X, labels(X), "batch", X_val=held, y_val=labels(held)):
        steps.append(step)
        chances.append(watched.predict_proba(held)[0, 0])  # it can be used after each
    for one, other in zip(watched.model_.state_dict().values(), alone.model_.state_dict().values(), strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    batches = -(-len(X) // 64)
    assert [step.kind for step in steps] == 2 * [*batches * ["batch"], "epoch"]
    assert [step.number for step in steps if step.kind == "batch"] == [*range(1, 2 * batches + 1)]
    assert [step.epoch for step in steps] == (batches + 1) * [1] + (batches + 1) * [2]
    assert len(set(chances)) == 2 * batches  # and after an epoch it is as after its last batch
    assert watched.loss_curve_ == alone.loss_curve_ == [step.loss for step in steps if step.kind == "epoch"]
    assert watched.validation_scores_ == alone.validation_scores_
    with pytest.raises(InvalidArgumentError, match="granularity must be one of"):
        next(small().steps(X, labels(X), "unit"))


def test_a_given_tree_is_traced_as_it_is(english):
    model = small().fit(english["train"], labels(english["train"]))
    tree = next(iter(english["test"])).premise
    trace = model.trace(tree)
    assert trace.tree == tree
    assert not {"p", "e", "m"} & set(trace.moments[0].values)
    with pytest.raises(InvalidArgumentError, match="finds no parses"):
        model.trace("a dog runs")
    with pytest.raises(InvalidArgumentError, match="trace shows how trees are read"):
        small(encoder="sum").fit(english["train"], labels(english["train"])).trace("a dog")


# -- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout_embedding": 0.2, "dropout": 0.2, "word_dropout": 0.1, "batch_norm": True, "mlp_layers": 2},
        {"solver": "rmsprop", "learning_rate": "step", "step_size": 7, "step_factor": 0.5},
        {"averaging": 0.9, "learning_rate": "constant", "lowercase": True, "min_count": 2},
        {"mlp_layers": 0, "features": "plain", "multiply": False},
    ],
)
def test_options_learn_by_the_seed_alone(settings, english):
    train, test = english["train"], english["test"]
    torch.manual_seed(1)
    one = small(**settings).fit(train, labels(train))
    torch.manual_seed(2)
    other = small(**settings).fit(train, labels(train))
    assert same(one, other, test)
    assert one.loss_curve_[-1] < one.loss_curve_[0]


def test_fitting_leaves_the_generators_of_the_caller_as_they_were(english, monkeypatch):
    seeded = []
    for accelerator in (torch.cuda, torch.mps, torch.xpu):  # what torch.manual_seed would seed beside the processor's
        for name in ("manual_seed", "manual_seed_all"):
            if hasattr(accelerator, name):
                monkeypatch.setattr(accelerator, name, seeded.append)
    torch.manual_seed(5)
    before, done = torch.get_rng_state(), list(seeded)
    small(dropout=0.2, word_dropout=0.1, max_iter=1).fit(english["train"], labels(english["train"]))
    assert torch.equal(torch.get_rng_state(), before)
    assert seeded == done


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_an_accelerator_dropout_follows_from_the_seed_and_its_generator_stays(english):
    train, y = english["train"], labels(english["train"])
    curves = []
    for seed in range(2):
        torch.cuda.manual_seed(seed)
        before = torch.cuda.get_rng_state()
        curves.append(small(dropout=0.3, word_dropout=0.1, max_iter=2, device="cuda").fit(train, y).loss_curve_)
        assert torch.equal(torch.cuda.get_rng_state(), before)
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
    assert curves[0] != pytest.approx(small(max_iter=2, device="cuda").fit(train, y).loss_curve_, rel=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_model_moves_to_an_accelerator_and_back_and_goes_on(english):
    train, y, test = english["train"], labels(english["train"]), english["test"]
    settings = {"learning_rate": "constant", "averaging": 0.9, "warm_start": True, "max_iter": 1}
    here, there = (small(**settings).fit(train, y) for _ in range(2))
    there.set_params(device="auto").fit(train, y)
    here.fit(train, y)
    assert there.model_.device.type == "cuda"
    assert np.allclose(there.predict_proba(test), here.predict_proba(test), atol=1e-3)
    there.to("cpu").set_params(device="cpu").fit(train, y)
    assert np.allclose(there.predict_proba(test), here.fit(train, y).predict_proba(test), atol=1e-3)


def test_the_rate_falls_after_so_many_updates(english):
    train = list(english["train"])[:160]  # ten batches of 16
    model = small(learning_rate="step", step_size=4, step_factor=0.5, learning_rate_init=0.01, max_iter=2)
    rates = [step.learning_rate for step in model.steps(train, labels(train))]
    assert model.t_ == 20
    assert rates == pytest.approx([0.01 * 0.5**2, 0.01 * 0.5**5])


def test_the_mean_of_the_weights_is_what_predicts(english):
    train = list(english["train"])
    model = small(averaging=0.9, max_iter=1)
    list(model.steps(train, labels(train)))
    shown = model.model_.project.weight.detach().clone()
    model._show_average(False)
    assert not torch.equal(shown, model.model_.project.weight)


def test_pretrained_vectors_stand_in_the_table_and_stay(english, tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("dog 1 2 3\ncat 4 5 6\nunseen 7 8 9\n<unk> 1 1 1\n", encoding="utf-8")
    train = english["train"]
    frozen = small(vectors=path).fit(train, labels(train))
    table = frozen.model_.embedding.weight.detach().numpy()
    assert table[frozen.vocabulary_["dog"]].tolist() == [1, 2, 3]
    assert table[0].tolist() == [0, 0, 0]
    assert "unseen" not in frozen.vocabulary_
    has_none = [number for word, number in frozen.vocabulary_._places.items() if word not in ("dog", "cat")]
    assert len(has_none) > 5
    assert not table[has_none].any()  # as unknown words: they cannot learn
    moving = small(vectors=path, freeze_vectors=False).fit(train, labels(train))
    moved = moving.model_.embedding.weight.detach().numpy()
    assert moved[moving.vocabulary_["dog"]].tolist() != [1, 2, 3]
    assert moved[1:].any(1).all()
    own = Vectors(("unseen", "dog"), np.array([[7, 8, 9], [1, 2, 3]], np.float32), False, 0, 0)
    assert "unseen" in small(vectors=own).fit(train, labels(train)).vocabulary_


def test_vectors_of_other_words_are_refused(english, tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("Dog 1 2 3\nChien 4 5 6\n", encoding="utf-8")
    train, y = english["train"], labels(english["train"])
    with pytest.raises(InvalidDataError, match=r"got none of its \d+; .* written alike \(lowercase=False\)"):
        small(vectors=path).fit(train, y)
    small(vectors=path, lowercase=True, max_iter=1).fit(train, y)


def test_in_small_letters_vectors_of_both_ways_of_writing_are_one():
    trees = [Tree.parse("( The Dog )"), Tree.parse("( a dog )")]
    own = Vectors(("The", "the", "DOG"), np.array([[1, 2], [3, 4], [5, 6]], np.float32), False, 0, 0)
    model = small(vectors=own, lowercase=True, max_iter=1).fit(trees, ["x", "y"])
    table = model.model_.embedding.weight.detach().numpy()
    assert table[model.vocabulary_["the"]].tolist() == table[model.vocabulary_["The"]].tolist() == [1, 2]
    assert table[model.vocabulary_["Dog"]].tolist() == [5, 6]


def test_words_seen_too_rarely_are_unknown(english):
    trees = [Tree.parse("( a b )"), Tree.parse("( a c )")] * 4 + [Tree.parse("( a d )")]
    model = small(min_count=2).fit(trees, ["x", "y"] * 4 + ["x"])
    assert model.vocabulary_.words == ("<unk>", "a", "b", "c")
    own = Vectors(("d",), np.array([[7, 8]], np.float32), False, 0, 0)
    assert "d" in small(min_count=2, vectors=own).fit(trees, ["x", "y"] * 4 + ["x"]).vocabulary_
    pairs = [(A, B), (A, B), (Tree.parse("x"), B)]
    assert "x" not in small(min_count=2).fit(pairs, ["x", "y", "x"]).vocabulary_
    assert "x" in small(min_count=2, mirror={"x": "x"}).fit(pairs, ["x", "y", "x"]).vocabulary_


def test_mirrored_pairs_and_pairs_of_a_sentence_with_itself_are_added():
    a, b = Tree.parse("( a b )"), Tree.parse("( c d )")
    found = examples([(a, b), (b, a), (a, a)], needs_trees=True)
    more, told = both_ways(found, np.array(["<", "=", "n"]), {"<": ">", "=": "="}, "=")
    words = [tuple("".join(part.words) for part in parts) for parts in more]
    assert words[3:] == [("cd", "ab"), ("ab", "cd"), ("ab", "ab"), ("cd", "cd")]
    assert told.tolist() == ["<", "=", "n", ">", "=", "=", "="]


def test_a_mirrored_label_may_be_longer_than_all_that_are_given():
    pair = (Tree.parse("( a b )"), Tree.parse("( c d )"))
    found = examples([pair, pair], needs_trees=True)
    assert both_ways(found, np.array(["en", "no"]), {"en": "entailed"}, None)[1].tolist() == ["en", "no", "entailed"]
    model = small(mirror={"en": "entailed"}, max_iter=1).fit([pair, pair], ["en", "no"])
    assert model.classes_.tolist() == ["en", "entailed", "no"]


def test_a_mirrored_label_that_part_of_a_fit_does_not_know_is_refused():
    model = small(mirror={"x": "y", "y": "x"}).partial_fit([(A, B)] * 2, ["x", "y"], classes=["x", "y"])
    with pytest.raises(InvalidArgumentError, match="mirror must be of labels among"):
        model.set_params(mirror={"z": "x"}).partial_fit([(A, B)] * 2, ["x", "y"])


def test_mirroring_teaches_a_class_that_is_met_the_other_way_only(english):
    train = [pair for pair in english["train"] if pair.label != "neutral"]
    told = [{"entailment": "narrower", "contradiction": "excludes"}[pair.label] for pair in train]
    model = small(mirror={"narrower": "wider", "excludes": "excludes"}, features="plain", max_iter=15)
    model.set_params(learning_rate_init=0.02).fit(train, told)
    assert model.classes_.tolist() == ["excludes", "narrower", "wider"]
    turned = [(pair.hypothesis, pair.premise) for pair in train if pair.label == "entailment"]
    assert np.mean(model.predict(turned) == "wider") > 0.5


SST = ["(1 (0 bad) (0 film))", "(1 (0 bad) (1 (-1 very) (0 film)))", "(2 (2 good) (2 film))", "(2 (2 so) (2 good))"]


@pytest.mark.parametrize("encoder", ["treelstm", "spinn"])
def test_every_labelled_node_is_learned(encoder):
    trees = [Tree.parse(text.replace("-1", "9")) for text in SST]
    trees = [tree.with_labels(np.where(tree.labels == 9, -1, tree.labels)) for tree in trees]
    model = small(encoder=encoder, every_node=True, max_iter=60, learning_rate_init=0.02, mlp_layers=0)
    model.fit(trees * 4, [str(tree.label) for tree in trees] * 3 + ["0"] + [str(tree.label) for tree in trees[1:]])
    assert model.classes_.tolist() == ["0", "1", "2"]
    assert model.predict([Tree.parse("bad"), Tree.parse("good")]).tolist() == ["0", "2"]  # never alone at a root


@pytest.mark.parametrize(
    ("settings", "X", "y", "message"),
    [
        ({"every_node": True}, [Tree.parse("( a b )")] * 2, ["x", "y"], "X has one without at row 0"),
        ({"every_node": True}, [Tree.parse("(7 (1 a) (1 b))")] * 2, ["1", "0"], "labelled 7 at row 0"),
        ({"every_node": True, "encoder": "sum"}, [Tree.parse("(1 (1 a) (1 b))")] * 2, ["1", "0"], "encoder that reads"),
        ({"mirror": {"x": "x"}}, [Tree.parse("( a b )")] * 2, ["x", "y"], "for pairs of sentences"),
        ({"mirror": {"z": "x"}}, [(A, B)] * 2, ["x", "y"], r"mirror must be of labels among \['x', 'y'\], got 'z'"),
        ({"mirror": {1: 1}}, [(A, B)] * 2, ["1", "2"], "mirror must be of labels among .* got 1"),
        ({"identity": "z"}, [(Tree.parse("a"), Tree.parse("b"))] * 2, ["x", "y"], "identity must be one of"),
        ({"device": "nowhere"}, [Tree.parse("a")] * 2, ["x", "y"], "device must be one that torch has here"),
        ({"early_stopping": True}, [Tree.parse("a")] * 2, ["x", "y"], "0.1 cannot be held out of 2"),
        ({"device": "meta"}, [Tree.parse("a")] * 2, ["x", "y"], "device must be .* got 'meta'"),
        ({"batch_norm": True, "batch_size": 1}, [Tree.parse("a")] * 2, ["x", "y"], "needs a batch_size of 2 or more"),
        ({"hidden": 10**7}, [Tree.parse("a")] * 2, ["x", "y"], "not enough memory for hidden=10000000, embedding=8"),
        ({"mlp": 2**63 - 1}, [Tree.parse("a")] * 2, ["x", "y"], "not enough memory for .* mlp=9223372036854775807"),
        ({"embedding": 2**62}, [Tree.parse("a")] * 2, ["x", "y"], "not enough memory for"),
        ({"mlp_layers": 10**9}, [Tree.parse("a")] * 2, ["x", "y"], "mlp_layers must be .* <= 100, got 1000000000"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused_in_one_sentence(settings, X, y, message):
    model = small(**settings)
    with pytest.raises((InvalidArgumentError, InvalidDataError), match=message):
        model.fit(X, y)
    assert not hasattr(model, "model_")


def test_batch_normalisation_needs_two_examples():
    model = small(batch_norm=True)
    with pytest.raises(InvalidDataError, match="batch_norm=True needs two examples or more, got one"):
        model.partial_fit([Tree.parse("( a b )")], ["x"], classes=["x", "y"])


def test_an_error_that_is_not_about_memory_stays_what_it_is(monkeypatch):
    from pellucid.networks.spinn import estimator

    def broken(*given, **settings):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(estimator, "TreeClassifier", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        small().fit([Tree.parse("a")] * 2, ["x", "y"])


def test_the_device_may_be_found_by_itself(english):
    train, y = list(english["train"])[:40], labels(english["train"])[:40]
    model = small(device="auto", max_iter=1).fit(train, y)
    assert model.model_.device.type == ("cuda" if torch.cuda.is_available() else model.model_.device.type)
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        assert same(model, small(max_iter=1).fit(train, y), english["test"])


def test_no_batch_holds_a_single_row():
    for n in (2, 17, 33, 321, 641):
        parts = list(batches(np.random.default_rng(0), np.arange(n), 16))
        assert sorted(np.concatenate(parts).tolist()) == list(range(n))
        assert min(map(len, parts)) > 1


# -- parts, and the end, of a fit --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", ["spinn", "lstm"])
def test_ten_epochs_in_parts_are_ten_epochs(encoder, english):
    train, y = english["train"], labels(english["train"])
    settings = {"encoder": encoder, "learning_rate": "constant", "dropout": 0.2, "averaging": 0.9}
    whole = small(max_iter=4, **settings).fit(train, y)
    parts = small(max_iter=2, warm_start=True, **settings).fit(train, y).fit(train, y)
    again = small(max_iter=2, **settings).fit(train, y)
    for way in (copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))):
        other = way(again)
        for _ in range(2):
            other.partial_fit(train, y)
        assert other.loss_curve_ == whole.loss_curve_
        assert same(other, whole, english["test"])
    assert same(parts, whole, english["test"])
    assert len(again.loss_curve_) == 2


def test_partial_fit_asks_for_the_classes_and_refuses_others(english):
    train, y = list(english["train"])[:40], labels(english["train"])[:40]
    model = small()
    with pytest.raises(InvalidArgumentError, match="classes must be given in the first call"):
        model.partial_fit(train, y)
    model.partial_fit(train[:8], y[:8], classes=["contradiction", "entailment", "neutral"])
    with pytest.raises(InvalidDataError, match="holds the class 'maybe', which is not among"):
        model.partial_fit(train[:2], ["maybe", "neutral"])
    with pytest.raises(InvalidArgumentError, match="classes must be those of the first call"):
        model.partial_fit(train, y, classes=["neutral", "maybe"])
    with pytest.raises(InvalidArgumentError, match="built with hidden=12, and now hidden is 13"):
        model.set_params(hidden=13).partial_fit(train, y)


@pytest.mark.parametrize(
    "change",
    [{"lowercase": True}, {"min_count": 2}, {"embedding": 9}, {"freeze_vectors": False}, {"vectors": "glove.txt"}],
)
def test_going_on_with_other_words_is_refused(change, english, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glove.txt").write_text("dog 1 2 3\n", encoding="utf-8")
    train, y = list(english["train"])[:40], labels(english["train"])[:40]
    model = small(max_iter=1, warm_start=True).fit(train, y)
    save(model, tmp_path / "m")
    ((name, value),) = change.items()
    for one in (model, load(tmp_path / "m"), copy.deepcopy(model)):
        for go_on in (one.set_params(**change).fit, one.partial_fit):
            with pytest.raises(InvalidArgumentError, match=rf"built with {name}=.*, and now {name} is {value};"):
                go_on(train, y)
    model.set_params(warm_start=False).fit(train, y)


def test_going_on_with_other_vectors_is_refused_and_with_the_same_it_is_not(english):
    train, y = list(english["train"])[:40], labels(english["train"])[:40]
    own, same_again = (Vectors(("dog",), np.array([[1, 2]], np.float32), False, 0, 0) for _ in range(2))
    model = small(max_iter=1, warm_start=True, vectors=own).fit(train, y)
    model.set_params(vectors=same_again).fit(train, y)
    for word, number in (("cat", 2), ("dog", 3)):
        other = Vectors((word,), np.array([[1, number]], np.float32), False, 0, 0)
        with pytest.raises(
            InvalidArgumentError, match=r"built with vectors=<1 vectors, .*, and now vectors is <1 vectors"
        ):
            copy.deepcopy(model).set_params(vectors=other).fit(train, y)


@pytest.mark.parametrize("way", ["warm", "part"])
def test_what_the_optimizer_does_follows_the_parameters_of_now(way, english):
    train, y = list(english["train"])[:80], labels(english["train"])[:80]
    begun = small(max_iter=1, warm_start=True, learning_rate="constant").fit(train, y)

    def gone_on(**change):
        model = copy.deepcopy(begun).set_params(**change)
        return model.fit(train, y) if way == "warm" else model.partial_fit(train, y)

    plain = gone_on()
    decayed = gone_on(weight_decay=5.0)
    assert float(decayed.model_.cell.W.detach().norm()) < float(plain.model_.cell.W.detach().norm()) - 0.1
    assert isinstance(gone_on(solver="rmsprop")._optimizer, torch.optim.RMSprop)
    averaged = gone_on(averaging=0.9)
    assert not same(averaged, plain, english["test"])
    averaged._show_average(False)
    assert same(averaged, plain, english["test"])
    averaged._show_average(True)
    again = averaged.set_params(averaging=0.0).partial_fit(train, y)
    assert again._average is None
    assert same(again, plain.partial_fit(train, y), english["test"])


def test_what_callbacks_copy_is_a_model_that_goes_on_by_itself(english):
    train, y = english["train"], labels(english["train"])
    model = small(averaging=0.9, learning_rate="constant", max_iter=3)
    steps = model.steps(train, y)
    next(steps)
    copied = clone(model)
    vars(copied).update(model._fitted_attributes())
    before = copied.predict_proba(english["test"])
    list(steps)
    assert np.array_equal(copied.predict_proba(english["test"]), before)
    for _ in range(2):
        copied.partial_fit(train, y)
    assert copied.loss_curve_ == model.loss_curve_
    assert same(copied, model, english["test"])


def test_early_stopping_keeps_the_best_epoch(english):
    train, test = english["train"], english["test"]
    model = small(max_iter=30, early_stopping=True, n_iter_no_change=3, learning_rate_init=0.02)
    model.fit(train, labels(train), X_val=test, y_val=labels(test))
    assert model.n_iter_ == len(model.validation_scores_) < 30
    assert model.score(test, labels(test)) == model.best_validation_score_ == max(model.validation_scores_)
    assert model.validation_scores_[-1] < model.best_validation_score_
    assert len(model.validation_loss_curve_) == model.n_iter_


def test_going_on_with_early_stopping_never_gives_a_worse_model_back(english):
    train, test = english["train"], english["test"]
    held_out = {"X_val": test, "y_val": labels(test)}
    model = small(max_iter=8, learning_rate_init=0.02, warm_start=True, early_stopping=True, averaging=0.5)
    model.fit(train, labels(train), **held_out)
    score, before = model.score(test, labels(test)), model.predict_proba(test)
    model.set_params(max_iter=2, learning_rate_init=1.0).fit(train, labels(train), **held_out)
    assert max(model.validation_scores_[-2:]) < score == model.score(test, labels(test)) == model.best_validation_score_
    assert np.array_equal(model.predict_proba(test), before)
    other = [pair for pair in test if pair.label == "neutral"]  # of these the best is another
    model.set_params(learning_rate_init=0.001).fit(train, labels(train), X_val=other, y_val=labels(other))
    assert model.score(other, labels(other)) == model.best_validation_score_


def test_a_score_of_zero_is_a_score(english):
    train = list(english["train"])[:40]
    model = small(max_iter=3, early_stopping=True, n_iter_no_change=1, learning_rate_init=1e-9)
    first = next(model.steps(train, labels(train), X_val=train, y_val=labels(train)))
    predicted = set(model.predict(train))
    assert first.validation_score == model.best_validation_score_
    never = [pair for pair in train if pair.label not in predicted]
    model.fit(train, labels(train), X_val=never, y_val=labels(never))
    assert model.validation_scores_ == [0.0, 0.0]
    assert (model.best_validation_score_, model.n_iter_) == (0.0, 2)


def test_without_early_stopping_what_is_held_out_is_only_looked_at(english):
    train, test = english["train"], english["test"]
    watched = small(max_iter=3).fit(train, labels(train), X_val=test, y_val=labels(test))
    assert same(watched, small(max_iter=3).fit(train, labels(train)), test)
    assert watched.score(test, labels(test)) == watched.validation_scores_[-1]


@pytest.mark.parametrize(
    ("X", "X_val", "y_val", "message"),
    [
        ([(A, B), (B, A)], [A, B], ["x", "y"], "X_val must hold pairs of sentences as in X, got single sentences"),
        ([A, B], [(A, B)], ["x"], "X_val must hold single sentences as in X, got pairs of sentences"),
        ([A, B], [A, B], ["x", "z"], r"y_val holds the class 'z', which is not among the classes \['x', 'y'\]"),
        ([A, B], [A, B], ["x", None], "y_val contains None at row 1"),
        ([A, B], [A, B], ["x"], "X_val and y_val have inconsistent numbers of samples: X_val has 2, y_val has 1"),
        ([A, B], [A, "c d"], ["x", "y"], "X_val holds text at row 1"),
        ([A, B], [], [], "X_val must hold at least one"),
        ([A, B], [A, 1], ["x", "y"], "X_val must hold trees, texts, or pairs of them, got int at row 1"),
    ],
)
def test_what_is_held_out_is_checked_under_its_own_name(X, X_val, y_val, message):
    model = small()
    with pytest.raises(InvalidDataError, match=message):
        model.fit(X, ["x", "y"], X_val=X_val, y_val=y_val)
    assert not hasattr(model, "model_")


def test_progress_is_printed_epoch_by_epoch(english, capsys):
    train = list(english["train"])[:60]
    small(verbose=True).fit(train, labels(train))
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["Iteration 1", "Iteration 2"]


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_model_comes_back_from_its_file(encoder, english, tmp_path):
    train, y = english["train"], labels(english["train"])
    settings = {"parses": "predicted"} if encoder == "spinn" else {}
    model = small(
        encoder=encoder, batch_norm=True, mirror={"neutral": "neutral"}, max_iter=1, lowercase=True, **settings
    ).fit(train, y, X_val=english["test"], y_val=labels(english["test"]))
    save(model, tmp_path / "m")
    again = load(tmp_path / "m")
    assert same(again, model, english["test"])
    for name in ("loss_curve_", "validation_scores_", "n_iter_", "t_", "vocabulary_"):
        assert getattr(again, name) == getattr(model, name)
    assert again.get_params() == model.get_params()
    assert clone(again).get_params() == model.get_params()
    again.partial_fit(train, y)


@pytest.mark.parametrize("encoder", ["spinn", "gru"])
def test_a_model_answers_and_is_saved_as_it_was_built_whatever_is_set_now(encoder, english, tmp_path):
    train, y = list(english["train"])[:40], labels(english["train"])[:40]
    parses = {"parses": "predicted"} if encoder == "spinn" else {}
    model = small(encoder=encoder, max_iter=1, **parses).fit(train, y)
    likely, encoded = model.predict_proba(english["test"]), model.encode(english["test"])
    as_built = model.get_params()
    model.set_params(hidden=9, tracker=5, mlp=7, mlp_layers=3, embedding=6, features="plain", batch_norm=True)
    model.set_params(multiply=False, lowercase=True, encoder="treelstm", parses="given", word_dropout=0.5)
    assert np.array_equal(model.predict_proba(english["test"]), likely)
    assert np.array_equal(model.encode(english["test"]), encoded)
    save(model, tmp_path / "m")
    again = load(tmp_path / "m")
    assert same(again, model, english["test"])
    tracker = {} if encoder == "spinn" else {"tracker": 5}  # of which this model has none
    assert again.get_params() == as_built | tracker
    if encoder == "spinn":
        assert again.parse("every dog runs") == model.parse("every dog runs")


def test_parameters_with_which_no_file_could_be_loaded_are_not_saved(english, tmp_path):
    model = small(max_iter=1).fit(english["train"], labels(english["train"]))
    with pytest.raises(InvalidArgumentError, match="clip must be"):
        save(model.set_params(clip=-1.0), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_vectors_are_in_the_file_and_their_path_is_not(english, tmp_path):
    (tmp_path / "glove.txt").write_text("dog 1 2 3\n", encoding="utf-8")
    model = small(vectors=tmp_path / "glove.txt").fit(english["train"], labels(english["train"]))
    save(model, tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.vectors is None
    assert again.embedding == 3
    assert not again.model_.embedding.weight.requires_grad
    assert same(again, model, english["test"])
    assert b"glove.txt" not in (tmp_path / "m").read_bytes()


def test_a_file_whose_parts_disagree_is_refused_with_both_sides(english, tmp_path):
    model = small(max_iter=1).fit(english["train"], labels(english["train"]))
    header, arrays = model.to_file()
    path = tmp_path / "m"
    save(model, path)
    stored = read_file(path)[1]
    for change, message in (
        (lambda h, a: h["parameters"].update(hidden=13), r"shape .* but its parameters ask for"),
        (lambda h, a: h["parameters"].update(hidden=10**12), r"does not describe .* overflow"),
        (lambda h, a: h["parameters"].update(encoder="gpt"), "encoder must be one of"),
        (lambda h, a: h["words"].pop(), r"'embedding.weight' of shape"),
        (lambda h, a: h["words"].append(h["words"][1]), "stands twice"),
        (lambda h, a: a.pop("cell.W"), "lacks the array 'cell.W'"),
        (lambda h, a: a.update(more=np.zeros(2)), "holds an array 'more'"),
        (lambda h, a: h["attributes"].update(model_=1), "an attribute 'model_'"),
        (lambda h, a: h.pop("frozen"), "frozen"),
    ):
        entries, weights = copy.deepcopy(header), dict(arrays)
        change(entries, weights)
        with pytest.raises(ModelFileError, match=message):
            SPINNClassifier.from_file(entries, weights)
    assert sorted(stored) == sorted(arrays)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        load(path)


def test_without_torch_a_file_names_the_extra(english, tmp_path, monkeypatch):
    from pellucid.networks import spinn

    save(small(max_iter=1).fit(english["train"], labels(english["train"])), tmp_path / "m")
    monkeypatch.setattr(spinn, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match=r"pellucid\[torch\]"):
        load(tmp_path / "m")


def test_numbers_beyond_what_is_finite_are_not_saved(english, tmp_path):
    model = small(max_iter=1).fit(english["train"], labels(english["train"]))
    with torch.no_grad():
        model.model_.cell.b[0] = float("nan")
    with pytest.raises(ModelFileError, match=r"'cell\.b' holds nan at row 0"):
        save(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()
