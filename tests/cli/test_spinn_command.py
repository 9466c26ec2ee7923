"""`pellucid spinn`: files of sentences to a model, lines to labels and trees, and mistakes in one line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from endings import one_line

pytest.importorskip("torch")

import io

import pellucid
from pellucid.cli.spinn import _mirror, bracket_f1
from pellucid.data.english import generate_english
from pellucid.data.listops import generate_listops
from pellucid.data.sentences import RELATIONS
from pellucid.spinn import SPINNClassifier
from pellucid.trees import Tree

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
SMALL = ("--hidden", 10, "--embedding", 8, "--mlp", 12, "--batch-size", 16, "--epochs", 2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep vectors in this test's own folder."""
    monkeypatch.setattr("pellucid.data.vectors.cache_folder", lambda: tmp_path / "cache")


def write(path, found):
    """Write pairs in SICK's columns."""
    lines = ["\t".join([pair.label.upper(), *(tree.to_brackets() for tree in pair.trees)]) for pair in found]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def pairs(tmp_path):
    """Write pairs of the English fragment to train.txt and dev.txt; return those of dev.txt."""
    splits = generate_english({"train": 150, "dev": 30})
    for name, found in splits.items():
        write(tmp_path / f"{name}.txt", found)
    return list(splits["dev"])


def trained(call, *options):
    done = call("spinn", "train", "--format", "sick", "--train", "train.txt", "--out", "m", "--json", *SMALL, *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def judged(call):
    return json.loads(call("spinn", "evaluate", "m", "dev.txt", "--format", "sick", "--json").stdout)


def feed(monkeypatch, text):
    """Let standard input hold ``text``."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_a_parser_is_trained_judged_and_used_on_plain_text(call, pairs, monkeypatch):
    facts = trained(call, "--dev", "dev.txt", "--parses", "predicted", "--tracker", 8, "--learning-rate-init", 0.01)
    assert (facts["encoder"], facts["n"], facts["dev_n"], facts["epochs"]) == ("spinn", 150, 30, 2)
    found = judged(call)
    assert found["accuracy"] == facts["dev_accuracy"]
    assert found["n"] == 30
    assert sum(of["n"] for of in found["per_class"].values()) == 30
    assert found["sentences_per_s"] > 0
    assert found["transition_accuracy"] > found["baselines"]["right_branching"]["transition_accuracy"]
    assert found["bracket_f1"] > found["baselines"]["left_branching"]["bracket_f1"]
    lines = [" ".join(tree.words) for pair in pairs[:3] for tree in pair.trees]
    feed(monkeypatch, "\n".join(lines) + "\n")
    parsed = call("spinn", "parse", "m").stdout.splitlines()
    assert [Tree.parse(line).words for line in parsed] == [tuple(line.split()) for line in lines]
    model = pellucid.load("m")
    assert parsed == [tree.to_brackets() for tree in model.parse(lines)]
    feed(monkeypatch, "\r\n".join("\t".join(lines[k : k + 2]) for k in (0, 2, 4)))
    assert call("spinn", "predict", "m").stdout.split() == model.predict(pairs[:3]).tolist()
    assert call("spinn", "parse", "m", "nothing.txt").returncode == 1


def test_every_command_may_choose_the_device(call, pairs, tmp_path):
    trained(call, "--device", "auto", "--parses", "predicted")
    (tmp_path / "one").write_text("every dog runs\n", encoding="utf-8")
    (tmp_path / "two").write_text("every dog runs\ta dog runs\n", encoding="utf-8")
    commands = (["evaluate", "m", "dev.txt", "--format", "sick"], ["predict", "m", "two"], ["parse", "m", "one"])
    for command in commands:
        assert call("spinn", *command, "--device", "auto").returncode == 0
        line = one_line(call("spinn", *command, "--device", "moon"), 2)
        assert "device must be one that torch has here or 'auto', got 'moon'" in line


def test_people_read_tables(call, pairs):
    trained(call, "--parses", "predicted")
    shown = call("spinn", "evaluate", "m", "dev.txt", "--format", "sick").stdout
    for text in ("30 examples", "recall", "right-branching", "bracket F1", "sentences a second"):
        assert text in shown


def test_given_parses_read_brackets_and_refuse_text(call, pairs, tmp_path):
    facts = trained(call)
    assert (facts["encoder"], facts["dev_accuracy"]) == ("treelstm", None)
    assert judged(call)["bracket_f1"] is None
    (tmp_path / "trees").write_text(
        "\n".join("\t".join(tree.to_brackets() for tree in pair.trees) for pair in pairs), encoding="utf-8"
    )
    lines = call("spinn", "predict", "m", "trees", "--proba").stdout.splitlines()
    assert len(lines) == 30
    assert sum(float(cell.partition("=")[2]) for cell in lines[0].split("\t")[1:]) == pytest.approx(1, abs=1e-5)
    (tmp_path / "text").write_text("a dog runs\ta dog moves\n", encoding="utf-8")
    assert "this model reads given parses" in one_line(call("spinn", "predict", "m", "text"), 1)
    (tmp_path / "sentences").write_text("a dog runs\n", encoding="utf-8")
    assert "finds no parses" in one_line(call("spinn", "parse", "m", "sentences"), 2)


@pytest.mark.parametrize(
    ("options", "encoder"),
    [(["--tracker", 4], "spinn"), (["--encoder", "spinn", "--tracker", 0], "treelstm"), (["--encoder", "gru"], "gru")],
)
def test_the_encoder_follows_from_the_tracker(call, pairs, options, encoder):
    assert trained(call, *options)["encoder"] == encoder


def test_options_reach_the_model(call, pairs, tmp_path):
    (tmp_path / "glove.txt").write_text("dog 1 2 3\n", encoding="utf-8")
    trained(call, "--vectors", "glove.txt", "--mirror", "neutral,contradiction", "--identity", "entailment",
            "--mlp-layers", 2, "--batch-norm", "--dropout", 0.1, "--solver", "rmsprop", "--averaging", 0.9)  # fmt: skip
    model = pellucid.load(tmp_path / "m")
    assert model.mirror == {"neutral": "neutral", "contradiction": "contradiction"}
    assert (model.identity, model.mlp_layers, model.solver, model.embedding) == ("entailment", 2, "rmsprop", 3)


def test_vectors_are_kept_for_the_next_time_and_their_coverage_is_told(call, pairs, tmp_path):
    (tmp_path / "glove.txt").write_bytes(b"dog 1 2 3\ndog 4 5 6\nzebra 1 1 1\n\xff 1 2 3\n")
    facts = [trained(call, "--vectors", "glove.txt")["vectors"] for _ in range(2)]
    words = {word for line in (tmp_path / "train.txt").read_text().splitlines() for word in line.split()[1:]} - {
        "(",
        ")",
    }
    expected = {"words": len(words), "known": 1, "duplicates": 1, "garbled": 1}
    assert facts == [expected] * 2
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.suffix == ".safetensors"
    done = call(
        "spinn", "train", "--format", "sick", "--train", "train.txt", "--out", "m", "--vectors", "glove.txt", *SMALL
    )
    assert f"glove.txt: vectors for 1 of {len(words)} words; 1 lines repeat a word, 1 are not" in done.stderr
    (tmp_path / "glove.txt").write_text("zebra 1 2 3\n", encoding="utf-8")
    done = call(
        "spinn", "train", "--format", "sick", "--train", "train.txt", "--out", "n", "--vectors", "glove.txt", *SMALL
    )
    assert f"glove.txt has a vector for none of the {len(words)} words in train.txt" in one_line(done, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#,=,^", {"#": "#", "=": "=", "^": "^"}),
        ("=", {"=": "="}),
        ("<=>, >=<", {"<": ">", ">": "<"}),
        ("===, v=|", {"=": "=", "v": "|"}),
        (None, None),
    ],
)
def test_labels_that_are_mirrored_may_be_the_equals_sign(text, expected):
    assert _mirror(text, RELATIONS) == expected


def test_patience_keeps_the_best_epoch(call, pairs):
    facts = trained(call, "--dev", "dev.txt", "--epochs", 12, "--patience", 2, "--learning-rate-init", 0.02)
    assert facts["dev_accuracy"] == max(pellucid.load("m").validation_scores_)
    assert judged(call)["accuracy"] == facts["dev_accuracy"]


def test_a_model_of_numbers_is_judged_by_what_they_look_like(call, tmp_path):
    found = generate_listops({"train": 60}, min_length=4, max_length=6)["train"]
    (tmp_path / "f").write_text("".join(f"{one.label}\t{one.tree.to_brackets()}\n" for one in found), encoding="utf-8")
    labels = [int(one.label) for one in found]
    model = SPINNClassifier(hidden=8, max_iter=1, random_state=0).fit([one.tree for one in found], labels)
    pellucid.save(model, tmp_path / "m")
    facts = json.loads(call("spinn", "evaluate", "m", "f", "--format", "listops", "--json").stdout)
    assert facts["accuracy"] == model.score([one.tree for one in found], labels)
    assert {label: of["n"] for label, of in facts["per_class"].items()} == {
        str(label): labels.count(label) for label in sorted(set(labels))
    }
    (tmp_path / "g").write_text("=\t( a b )\t( a b )\n", encoding="utf-8")
    line = one_line(call("spinn", "evaluate", "m", "g", "--format", "logic"), 1)
    assert "g holds the label '=', which m never learned; it knows 0, 1, " in line


def test_single_sentences_are_listops_lines(call, tmp_path):
    found = generate_listops({"train": 60, "test": 10}, min_length=4, max_length=6)
    for name, part in found.items():
        lines = [f"{one.label}\t{one.tree.to_brackets()}" for one in part]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    assert call("spinn", "train", "--format", "listops", "--train", "train", "--out", "m", *SMALL).returncode == 0
    assert call("spinn", "evaluate", "m", "test", "--format", "listops", "--json").returncode == 0
    (tmp_path / "in").write_text("\n".join(one.tree.to_brackets() for one in found["test"]), encoding="utf-8")
    assert len(call("spinn", "predict", "m", "in").stdout.split()) == 10
    (tmp_path / "in").write_text("( a b )\t( c d )\n", encoding="utf-8")
    assert "in, line 1: must hold one sentence" in one_line(call("spinn", "predict", "m", "in"), 1)


def test_sst_learns_every_node_and_leaves_neutral_ones_out_of_two_classes(call, tmp_path):
    (tmp_path / "sst").write_text(
        "(4 (3 good) (2 film))\n(0 (1 bad) (2 film))\n(2 (2 a) (2 film))\n" * 8, encoding="utf-8"
    )
    done = call("spinn", "train", "--format", "sst", "--train", "sst", "--out", "m", "--every-node", "--binary", *SMALL)
    assert "8 rows left out (neutral)" in done.stderr
    found = json.loads(call("spinn", "evaluate", "m", "sst", "--format", "sst", "--json").stdout)
    assert (found["n"], list(found["per_class"])) == (16, ["0", "1"])


def test_five_classes_are_judged_as_two_by_adding_up_both_sides_of_neutral(call, tmp_path):
    lines = ["(4 (3 good) (2 film))", "(1 (1 bad) (2 film))", "(3 (4 fine) (2 film))", "(0 (0 awful) (2 film))"]
    (tmp_path / "sst").write_text("\n".join([*lines, "(2 (2 a) (2 film))"] * 4) + "\n", encoding="utf-8")
    done = call("spinn", "train", "--format", "sst", "--train", "sst", "--out", "m", "--every-node", *SMALL)
    assert done.returncode == 0, done.stderr
    found = json.loads(call("spinn", "evaluate", "m", "sst", "--format", "sst", "--binary", "--json").stdout)
    likely = pellucid.load("m").predict_proba([Tree.parse(line) for line in lines])
    is_positive = likely[:, 3:].sum(1) > likely[:, :2].sum(1)
    assert found["accuracy"] == np.mean(is_positive == [True, False, True, False])
    assert {label: of["n"] for label, of in found["per_class"].items()} == {"0": 8, "1": 8}
    assert "--binary is for --format sst" in one_line(
        call("spinn", "evaluate", "m", "sst", "--format", "logic", "--binary"), 2
    )


def test_brackets_are_compared_over_two_words_or_more_and_less_than_all():
    given = [Tree.parse("( ( a b ) ( c d ) )"), Tree.parse("( a b )")]
    assert bracket_f1(given, given) == 1.0
    assert bracket_f1(given, [Tree.left_branching(list("abcd")), Tree.parse("( a b )")]) == 0.5
    assert bracket_f1(given[1:], given[1:]) is None


def test_inspect_knows_it_and_predict_points_to_its_own_command(call, pairs):
    trained(call)
    facts = json.loads(call("inspect", "m", "--json").stdout)
    assert (facts["class"], facts["task"], facts["epochs"]) == ("SPINNClassifier", "classification of pairs", 2)
    assert call("inspect", "m").returncode == 0
    assert "use `pellucid spinn`" in one_line(call("predict", "m", "train.txt"), 2)


def test_undecided_rows_are_counted(call, tmp_path, monkeypatch):
    row = {"gold_label": "neutral", "sentence1_binary_parse": "( a b )", "sentence2_binary_parse": "( a c )"}
    rows = [row, row | {"gold_label": "entailment"}, row | {"gold_label": "-"}]
    (tmp_path / "snli").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = call("spinn", "train", "--format", "snli", "--train", "snli", "--out", "m", "--json", *SMALL)
    assert json.loads(done.stdout)["dropped"] == {"no gold label": 1}
    assert "1 rows left out (no gold label)" in done.stderr
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    done = call("spinn", "train", "--format", "snli", "--train", "snli", "--out", "m", "--json", *SMALL)
    assert json.loads(done.stdout)["dropped"] == {"no gold label": 1}
    assert "没有多数人同意的标签" in done.stderr
    (tmp_path / "sst").write_text("(2 (2 a) (2 film))\n", encoding="utf-8")
    done = call("spinn", "train", "--format", "sst", "--binary", "--train", "sst", "--out", "n")
    assert "没有一个负面或正面的例子" in one_line(done, 1)


# -- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NEUTRAL\t( a b )\t( a\n", "bad.txt, line 1, second sentence: position"),
        ("NEUTRAL\t( a b )\n", "bad.txt, line 1: has 2 columns"),
        ("MAYBE\t( a b )\t( a b )\n", "bad.txt, line 1: the label must be one of"),
        ("NEUTRAL\t( a b )\ta b\n", "the sentence has no parse"),
        ("NEUTRAL\t( a b )\t \n", "blank"),
        ("\n\nx", "line 1: is blank"),
        ("", "holds no example"),
    ],
)
def test_a_bad_line_is_named_before_the_training(call, tmp_path, text, message):
    (tmp_path / "bad.txt").write_text(text, encoding="utf-8")
    done = call("spinn", "train", "--format", "sick", "--train", "bad.txt", "--out", "m")
    assert message in one_line(done, 1)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--train", "nowhere.txt"], 1, "nowhere.txt"),
        (["--train", "."], 1, "directory"),
        (["--train", "train.txt", "--dev", "nowhere.txt"], 1, "nowhere.txt"),
        (["--train", "train.txt", "--vectors", "nowhere.txt"], 1, "nowhere.txt"),
        (["--train", "train.txt", "--out", "."], 2, "is a folder"),
        (["--train", "train.txt", "--out", "no/m"], 2, "is not"),
        (["--train", "train.txt", "--patience", "2"], 2, "--patience needs --dev"),
        (["--train", "train.txt", "--binary"], 2, "--binary is for --format sst"),
        (["--train", "train.txt", "--encoder", "lstm", "--tracker", "3"], 2, "--tracker is for --encoder spinn"),
        (["--train", "train.txt", "--encoder", "lstm", "--parses", "predicted"], 2, "needs encoder='spinn'"),
        (["--train", "train.txt", "--encoder", "transformer"], 2, "'--encoder'"),
        (["--train", "train.txt", "--epochs", "0"], 2, "'--epochs'"),
        (["--train", "train.txt", "--learning-rate-init", "-1"], 2, "learning_rate_init must be a finite number > 0"),
        (["--train", "train.txt", "--device", "moon"], 2, "device must be one that torch has here"),
        (["--train", "train.txt", "--device", "meta"], 2, "device must be one that torch has here"),
        (["--train", "train.txt", "--hidden", "10000000"], 2, "not enough memory for hidden=10000000"),
        (["--train", "train.txt", "--batch-norm", "--batch-size", "1"], 2, "needs a batch_size of 2 or more"),
        (["--train", "train.txt", "--mirror", "neutral,contradictoin"], 2, "got 'contradictoin'"),
        (["--train", "train.txt", "--mirror", "neutral="], 2, "--mirror must be of labels among entailment, neutral"),
        (["--train", "train.txt", "--mirror", "neutral,"], 2, "--mirror must be of labels"),
        (["--train", "train.txt", "--mirror", "neutral,neutral=entailment"], 2, "--mirror names 'neutral' twice"),
        (["--train", "train.txt", "--identity", "moon"], 2, "identity must be one of the classes"),
        (["--train", "train.txt", "--nonsense"], 2, "No such option"),
    ],
)
def test_a_mistake_is_one_line(call, pairs, tmp_path, options, status, message):
    done = call("spinn", "train", "--format", "sick", *(() if "--out" in options else ("--out", "m")), *options)
    assert message in one_line(done, status)
    assert not (tmp_path / "m").exists()


def test_a_label_of_dev_that_was_never_learned_is_named_with_its_file(call, tmp_path):
    (tmp_path / "train").write_text("=\t( a b )\t( a b )\n<\t( a b )\t( a c )\n", encoding="utf-8")
    (tmp_path / "dev").write_text(">\t( a b )\t( a b )\n", encoding="utf-8")
    settings = ("spinn", "train", "--format", "logic", "--train", "train", "--dev", "dev", "--out", "m", *SMALL)
    assert "dev holds the label '>', which train does not have; it has <, =" in one_line(call(*settings), 1)
    assert call(*settings, "--mirror", "<=>").returncode == 0


def test_what_is_no_model_is_refused(call, pairs, flowers):
    for command in (["evaluate", "train.txt", "dev.txt", "--format", "sick"], ["predict", "train.txt"], ["parse", "."]):
        one_line(call("spinn", *command), 1)
    assert call("train", "flowers.csv", "--epochs", 1).returncode == 0
    line = one_line(call("spinn", "parse", "flowers.pellucid", "dev.txt"), 1)
    assert "flowers.pellucid holds a MLPClassifier" in line


def test_a_blank_line_and_an_unknown_label_are_named(call, pairs, tmp_path, monkeypatch):
    trained(call, "--parses", "predicted")
    feed(monkeypatch, "a dog runs\n\na cat runs\n")
    assert "standard input, line 2: is blank" in one_line(call("spinn", "parse", "m"), 1)
    feed(monkeypatch, "a dog runs\n")
    assert "line 1: must hold two sentences, parted by one tab" in one_line(call("spinn", "predict", "m"), 1)
    (tmp_path / "logic").write_text("=\t( a b )\t( a b )\n", encoding="utf-8")
    line = one_line(call("spinn", "evaluate", "m", "logic", "--format", "logic"), 1)
    assert "holds the label '=', which m never learned" in line


def test_text_may_begin_with_a_number_in_brackets(call, pairs, monkeypatch):
    trained(call, "--parses", "predicted")
    lines = ["(2014) A man", "(2 men) run", "(see)", "(2 (2 a) (2 man))", "( a man )"]
    feed(monkeypatch, "\n".join(lines))
    words = [Tree.parse(line).words for line in call("spinn", "parse", "m").stdout.splitlines()]
    assert words[0] == ("-LRB-", "2014", "-RRB-", "A", "man")
    assert words[1] == ("-LRB-", "2", "men", "-RRB-", "run")
    assert words[3:] == [("a", "man")] * 2
    for line in ("( a ( b )", "(2 (2 a) (2 b c))"):
        feed(monkeypatch, line)
        assert "standard input, line 1: " in one_line(call("spinn", "parse", "m"), 1)


@pytest.mark.parametrize("text", ["\ufeffevery dog runs\r\na dog runs\n\n \n", "a dog\n\na cat\n", "a " * (3 << 20)])
def test_standard_input_is_read_as_a_file_is(call, pairs, tmp_path, monkeypatch, text):
    trained(call, "--parses", "predicted")
    (tmp_path / "in").write_bytes(text.encode())
    feed(monkeypatch, text)
    piped, read = call("spinn", "parse", "m"), call("spinn", "parse", "m", "in")
    assert (piped.returncode, piped.stdout) == (read.returncode, read.stdout)
    assert piped.stderr.replace("standard input", "in") == read.stderr
    assert "\ufeff" not in read.stdout


def test_it_speaks_chinese(call, pairs, monkeypatch):
    trained(call)
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    assert "召回率" in call("spinn", "evaluate", "m", "dev.txt", "--format", "sick").stdout
    assert "--patience 需要 --dev" in one_line(
        call("spinn", "train", "--format", "sick", "--train", "train.txt", "--out", "n", "--patience", 1), 2
    )


@posix
def test_a_reader_that_goes_away_is_no_failure(call, pairs, tmp_path):
    trained(call, "--parses", "predicted")
    (tmp_path / "many").write_text("every dog runs\n" * 20_000, encoding="utf-8")
    script = f"set -o pipefail; '{sys.executable}' -m pellucid spinn parse m many | head -n 1"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@posix
def test_ctrl_c_keeps_the_model_and_says_so(start, pairs, tmp_path):
    process = start(
        "spinn", "train", "--format", "sick", "--train", "train.txt", "--out", "m", "--epochs", "100000",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    for line in process.stderr:
        if b"epoch 2," in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted after epoch" in errors
    assert b"Traceback" not in errors
    assert pellucid.load(tmp_path / "m").n_iter_ >= 2


@posix
def test_sigterm_leaves_no_file(start, pairs, tmp_path):
    process = start("spinn", "train", "--format", "sick", "--train", "train.txt", "--out", "m", "--epochs", "100000")
    for line in process.stderr:
        if b"epoch 1," in line:
            break
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"Traceback" not in errors
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["dev.txt", "train.txt"]


def test_a_checkpoint_is_gone_on_from_and_anothers_is_refused(call, pairs, tmp_path):
    facts = trained(call, "--checkpoint", "run", "--checkpoint-every", 0)
    first = (tmp_path / "m").read_bytes()
    again = trained(call, "--checkpoint", "run")
    assert (tmp_path / "m").read_bytes() == first
    assert again["loss"] == facts["loss"]
    more = ("spinn", "train", "--format", "sick", "--train", "train.txt", "--out", "m", *SMALL)
    said = one_line(call(*more, "--epochs", 3, "--checkpoint", "run"), 2)
    assert "is of a run with max_iter=2, but now max_iter=3" in said
    assert "checkpoint must be a folder that can be written" in one_line(call(*more, "--checkpoint", "train.txt"), 2)
    assert (tmp_path / "m").read_bytes() == first
