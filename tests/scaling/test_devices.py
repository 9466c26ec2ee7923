"""Which device a process takes: what torch says of the machine's GPUs is set here, for no machine has all of them."""

import numpy as np
import pytest

from pellucid.errors import InvalidArgumentError, PellucidWarning
from pellucid.scaling.engine import device_for

torch = pytest.importorskip("torch")
FLOAT = np.dtype(np.float32)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes this process the second of so many, on a machine with so many GPUs."""

    def make(gpus, processes=1):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        names = {"RANK": "1", "WORLD_SIZE": processes, "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": processes}
        for name, value in names.items():
            if processes > 1:
                monkeypatch.setenv(name, str(value))
            else:
                monkeypatch.delenv(name, raising=False)

    return make


def test_each_process_takes_the_gpu_of_its_number(machine):
    machine(gpus=2, processes=2)
    assert device_for("auto", FLOAT) == device_for("cuda", FLOAT) == torch.device("cuda", 1)
    machine(gpus=2)
    assert device_for("auto", FLOAT) == torch.device("cuda", 0)


def test_where_there_are_fewer_gpus_auto_is_the_processor_and_cuda_is_refused(machine):
    machine(gpus=1, processes=2)
    too_few = "2 processes of this machine need a GPU each, and it has 1"
    with pytest.warns(PellucidWarning, match=f"{too_few}, so device='auto' is the processor"):
        assert device_for("auto", FLOAT) == torch.device("cpu")
    with pytest.raises(InvalidArgumentError, match=f"{too_few}; give torchrun --nproc-per-node 1"):
        device_for("cuda", FLOAT)
    machine(gpus=0, processes=2)
    assert device_for("auto", FLOAT) == torch.device("cpu")  # and nothing is said
    with pytest.raises(InvalidArgumentError, match="no such device"):
        device_for("cuda", FLOAT)


def test_a_gpu_by_number_is_not_for_several_processes(machine):
    from pellucid.networks.spinn.parameters import check_parameters
    from pellucid.spinn import SPINNClassifier

    machine(gpus=2, processes=2)
    with pytest.raises(InvalidArgumentError, match="device must be 'cuda' or 'cpu' for several processes"):
        check_parameters(SPINNClassifier(device="cuda:1"))
