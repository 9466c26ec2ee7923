"""Data: where X and y come from. Loaders of files that people have, and the small tables that teach.

Nothing here runs a network. Modules load when one of their names is first used (PEP 562), so that importing
this package costs nothing; scikit-learn is imported by ``load_digits`` only, pooch by a download only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.data.archives import Archive, open_archive
    from pellucid.data.digits import load_digits
    from pellucid.data.english import Sentence, english_label, generate_english
    from pellucid.data.handwriting import block_counts, drawn_digit, normalized_bitmap
    from pellucid.data.idx import read_idx, write_idx
    from pellucid.data.listops import evaluate_listops, generate_listops
    from pellucid.data.logic import generate_logic
    from pellucid.data.mnist import Mnist, load_mnist
    from pellucid.data.planes import circles, clouds, moons, spirals
    from pellucid.data.preparing import Prepared, prepare, split
    from pellucid.data.preprocessor import Preprocessor
    from pellucid.data.sentences import (
        Example,
        Pair,
        Sentences,
        read_listops,
        read_logic,
        read_sentences,
        read_sick,
        read_snli,
        read_sst,
    )
    from pellucid.data.tables import Column, Table, read_table
    from pellucid.data.tokenizing import tokenize
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
    from pellucid.data.vectors import Vectors, cached_vectors, read_vectors
    from pellucid.data.vocabulary import Vocabulary

_WHERE = {
    "AND": "truth_tables",
    "Archive": "archives",
    "Column": "tables",
    "Example": "sentences",
    "Mnist": "mnist",
    "NAND": "truth_tables",
    "NEURON_TABLE": "truth_tables",
    "OR": "truth_tables",
    "Pair": "sentences",
    "Prepared": "preparing",
    "Preprocessor": "preprocessor",
    "Sentence": "english",
    "Sentences": "sentences",
    "TWO_LAYER_TABLE": "truth_tables",
    "Table": "tables",
    "TruthTable": "truth_tables",
    "Vectors": "vectors",
    "Vocabulary": "vocabulary",
    "XOR": "truth_tables",
    "block_counts": "handwriting",
    "cached_vectors": "vectors",
    "circles": "planes",
    "clouds": "planes",
    "drawn_digit": "handwriting",
    "english_label": "english",
    "evaluate_listops": "listops",
    "generate_english": "english",
    "generate_listops": "listops",
    "generate_logic": "logic",
    "load_digits": "digits",
    "load_mnist": "mnist",
    "moons": "planes",
    "normalized_bitmap": "handwriting",
    "open_archive": "archives",
    "parity": "truth_tables",
    "prepare": "preparing",
    "read_idx": "idx",
    "read_listops": "sentences",
    "read_logic": "sentences",
    "read_sentences": "sentences",
    "read_sick": "sentences",
    "read_snli": "sentences",
    "read_sst": "sentences",
    "read_table": "tables",
    "read_vectors": "vectors",
    "spirals": "planes",
    "split": "preparing",
    "tokenize": "tokenizing",
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
    "Example",
    "Mnist",
    "Pair",
    "Prepared",
    "Preprocessor",
    "Sentence",
    "Sentences",
    "Table",
    "TruthTable",
    "Vectors",
    "Vocabulary",
    "block_counts",
    "cached_vectors",
    "circles",
    "clouds",
    "drawn_digit",
    "english_label",
    "evaluate_listops",
    "generate_english",
    "generate_listops",
    "generate_logic",
    "load_digits",
    "load_mnist",
    "moons",
    "normalized_bitmap",
    "open_archive",
    "parity",
    "prepare",
    "read_idx",
    "read_listops",
    "read_logic",
    "read_sentences",
    "read_sick",
    "read_snli",
    "read_sst",
    "read_table",
    "read_vectors",
    "spirals",
    "split",
    "tokenize",
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
