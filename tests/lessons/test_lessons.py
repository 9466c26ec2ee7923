"""Every lesson runs as a script, its assertions hold, and it says all that it says in both languages."""

import ast
import re
import runpy
import string

import pytest

from pellucid.lessons import WITH_TORCH, path_of, titles

pytest.importorskip("marimo")
pytest.importorskip("anywidget")
CHINESE = re.compile("[\u4e00-\u9fff]")


def run(name, capsys):
    if name in WITH_TORCH:
        pytest.importorskip("torch")
    runpy.run_path(str(path_of(name)), run_name="__main__")
    return capsys.readouterr().out


def texts(name):
    """Yield the pairs of texts, English and Chinese, as syntax trees."""
    tree = ast.parse(path_of(name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "tell":
            yield node.args
        elif isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "tell.fold":
            yield from (argument.elts for argument in node.args)


def words(node):
    """Return the fixed part of a text, and the expressions in its braces."""
    if isinstance(node, ast.Constant):
        return node.value, []
    parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
    return "".join(parts), sorted(ast.unparse(part) for part in node.values if isinstance(part, ast.FormattedValue))


@pytest.mark.parametrize("name", titles())
def test_it_runs_as_a_script_and_prints_both_results(name, capsys):
    out = run(name, capsys)
    assert "by hand" in out or "by the" in out
    assert "by library" in out or "by Pellucid" in out or "planned" in out


def test_the_neuron_comes_to_the_published_figure_in_chinese_too(capsys, monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    assert run("neuron", capsys).count("0.99993704") >= 2


@pytest.mark.parametrize("name", titles())
def test_every_text_is_there_in_both_languages(name):
    pairs = list(texts(name))
    assert len(pairs) >= 8
    for english, chinese in pairs:
        (said, values), (told, its_values) = words(english), words(chinese)
        assert not CHINESE.search(said)
        assert CHINESE.search(told), said
        assert values == its_values
        for mark in ("$$", "`", "\n\n"):  # formulas, code, paragraphs
            assert said.count(mark) == told.count(mark), said
        assert (
            re.findall(r"\$\$.*?\$\$", said, re.DOTALL) == re.findall(r"\$\$.*?\$\$", told, re.DOTALL)
            or "text{" in said
        )


@pytest.mark.parametrize("name", titles())
def test_a_derivation_is_folded_away_and_the_code_says_nothing_in_either_language(name):
    source = path_of(name).read_text(encoding="utf-8")
    assert source.count("tell.fold(") >= 1
    for cell in re.split(r"\n@app\.cell", source)[1:]:
        if "hide_code=True" not in cell.partition("\n")[0] and "tell" not in cell:
            assert not CHINESE.search(cell)


def test_the_lessons_are_all_the_notebooks_that_there_are():
    there = {path.stem for path in path_of("neuron").parent.glob("*.py")} - {"__init__", "telling"}
    assert set(titles()) == there
    for name in titles():
        imports = "\n    import torch\n" in path_of(name).read_text(encoding="utf-8")
        assert imports == (name in WITH_TORCH)


def test_a_claim_that_does_not_hold_stops_the_lesson(tmp_path):
    source = path_of("neuron").read_text(encoding="utf-8")
    wrong = source.replace("w_hand = w_hand + X.T @", "w_hand = w_hand + 0.999 * X.T @")
    assert wrong != source
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    with pytest.raises(AssertionError):
        runpy.run_path(str(tmp_path / "wrong.py"), run_name="__main__")


def test_titles_have_no_placeholders():
    assert not [title for title in titles().values() if any(name for _, name, _, _ in string.Formatter().parse(title))]
