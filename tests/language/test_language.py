"""Every text has its Chinese, with the same placeholders, and no Chinese stands unused."""

import ast
import json
import pickle
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

import pellucid
from pellucid.language import language, phrase, say, speaking

SOURCE = Path(pellucid.__file__).parent
CHINESE = json.loads((SOURCE / "language" / "zh.json").read_text(encoding="utf-8"))


def calls_of_say():
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"say", "phrase"}:
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


JAVASCRIPT = re.compile(r"""(?<![\w.])say\(\s*("(?:[^"\\\\]|\\\\.)*")?""")


def calls_in_pages():
    for path in sorted(SOURCE.rglob("*.js")):
        for call in JAVASCRIPT.finditer(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(SOURCE)}", call


def literals():
    python = {
        node.args[0].value: where
        for where, node in calls_of_say()
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    return python | {json.loads(call[1]): where for where, call in calls_in_pages() if call[1]}


def test_pages_give_say_a_literal_too():
    definitions = ("english, values = {}) {", "message) {")
    text = {path: (SOURCE / path).read_text(encoding="utf-8") for path, _ in calls_in_pages()}
    wrong = [
        (where, text[where][call.start() : call.end() + 30])
        for where, call in calls_in_pages()
        if not call[1] and not text[where][call.end() :].startswith(definitions)
    ]
    assert len(literals()) > 300
    assert not wrong


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_say_is_always_given_a_literal():
    wrong = [
        where
        for where, node in calls_of_say()
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant) or not isinstance(node.args[0].value, str)
    ]
    assert not wrong, f"say() needs one string literal, so that it can be translated: {wrong}"


def test_say_is_given_every_value_that_its_text_names_and_no_other():
    wrong = [
        where
        for where, node in calls_of_say()
        if all(keyword.arg for keyword in node.keywords)
        and placeholders(node.args[0].value) != {keyword.arg for keyword in node.keywords}
    ]
    assert not wrong, f"placeholders and keyword arguments differ: {wrong}"


def test_every_text_has_its_chinese():
    missing = {text: where for text, where in literals().items() if text not in CHINESE}
    assert not missing, f"add to language/zh.json: {missing}"


def test_no_chinese_stands_unused():
    unused = sorted(set(CHINESE) - set(literals()))
    assert not unused, f"no say() in src has: {unused}"


def test_chinese_keeps_the_placeholders():
    wrong = [text for text, chinese in CHINESE.items() if placeholders(text) != placeholders(chinese)]
    assert not wrong


def test_no_english_text_is_given_twice_in_the_catalogue():
    keys = []
    json.loads(
        (SOURCE / "language" / "zh.json").read_text(encoding="utf-8"),
        object_pairs_hook=lambda pairs: keys.extend(key for key, _ in pairs),
    )
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("asked", ["zh", "zh_CN", "zh-Hans", "ZH", "zh_CN.UTF-8", " zh "])
def test_chinese_is_asked_for_in_several_ways(monkeypatch, asked):
    monkeypatch.setenv("PELLUCID_LANG", asked)
    assert language() == "zh"


@pytest.mark.parametrize("asked", ["", "en", "fr_FR", "tlh", "zhuang"])
def test_any_other_language_is_english(monkeypatch, asked):
    monkeypatch.setenv("PELLUCID_LANG", asked)
    assert language() == "en"


def test_say_reads_the_environment_at_each_call(monkeypatch):
    monkeypatch.setattr("pellucid.language._catalogue", lambda code: {"{n} epochs": "{n} 轮"})
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    assert say("{n} epochs", n=3) == "3 轮"
    monkeypatch.delenv("PELLUCID_LANG")
    assert say("{n} epochs", n=3) == "3 epochs"


def test_speaking_overrules_the_environment_and_gives_it_back(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    with speaking("en"):
        assert language() == "en"
    assert language() == "zh"


def test_a_text_without_chinese_is_said_in_english(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    assert say("no such entry {n}", n=1) == "no such entry 1"


def test_language_imports_nothing_heavy():
    code = "import sys, pellucid.language; print({'numpy', 'sklearn', 'rich', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_phrase_is_english_and_knows_how_to_be_said_again(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    made = phrase("{source}, line {line}: {reason}", source="a.csv", line=3, reason=phrase("{n} fields", n=2))
    assert made == "a.csv, line 3: 2 fields"
    assert made.plain() == {
        "key": "{source}, line {line}: {reason}",
        "values": {"source": "a.csv", "line": 3, "reason": {"key": "{n} fields", "values": {"n": 2}}},
    }
    assert pickle.loads(pickle.dumps(made)).plain() == made.plain()


def test_phrases_have_bare_placeholders_which_a_page_can_fill():
    keys = [node.args[0].value for _, node in calls_of_say() if getattr(node.func, "id", "") == "phrase" and node.args]
    assert len(keys) > 50
    assert [key for key in keys if any(form or how for _, _, form, how in string.Formatter().parse(key))] == []


def test_epochs_and_rounds_of_gibbs_sampling_have_different_words():
    rounds = [text for text in CHINESE if re.search(r"\brounds?\b", text, re.IGNORECASE)]
    assert len(rounds) >= 6
    assert [CHINESE[text] for text in rounds if "轮" in CHINESE[text]] == []
    assert "轮" in CHINESE["epoch"]
    assert (
        "残缺的记忆" not in CHINESE["A memory that completes what is damaged"]
    )  # the input is damaged, not the memory
