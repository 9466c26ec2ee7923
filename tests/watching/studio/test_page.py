"""The page's modules: their types are checked where TypeScript is, and what they may not do they do not."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import pellucid.watching

WATCHING = Path(pellucid.watching.__file__).parent
MODULES = sorted(WATCHING.rglob("*.js"))
ROOT = Path(__file__).parents[3]
TSC = next((path for path in [ROOT / "node_modules" / ".bin" / "tsc"] if path.exists()), None) or shutil.which("tsc")


@pytest.mark.skipif(
    TSC is None or shutil.which("node") is None, reason="TypeScript is not installed: npm install --no-save typescript"
)
def test_the_types_in_the_comments_hold(tmp_path):
    options = {
        "allowJs": True, "checkJs": True, "noEmit": True, "strict": True, "target": "es2022", "module": "es2022",
        "moduleResolution": "bundler", "lib": ["es2022", "dom", "dom.iterable"], "types": [],
        "rootDirs": [str(WATCHING / "studio" / "page"), str(WATCHING)],
    }  # fmt: skip
    config = tmp_path / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "include": [f"{WATCHING.as_posix()}/**/*.js"]}))
    done = subprocess.run([str(TSC), "-p", str(config)], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_makes_html_or_code_of_text_or_loads_from_elsewhere(path):
    text = path.read_text(encoding="utf-8")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "https://"):
        assert word not in text, word
    foreign = [
        url for url in re.findall(r"http://[^\"'`\s]+", text) if not url.startswith("http://www.w3.org/2000/svg")
    ]
    assert foreign == []


def test_each_view_is_one_module_with_one_contract():
    for path in (WATCHING / "views").glob("*.js"):
        if path.name != "paint.js":
            assert "export function render({ model, el })" in path.read_text(encoding="utf-8"), path.name
