"""Data: where X and y come from. Loaders of files that people have, and the small tables that teach.

Nothing here runs a network. Modules load when one of their names is first used (PEP 562), so that importing
this package costs nothing; scikit-learn is imported by ``load_digits`` only, pooch by a download only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.data.archives import Archive, open_archive
    from pellucid.data.digits import load_digits
    from pellucid.data.idx import read_idx, write_idx
    from pellucid.data.mnist import Mnist, load_mnist
    from pellucid.data.preparing import Prepared, prepare, split
    from pellucid.data.preprocessor import Preprocessor
    from pellucid.data.tables import Column, Table, read_table
    from pellucid.data.truth_tables import (
        AND,
        NAND,
        NEURON_TABLE,
        OR,
        TWO_LAYER_TABLE,
        XOR,
        TruthTable,
        parity,
    )

_WHERE = {
    "AND": "truth_tables",
    "Archive": "archives",
    "Column": "tables",
    "Mnist": "mnist",
    "NAND": "truth_tables",
    "NEURON_TABLE": "truth_tables",
    "OR": "truth_tables",
    "Prepared": "preparing",
    "Preprocessor": "preprocessor",
    "TWO_LAYER_TABLE": "truth_tables",
    "Table": "tables",
    "TruthTable": "truth_tables",
    "XOR": "truth_tables",
    "load_digits": "digits",
    "load_mnist": "mnist",
    "open_archive": "archives",
    "parity": "truth_tables",
    "prepare": "preparing",
    "read_idx": "idx",
    "read_table": "tables",
    "split": "preparing",
    "write_idx": "idx",
}

__all__ = [
    "AND",
    "NAND",
    "NEURON_TABLE",
    "OR",
    "TWO_LAYER_TABLE",
    "XOR",
    "Archive",
    "Column",
    "Mnist",
    "Prepared",
    "Preprocessor",
    "Table",
    "TruthTable",
    "load_digits",
    "load_mnist",
    "open_archive",
    "parity",
    "prepare",
    "read_idx",
    "read_table",
    "split",
    "write_idx",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(f"pellucid.data.{_WHERE[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'pellucid.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
