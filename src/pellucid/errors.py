"""The errors that Pellucid raises: one sentence each, with what was given, what is allowed, how to mend it.

::

    PellucidError
    ├── InvalidArgumentError (ValueError)     a parameter is outside what is allowed
    ├── InvalidDataError (ValueError)         X, y or weights cannot be learned from
    │   ├── InvalidDataTypeError (TypeError)  they hold things that are no numbers at all
    │   └── FileFormatError                   a data file is not what it should be: names file and line
    ├── ModelFileError (ValueError)           a model file is damaged, foreign, or newer than this version
    ├── DivergenceError (ArithmeticError)     training left the finite numbers; the last finite weights are kept
    ├── ProcessError (RuntimeError)           another process of the same training has stopped; names its rank
    └── MissingExtraError (ImportError)       an optional dependency is absent; names the extra that brings it

    PellucidWarning (UserWarning)             the result stands, but not quite as asked
"""

__all__ = [
    "DivergenceError",
    "FileFormatError",
    "InvalidArgumentError",
    "InvalidDataError",
    "InvalidDataTypeError",
    "MissingExtraError",
    "ModelFileError",
    "PellucidError",
    "PellucidWarning",
    "ProcessError",
]


class PellucidError(Exception):
    """Base of every error that Pellucid raises on purpose."""


class InvalidArgumentError(PellucidError, ValueError):
    """A parameter is outside what is allowed."""


class InvalidDataError(PellucidError, ValueError):
    """The data given cannot be learned from or predicted on."""


class InvalidDataTypeError(InvalidDataError, TypeError):
    """The data given holds things that are no numbers; a TypeError too, as scikit-learn's checks demand."""


class FileFormatError(InvalidDataError):
    """A data file is not in the format it should be in."""


class ModelFileError(PellucidError, ValueError):
    """A model file is damaged, foreign, or written by a newer Pellucid."""


class DivergenceError(PellucidError, ArithmeticError):
    """Training left the finite numbers; the model keeps its last finite weights."""


class ProcessError(PellucidError, RuntimeError):
    """Another process of the same training has stopped, or none could be met."""


class MissingExtraError(PellucidError, ImportError):
    """An optional dependency is not installed."""


class PellucidWarning(UserWarning):
    """The result stands, but not quite as it was asked for."""
