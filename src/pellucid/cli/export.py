"""``export``: a trained network for where Pellucid is not."""

from pathlib import Path

from pellucid.cli import display
from pellucid.errors import InvalidArgumentError
from pellucid.language import say
from pellucid.saving import load

__all__ = ["export"]


def export(model_file: Path, out: Path) -> None:
    """Write the network of a model file as ONNX or as a script, by the ending of ``out``."""
    if out.suffix not in {".onnx", ".py"}:
        raise InvalidArgumentError(say("the file to write must end in .onnx or .py, got {path}", path=out))
    if not out.parent.is_dir():
        raise InvalidArgumentError(
            say("the file to write needs a folder that is there, {path} is not", path=out.parent)
        )
    model = load(model_file)
    from pellucid.networks.exporting import write_onnx, write_python

    if out.suffix == ".onnx":
        write_onnx(model, out)
        if model.stack_.dtype == "float64":
            display.note(say("The network computes in float64, the file in float32: about seven digits are the same."))
        display.show(say("Written: {path}.", path=out))
    else:
        write_python(model, out)
        display.show(say("Written: {path}, and its weights {weights}.", path=out, weights=out.with_suffix(".npz")))
