"""What Pellucid means to reach, one thread, warm: ratios to its peers, a share of a limit, memory."""

from typing import Any

__all__ = ["LIMIT_SHARE", "PEAK_MB", "RATIO", "met"]

RATIO: dict[tuple[str, str], float] = {
    ("neuron-10000", "textbook-numpy"): 80,
    ("neuron-10000", "torch"): 1_000,
    ("two-layer-1500", "textbook-numpy"): 50,
    ("two-layer-1500", "torch"): 400,
    ("xor-10000", "textbook-numpy"): 100,
    ("xor-10000", "sklearn-f64"): 400,
    ("digits-b32-adam", "sklearn-f32"): 14,
    ("digits-b32-adam", "torch-fused"): 16,
    ("digits-b200-adam", "sklearn-f32"): 5,
    ("mnist-b200-adam", "sklearn-f64"): 3.5,
    ("mnist-b200-adam", "sklearn-f32"): 2,
    ("mnist-b200-adam", "torch-best"): 1.6,
    ("mnist-engine-torch", "torch"): 0.95,
    ("predict-60000", "sklearn-f32"): 2,
    ("predict-60000", "sklearn-f64"): 2,
    ("lenet-b100", "torch"): 1.7,
    ("lenet-b100", "torch-fused"): 1.3,
    ("hopfield-784", "textbook-numpy"): 200,
    ("hopfield-784", "hopfieldnetwork"): 600,
    ("hopfield-10000", "textbook-numpy"): 65,
    ("rbm-digits", "sklearn-f64"): 7,
    ("rbm-digits", "sklearn-f32"): 6,
    ("rbm-mnist", "sklearn-f64"): 3.5,
    ("rbm-mnist", "sklearn-f32"): 1.7,
    # A run that nobody watches pays at most 3 % for the means to watch it.
    **{(f"watching-{name}", "bare-loop"): 0.97 for name in ("neuron", "xor", "digits", "cnn", "rbm")},
    ("spinn-50", "article"): 14,
    ("spinn-128", "article"): 6,
    ("spinn-300", "article"): 3.2,
    ("treelstm-50", "article"): 12,
    ("treelstm-128", "article"): 5,
    ("treelstm-300", "article"): 2.8,
    ("own-parses", "python-loop"): 100,
    ("identical-subtrees", "unshared"): 3,
}
LIMIT_SHARE: dict[str, float] = {
    "mnist-b200-adam": 0.75,
    "hopfield-1e6-100": 0.5,
    "hopfield-1e6-1000": 0.5,
    "spinn-300": 0.7,
}
PEAK_MB: dict[str, float] = {"mnist-b200-adam": 64, "memory": 79.1}


def met(row: dict[str, Any]) -> bool | None:
    """Say whether the row's ratio reaches its goal; None where it has none."""
    goal = RATIO.get((row["task"], row["peer"]))
    return None if goal is None or row["ratio"] is None else row["ratio"] >= goal
