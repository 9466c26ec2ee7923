"""A tiny model that keeps itself in a file, and files forged by hand with a digest that is right."""

import json
from hashlib import sha256

import numpy as np

from pellucid.saving import expect_names, expect_shape
from pellucid.saving.file import BLANK, DIGEST, PREFIX


class Line:
    """y = x W + b."""

    def __init__(self, shape=(3, 2), fill=None, **parameters):
        self.parameters = {"shape": tuple(shape), **parameters}
        self.weights = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) if fill is None else fill
        self.bias = np.linspace(-1, 1, shape[1])

    def to_file(self):
        return {"parameters": self.parameters}, {"weights": self.weights, "bias": self.bias}

    @classmethod
    def from_file(cls, header, arrays):
        shape = header["parameters"]["shape"]
        expect_names(arrays, ["weights", "bias"])
        model = cls(**header["parameters"], fill=expect_shape(arrays, "weights", shape))
        model.bias = expect_shape(arrays, "bias", shape[1:])
        return model


class Other(Line):
    """A class that no file may name."""


ENTRIES = {"class": "Line", "format": 1, "pellucid": "0.1.0", "parameters": {"shape": {"!tuple": [3, 2]}}}
WEIGHTS = '"weights":{"dtype":"F32","shape":[3,2],"data_offsets":[16,40]}'
BIAS = '"bias":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}'
DATA = np.arange(2.0).tobytes() + np.arange(6, dtype=np.float32).tobytes()


def forge(path, arrays=f"{BIAS},{WEIGHTS}", data=DATA, entries=None, metadata=""):
    """Write a file as a liar would who can compute SHA-256: any header, any data, and the right digest."""
    entries = json.dumps(ENTRIES) if entries is None else entries
    text = PREFIX + f'{BLANK}","pellucid":{json.dumps(entries)}{metadata}}}'.encode()
    text += f",{arrays}}}".encode() if arrays else b"}"
    text += b" " * (-len(text) % 8)
    path.write_bytes(seal(len(text).to_bytes(8, "little") + text + data))


def seal(content):
    """Return the file with the digest that it should have."""
    blank = content[: DIGEST.start] + BLANK.encode() + content[DIGEST.stop :]
    return content[: DIGEST.start] + sha256(blank).hexdigest().encode() + content[DIGEST.stop :]
