"""A copy of what training changes in a torch module, to go back to."""

from typing import Any

__all__ = ["Kept"]


class Kept:
    """The weights that learn, and the running statistics, as they were when last taken; frozen ones are not copied."""

    def __init__(self, module: Any) -> None:
        learning = (weight for weight in module.parameters() if weight.requires_grad)
        self.tensors = [tensor for tensor in (*learning, *module.buffers()) if tensor.numel()]
        self.copies = [tensor.detach().clone() for tensor in self.tensors]

    def take(self) -> None:
        """Copy them as they are now."""
        for copy, tensor in zip(self.copies, self.tensors, strict=True):
            copy.copy_(tensor.detach())

    def give_back(self) -> None:
        """Let the module be as it was."""
        for copy, tensor in zip(self.copies, self.tensors, strict=True):
            tensor.detach().copy_(copy)
