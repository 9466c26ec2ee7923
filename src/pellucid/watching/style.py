"""One look for every picture: colours that the colour-blind tell apart, readable sizes, light background.

The hues are Okabe and Ito's (2008, "Color Universal Design"). Orange is always positive and blue negative;
where there is a truth and an answer, the truth is ink and the answer has the colour.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from pellucid.errors import PellucidWarning
from pellucid.language import language, say, speaking

__all__ = ["Picture", "chinese_font", "drawing", "picture"]

PAPER, INK, MUTED, LINE = "#ffffff", "#1f2937", "#5b6472", "#d9dee5"
BLUE, ORANGE, GREEN, GOLD, PINK, SKY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"
CYCLE = (BLUE, ORANGE, GREEN, PINK, GOLD, SKY)

SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, "#8cc4e3", "#f7f7f5", "#f3b083", ORANGE])
AMOUNT = LinearSegmentedColormap.from_list("amount", [PAPER, "#cfe6f5", SKY, BLUE, "#00395c"])
GLOW = LinearSegmentedColormap.from_list("glow", ["#fffaf0", "#fbdc9a", GOLD])
PENCIL = LinearSegmentedColormap.from_list("pencil", [PAPER, INK])

_RC = {
    "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "figure.dpi": 110, "savefig.dpi": 110,
    "figure.constrained_layout.use": True, "figure.constrained_layout.wspace": 0.03,
    "figure.constrained_layout.w_pad": 0.14, "figure.constrained_layout.h_pad": 0.12,
    "figure.titlesize": 14, "figure.titleweight": "bold",
    "axes.facecolor": PAPER, "axes.edgecolor": LINE, "axes.labelcolor": MUTED, "axes.labelsize": 11,
    "axes.titlesize": 12.5, "axes.titleweight": "bold", "axes.titlecolor": INK, "axes.titlelocation": "left",
    "axes.titlepad": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.grid": True, "grid.color": "#eef1f4", "grid.linewidth": 1.0,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelsize": 10, "ytick.labelsize": 10,
    "xtick.major.size": 0, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0,
    "lines.linewidth": 2.0, "lines.solid_capstyle": "round", "font.size": 11, "text.color": INK,
    "legend.frameon": False, "legend.fontsize": 10, "image.interpolation": "nearest",
}  # fmt: skip

# The families that cover Simplified Chinese, best first, and how the names of their files begin.
_CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei",
    "PingFang SC", "PingFang HK", "Hiragino Sans GB", "Heiti SC", "STHeiti", "Heiti TC", "SimHei", "DengXian",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Noto Sans CJK JP", "Noto Serif CJK SC", "Noto Serif CJK JP",
    "Droid Sans Fallback", "SimSun", "Arial Unicode MS", "AR PL UMing CN", "AR PL UKai CN",
)  # fmt: skip
_FILES = (
    "notosanscjk", "notosanssc", "sourcehansans", "msyh", "pingfang", "hiragino sans gb", "stheiti", "wqy",
    "simhei", "deng", "notoserifcjk", "droidsansfallback", "simsun", "arial unicode", "uming", "ukai",
)  # fmt: skip


class Picture(Figure):
    """A matplotlib Figure that notebooks show, made without pyplot and so without any global state."""

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        buffer = BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def picture(width: float, height: float, **options: Any) -> Picture:
    """Return an empty picture of ``width`` x ``height`` inches (110 pixels each)."""
    figure = Picture(figsize=(width, height), **options)
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def drawing() -> Iterator[None]:
    """Draw within this block in Pellucid's style, and in Chinese only where a font can show it."""
    font = chinese_font() if language() == "zh" else None
    spoken = "zh" if font else "en"
    family = ["DejaVu Sans", font] if font else ["DejaVu Sans"]
    with rc_context({**_RC, "font.family": family}), speaking(spoken):
        yield


def chinese_font() -> str | None:
    """Return an installed font family with Simplified Chinese; None, with one warning, if there is none."""
    name = _find_chinese()
    if name is None:
        _warn_once()
    return name


@cache
def _find_chinese() -> str | None:
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    if not known.intersection(_CHINESE):
        # matplotlib remembers the fonts of its first run; look again, so that installing one is enough.
        for path in font_manager.findSystemFonts():
            if Path(path).name.lower().replace("-", "").startswith(_FILES):
                _add(path)
        known = {entry.name for entry in font_manager.fontManager.ttflist}
    name = next((name for name in _CHINESE if name in known), None)
    if name is not None:
        _lend_bold(name)
    return name


def _lend_bold(name: str) -> None:
    """Let a family without a bold face use its regular one: matplotlib would log a line for every title."""
    entries = [entry for entry in font_manager.fontManager.ttflist if entry.name == name]
    if all(entry.weight in range(600) for entry in entries):
        font_manager.fontManager.ttflist.append(replace(entries[0], weight=700))


def _add(path: str) -> None:
    try:
        font_manager.fontManager.addfont(path)
    except (OSError, RuntimeError):  # a damaged font file is not the learner's problem
        return


@cache
def _warn_once() -> None:
    hint = say(
        "No font with Chinese characters was found, so figures are drawn in English. "
        "Install one, for example Noto Sans SC (on Debian and Ubuntu: sudo apt install fonts-noto-cjk)."
    )
    warnings.warn(hint, PellucidWarning, stacklevel=5)
