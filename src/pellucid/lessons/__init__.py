"""Lessons: one marimo notebook a room, from the idea through the arithmetic by hand to the library's version.

Each is a Python file that runs as a script too: ``python neuron.py`` goes through every cell, and the assertions that
both ways agree. A text stands in English and Chinese side by side; the arithmetic stands once. ``telling.py`` is what
they share; ``pellucid lesson NAME`` opens one.
"""

from pathlib import Path

from pellucid.language import say

__all__ = ["WITH_TORCH", "path_of", "titles"]

WITH_TORCH = ("graphs", "spinn")


def titles() -> dict[str, str]:
    """Return each lesson's name and what it is about, in the order in which they are best read."""
    return {
        "neuron": say("one neuron: a weighted sum, an error, and a rule that mends it"),
        "mlp": say("several layers: exclusive or, backpropagation, handwritten digits"),
        "convolution": say("images: one small pattern looked for everywhere"),
        "hopfield": say("a memory: patterns that are valleys of an energy"),
        "rbm": say("a machine that dreams: probabilities out of an energy"),
        "graphs": say("computation graphs: built once, or as the code runs"),
        "spinn": say("sentences: shift, reduce, and a network along the tree"),
    }


def path_of(name: str) -> Path:
    """Return the file of a lesson."""
    return Path(__file__).with_name(f"{name}.py")
