"""A Graph takes down what runs, and changes nothing of it."""

import numpy as np
import pytest

from pellucid.errors import InvalidArgumentError
from pellucid.trees import Tree
from pellucid.watching import Graph, widget

torch = pytest.importorskip("torch")


def leaf(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def test_each_operation_is_a_node_with_its_inputs_value_line_and_slope():
    w, x = leaf(0.8), leaf(0.5)
    with Graph(w=w, x=x) as graph:
        f = torch.tanh(w * x + 1)
    f.backward()
    assert [(node.name or node.operation, node.inputs) for node in graph] == [
        ("w", ()), ("x", ()), ("·", (0, 1)), ("+ 1", (2,)), ("tanh", (3,)),
    ]  # fmt: skip
    assert [float(node.value) for node in graph[2:]] == pytest.approx([0.4, 1.4, np.tanh(1.4)], abs=1e-15)
    assert graph[4].line == "f = torch.tanh(w * x + 1)"
    assert graph[4].place[0] == __file__
    below = 1 - np.tanh(1.4) ** 2
    assert [float(node.slope) for node in graph] == pytest.approx([0.5 * below, 0.8 * below, below, below, 1])
    assert str(graph).splitlines()[2] == "   2  ·(0, 1) = 0.4"


def test_a_loop_makes_its_nodes_as_often_as_it_goes_round():
    def rounds(n):
        h, w = torch.zeros((), dtype=torch.float64), leaf(0.9)
        with Graph(w=w, h=h) as graph:
            for _ in range(n):
                h = torch.tanh(w * h)
        return graph

    assert [len(rounds(n)) for n in (0, 1, 5)] == [2, 4, 12]
    assert rounds(3)[-1].inputs == (6,)


def test_a_branch_that_is_not_taken_makes_none():
    def taken(x):
        with Graph(x=x) as graph:
            _ = torch.relu(x) if x > 0 else torch.tanh(x) * 2
        return [node.operation for node in graph][1:]

    assert taken(leaf(1.0)) == ["relu"]
    assert taken(leaf(-1.0)) == ["tanh", "· 2"]


def test_what_is_cut_joined_or_changed_in_place_is_followed():
    x = torch.arange(4.0)
    with Graph(x=x) as graph:
        a, b = x.chunk(2)
        c = torch.cat([b, a])
        c.mul_(2)
        c.sum()
    assert [(node.operation, node.inputs) for node in graph][1:] == [
        ("part 1/2", (0,)), ("part 2/2", (0,)), ("[;]", (2, 1)), ("· 2", (3,)), ("sum", (4,)),
    ]  # fmt: skip
    assert graph[3].value.tolist() == [2, 3, 0, 1]
    assert graph[4].value.tolist() == [4, 6, 0, 2]


def test_what_was_changed_in_place_has_no_slope_of_its_own():
    x = leaf(3.0)
    with Graph(x=x) as graph:
        y = x * 2
        y.mul_(5)
    y.backward()
    assert [None if node.slope is None else float(node.slope) for node in graph] == [10, None, 1]


def test_the_run_is_the_same_to_the_last_bit_with_and_without():
    def run(watched):
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        x = torch.randn(5, 3)
        if watched:
            with Graph(x=x):
                out = torch.nn.functional.dropout(torch.relu(layer(x)), 0.5).sum()
        else:
            out = torch.nn.functional.dropout(torch.relu(layer(x)), 0.5).sum()
        out.backward()
        return out.item(), layer.weight.grad.numpy().tobytes(), torch.rand(1).item()

    assert run(True) == run(False)


def test_outside_the_block_nothing_is_taken_down():
    x = leaf(1.0)
    with Graph(x=x) as graph:
        y = x * 2
    _ = y * 3
    assert len(graph) == 2
    with pytest.raises(ZeroDivisionError), Graph(x=x) as broken:
        1 / 0  # noqa: B018
    _ = x * 4
    assert len(broken) == 1


def test_what_nobody_named_is_given_and_what_is_beyond_the_bound_is_counted():
    unnamed = leaf(1.0)
    with Graph(most=3) as graph:
        (unnamed * 2 + 1).tanh().exp()
    assert [node.name for node in graph] == ["given", "", ""]
    assert graph.missed == 2


def test_only_tensors_have_names():
    with pytest.raises(InvalidArgumentError, match="w must be a tensor of torch, got float"):
        Graph(w=1.0)


def test_the_library_s_own_machine_can_be_watched():
    from pellucid.networks.spinn.machine import Cell, machine

    torch.manual_seed(0)
    cell, leaves = Cell(hidden=3).double(), torch.randn(3, 6, dtype=torch.float64)
    tree = Tree.parse("( ( a b ) c )")
    plain = machine(cell, leaves, [np.arange(3)], [tree.transitions]).h
    with Graph(W=cell.W, b=cell.b, words=leaves) as graph:
        h = machine(cell, leaves, [np.arange(3)], [tree.transitions]).h
    assert torch.equal(h, plain)
    lines = {node.line for node in graph}
    assert "return o.sigmoid() * c.tanh(), c" in lines
    assert sum(node.operation == "@" for node in graph) == 2  # two words, then the third: two reduces


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_widget_shows_it():
    pytest.importorskip("anywidget")
    w = leaf(0.8)
    with Graph(w=w, x=torch.ones(100)) as graph:
        f = (w * 2).tanh()
    f.backward()
    shown = widget(graph)
    assert shown.views == ["graph"]
    nodes = shown.graph["nodes"]
    assert [node["value"] for node in nodes] == [0.8, None, 1.6, pytest.approx(np.tanh(1.6))]
    assert nodes[1]["shape"] == "100"
    assert nodes[1]["slope"] is None
    assert shown.graph["lines"] == ["f = (w * 2).tanh()"]
    assert [node["line"] for node in nodes] == [-1, -1, 0, 0]
