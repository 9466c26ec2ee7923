"""The look: no global state, colours that the colour-blind tell apart, Chinese only where a font shows it."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.colors import to_rgb

from pellucid.errors import PellucidWarning
from pellucid.language import language
from pellucid.watching import style


@pytest.fixture
def fonts(monkeypatch):
    """A machine on which no font has been looked for, and none is Chinese."""
    plain = [entry for entry in font_manager.fontManager.ttflist if entry.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", plain)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    remembered = (style._find_chinese, style._warn_once)
    for function in remembered:
        function.cache_clear()
    yield monkeypatch
    for function in remembered:
        function.cache_clear()


def chinese_file(path):
    """Write a real, tiny font of the family Noto Sans SC that has a few Chinese characters (as boxes)."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    box = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "box"])
    builder.setupCharacterMap({ord(character): "box" for character in "损失轮"})
    builder.setupGlyf({".notdef": box, "box": box})
    builder.setupHorizontalMetrics({".notdef": (900, 0), "box": (900, 0)})
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Noto Sans SC", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=880, sTypoDescender=-120, usWinAscent=880, usWinDescent=120)
    builder.setupPost()
    builder.save(path)
    return str(path)


def test_drawing_leaves_matplotlibs_settings_as_they_were():
    before = dict(mpl.rcParams)
    with style.drawing():
        assert mpl.rcParams["axes.grid"]
    assert dict(mpl.rcParams) == before


def test_pictures_need_no_pyplot():
    code = "import sys; from pellucid.watching.plots import plot; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_picture_shows_itself_in_a_notebook():
    assert style.picture(1, 1)._repr_png_().startswith(b"\x89PNG")


def test_without_a_chinese_font_figures_speak_english_and_say_so_once(fonts):
    fonts.setenv("PELLUCID_LANG", "zh")
    with pytest.warns(PellucidWarning, match="Noto Sans SC"), style.drawing():
        assert language() == "en"
    with style.drawing():  # a second warning would be an error here
        assert language() == "en"
    assert language() == "zh"


def test_a_chinese_font_that_was_just_installed_is_found_and_used(fonts, tmp_path):
    fonts.setenv("PELLUCID_LANG", "zh")
    file = chinese_file(tmp_path / "NotoSansSC-Regular.ttf")
    fonts.setattr(font_manager, "findSystemFonts", lambda: [file])
    assert style.chinese_font() == "Noto Sans SC"
    with style.drawing():
        assert language() == "zh"
        figure = style.picture(2, 1)
        figure.text(0.5, 0.5, "损失 loss")
        figure.draw_without_rendering()  # a missing glyph would be a warning, and so an error


def test_a_damaged_font_file_is_passed_over(fonts, tmp_path):
    file = tmp_path / "NotoSansSC-Regular.ttf"
    file.write_bytes(b"not a font")
    fonts.setattr(font_manager, "findSystemFonts", lambda: [str(file)])
    with pytest.warns(PellucidWarning):
        assert style.chinese_font() is None


def test_english_figures_never_look_for_a_font(fonts):
    fonts.delenv("PELLUCID_LANG", raising=False)
    fonts.setattr(style, "_find_chinese", lambda: pytest.fail("looked for a font"))
    with style.drawing():
        assert language() == "en"


# Machado, Oliveira, Fernandes 2009: how a person without red or green cones sees linear RGB.
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_positive_and_negative_differ_for_the_colour_blind(kind):
    def seen(colour):
        linear = np.asarray(to_rgb(colour)) ** 2.2
        return np.clip(np.array(BLINDNESS[kind]) @ linear, 0, 1) ** (1 / 2.2)

    for one, other in ((style.BLUE, style.ORANGE), (style.BLUE, style.GREEN), (style.ORANGE, style.GREEN)):
        assert np.linalg.norm(seen(one) - seen(other)) > 0.15
