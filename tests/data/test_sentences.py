"""Published files of sentences are read whole, and whatever is wrong with one is named by file and line."""

import gzip
import json

import numpy as np
import pytest

from pellucid.data import (
    Example,
    Pair,
    Vocabulary,
    read_listops,
    read_logic,
    read_sentences,
    read_sick,
    read_snli,
    read_sst,
)
from pellucid.data.text_lines import text_lines
from pellucid.errors import FileFormatError, InvalidArgumentError, InvalidDataError
from pellucid.trees import Tree


def row(label="neutral", first="( ( The church ) cracks )", second="( It falls )", **more):
    fields = {"gold_label": label, "sentence1_binary_parse": first, "sentence2_binary_parse": second, "pairID": "1"}
    return json.dumps(fields | more, ensure_ascii=False)


def written(tmp_path, text, name="file.txt"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_snli_drops_and_counts_rows_without_gold_label(tmp_path):
    path = written(tmp_path, "\n".join([row(), row("-"), row("contradiction"), row("-", first="")]) + "\n")
    found = read_snli(path)
    assert dict(found.dropped) == {"no gold label": 2}
    assert found.examples[0] == Pair("neutral", Tree.parse("( ( The church ) cracks )"), Tree.parse("( It falls )"))
    assert found.y.tolist() == [1, 2]
    assert found.counts() == {"entailment": 0, "neutral": 1, "contradiction": 1}
    assert len(list(found.trees)) == 4
    assert read_sentences(path, "multinli").examples == read_sentences(path, "snli").examples == found.examples


def test_bom_crlf_gzip_and_blank_lines_at_the_end_change_nothing(tmp_path):
    plain = read_snli(written(tmp_path, row() + "\n" + row() + "\n"))
    odd = ("\ufeff" + row() + "\r\n" + row() + "\r\n\r\n \n").encode()
    assert read_snli(written(tmp_path, odd, "odd")).examples == plain.examples
    assert read_snli(written(tmp_path, gzip.compress(odd), "packed")).examples == plain.examples


def test_lines_end_at_the_line_feed_only(tmp_path):
    word = "a\u2028b\u0085c\u000bd"
    found = read_snli(written(tmp_path, row(first=f"( {word} x )") + "\n" + row()))
    assert found.examples[0].premise.words == (word, "x")
    trees = read_sst(written(tmp_path, f"(2 (2 {word}) (2 8\u00a01/2))\n(0 no)\n")).examples
    assert [example.tree.words for example in trees] == [(word, "8\u00a01/2"), ("no",)]


def test_sick_is_read_in_its_layouts(tmp_path):
    three = "NEUTRAL\t( A man )\t( A dog )\nENTAILMENT\t( A b )\t( A b )\n"
    five = (
        "%entailment_judgment\tsentence_A\tsentence_B\trelatedness_score\tpair_ID\n"
        "NEUTRAL\t( A man )\t( A dog )\t2.7\t1\nENTAILMENT\t( A b )\t( A b )\t5\t2\n"
    )
    named = (
        "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
        "1\t( A man )\t( A dog )\t2.7\tNEUTRAL\n2\t( A b )\t( A b )\t5\tENTAILMENT\n"
    )
    found = [read_sick(written(tmp_path, text)).examples for text in (three, five, named)]
    assert found[0] == found[1] == found[2]
    assert [pair.label for pair in found[0]] == ["neutral", "entailment"]


def test_logic_and_listops_are_read(tmp_path):
    pair = read_logic(written(tmp_path, "^\ta\t( not a )\n")).examples[0]
    assert pair == Pair("^", Tree.parse("a"), Tree.parse("( not a )"))
    text = "( ( ( [MAX 2 ) 9 ) ] )"
    assert read_listops(written(tmp_path, f"9\t{text}\n")).examples == [Example("9", Tree.parse(text))]
    named = read_listops(written(tmp_path, f"Source\tTarget\n{text}\t9\n"))
    assert named.examples == [Example("9", Tree.parse(text))]


def test_a_short_row_of_listops_is_named_by_its_line(tmp_path):
    with pytest.raises(FileFormatError, match="line 2: has 2 columns and must have 3 or more"):
        read_listops(written(tmp_path, "Source\tX\tTarget\n( ( [MAX 2 ) ] )\t3\n"))


def test_sst_keeps_the_label_of_every_node(tmp_path):
    example = read_sst(written(tmp_path, "(3 (2 It) (4 (1 's) (0 good)))\n")).examples[0]
    assert (example.label, example.tree.labels.tolist()) == ("3", [2, 1, 0, 4, 3])


def test_a_parse_of_a_hundred_thousand_levels_is_read(tmp_path):
    deep = Tree.left_branching(["w"] * 100_001)
    assert read_snli(written(tmp_path, row(first=deep.to_brackets()))).examples[0].premise == deep


@pytest.mark.parametrize(
    ("format", "text", "message"),
    [
        (
            "snli",
            row() + "\n" + row("maybe"),
            "line 2: the label must be one of entailment neutral contradiction -",
        ),
        ("snli", row(first=""), "line 1, sentence1_binary_parse: the sentence is blank; it must be a tree"),
        (
            "snli",
            row(second="( a"),
            "line 1, sentence2_binary_parse: position 4: the text ends while 1 bracket is open",
        ),
        ("snli", row(second="( a b c )"), "sentence2_binary_parse: position 7: the node has a third child"),
        ("snli", row(second="( ( a ) b )"), "sentence2_binary_parse: position 7: the node closes with fewer than two"),
        ("snli", '{"gold_label": "neutral"}', "line 1: must have the text field 'sentence1_binary_parse', has none"),
        ("snli", row(first=None), "line 1: must have the text field 'sentence1_binary_parse', got NoneType"),
        ("snli", row() + "\n{", "line 2: is not JSON"),
        ("snli", "[1]", "line 1: must be a JSON object, got list"),
        ("snli", "[" * 200_000, "line 1: the JSON is nested too deeply"),
        ("snli", row(first="X").replace("X", r"\ud83d"), "line 1, sentence1_binary_parse: holds half a character"),
        ("snli", row() + "\n\n" + row(), "line 2: is blank; every line must hold an example"),
        ("snli", row().encode() + b"\n\xff", "line 2: byte 1 is not UTF-8; save the file as UTF-8 text"),
        ("snli", row() + "\n\0", "line 2: holds a zero byte"),
        ("snli", "", "holds no example"),
        ("snli", row("-"), "holds no example (1 with no gold label dropped)"),
        ("sick", "NEUTRAL\t( a b )", "line 1: has 2 columns and must have 3 or more, parted by tabs"),
        ("sick", "MAYBE\t( a b )\t( a b )", "line 1: the label must be one of entailment neutral contradiction, got"),
        ("sick", "NEUTRAL\tA man\t( a b )", "line 1, first sentence: the sentence has no parse; it must be written"),
        ("sick", "NEUTRAL\t( a b )\t", "line 1, second sentence: the sentence is blank"),
        (
            "sick",
            "x\tsentence_A\tsentence_B\n",
            "line 1: names no column 'entailment_judgment'; it names x",
        ),
        ("logic", "?\ta\tb", "line 1: the label must be one of # = < > | ^ v, got '?'"),
        ("logic", "=\ta\t( a b", "line 1, second sentence: position 6: the text ends while 1 bracket is open"),
        ("listops", "10\t( a b )", "line 1: the label must be one of 0 1 2 3 4 5 6 7 8 9, got '10'"),
        ("sst", "(2 (2 a) (5 b))", "line 1: a label must be a whole number from 0 to 4, got 5 over 'b'"),
        ("sst", "(2 (2 a) (-1 b))", "line 1: a label must be a whole number from 0 to 4, got -1 over 'b'"),
        ("sst", "(2 a)\n(2 (2 a))", "line 2: position 9: the node closes with fewer than two children"),
        ("sst", "(2 (2 a) (2 b) (2 c))", "line 1: position 16: the node has a third child"),
    ],
)
def test_a_fault_is_named_by_file_and_line(tmp_path, format, text, message):
    path = written(tmp_path, text)
    with pytest.raises(FileFormatError) as refused:
        read_sentences(path, format)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_snli(tmp_path / "absent")
    whole = gzip.compress(row().encode() * 50)
    with pytest.raises(FileFormatError, match="the gzip stream is cut short"):
        read_snli(written(tmp_path, whole[:-12]))
    with pytest.raises(FileFormatError, match="the gzip stream is damaged"):
        read_snli(written(tmp_path, whole[:-8] + bytes(8)))


def test_a_gzip_bomb_stops_at_the_longest_line(tmp_path):
    path = written(tmp_path, gzip.compress(b"a" * (6 << 20)))
    with pytest.raises(FileFormatError, match="line 1: is longer than 4194304 bytes"):
        read_sst(path)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="format must be one of snli, multinli, sick, logic, listops, sst"):
        read_sentences(tmp_path, "csv")


def test_a_vocabulary_orders_by_frequency_and_knows_the_unknown():
    trees = [Tree.parse("( b ( A a ) )"), Tree.parse("( b c )")]
    assert Vocabulary.of(trees).words == ("<unk>", "b", "A", "a", "c")
    small = Vocabulary.of(trees, lowercase=True, min_count=2)
    assert small.words == ("<unk>", "a", "b")
    np.testing.assert_array_equal(small.indices(["B", "a", "zebra", "<unk>"]), [2, 1, 0, 0])
    assert "A" in small
    assert "c" not in small
    assert small["B"] == 2
    assert Vocabulary.of(trees, max_size=2).words == ("<unk>", "b")
    assert Vocabulary(small.words, lowercase=True) == small
    with pytest.raises(InvalidDataError, match="every word of a vocabulary must stand once, 'a' stands twice"):
        Vocabulary(["a", "A"], lowercase=True)


def test_a_file_beyond_its_ceiling_is_refused_packed_or_not(tmp_path):
    content = b"(2 a)\n" * 1000
    for name, written_as in (("plain", content), ("packed", gzip.compress(content))):
        path = written(tmp_path, written_as, name)
        assert sum(1 for _ in text_lines(path, max_bytes=6000)) == 1000
        with pytest.raises(FileFormatError, match="holds more than 5999 bytes, the ceiling for a file of its kind"):
            list(text_lines(path, max_bytes=5999))
