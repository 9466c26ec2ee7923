"""What plot draws of an associative memory, and what inspect says of it."""

import json

import numpy as np

import pellucid
from pellucid.cli.inspect import inspect
from pellucid.data.letters import letters
from pellucid.networks.dense_memory import DenseAssociativeMemory
from pellucid.networks.hopfield import HopfieldNetwork
from pellucid.watching import plot


def test_a_memory_is_drawn_as_its_patterns_and_its_weights():
    model = HopfieldNetwork("pseudo_inverse", random_state=0).fit(letters())
    titles = [axes.get_title(loc="left") for axes in plot(model).axes]
    assert titles[:2] == ["The stored patterns", "Weights: orange agree, blue oppose"]
    np.testing.assert_allclose(plot(model).axes[1].images[0].get_array(), model.weights_)


def test_a_dense_memory_has_patterns_and_no_weights():
    titles = [axes.get_title(loc="left") for axes in plot(DenseAssociativeMemory().fit(letters())).axes]
    assert titles == ["The stored patterns"]


def test_inspect_tells_units_and_patterns_of_a_memory(tmp_path, capsys):
    model = HopfieldNetwork("pseudo_inverse", bias=np.zeros(100), random_state=0).fit(letters())
    pellucid.save(model, tmp_path / "m.pellucid")
    inspect(tmp_path / "m.pellucid", json=True)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["units"], facts["patterns"], facts["form"]) == (100, 26, "matrix")
    assert facts["parameters"]["rule"] == "pseudo_inverse"
    inspect(tmp_path / "m.pellucid", json=False)
    assert "bias=(100)" in capsys.readouterr().out


def test_inspect_tells_units_and_patterns_of_a_dense_memory(tmp_path, capsys):
    pellucid.save(DenseAssociativeMemory("exponential", beta=20.0).fit(letters()), tmp_path / "m.pellucid")
    inspect(tmp_path / "m.pellucid", json=True)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["class"], facts["units"], facts["patterns"]) == ("DenseAssociativeMemory", 100, 26)
    assert facts["parameters"] == {"interaction": "exponential", "beta": 20.0}
