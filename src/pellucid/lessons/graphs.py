"""A lesson: computation graphs, built once or as the code runs, by hand and by PyTorch; a recurrent network; SPINN."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Pellucid: graphs")

with app.setup(hide_code=True):
    import math

    import numpy as np
    import torch

    from pellucid.lessons.telling import Teller, switch
    from pellucid.networks.spinn.batched import encode
    from pellucid.networks.spinn.machine import Cell, machine
    from pellucid.trees import Tree
    from pellucid.watching import Graph, widget


@app.cell(hide_code=True)
def _():
    chosen = switch()
    chosen
    return (chosen,)


@app.cell(hide_code=True)
def _(chosen):
    tell = Teller(chosen.value)
    return (tell,)


@app.cell(hide_code=True)
def _(tell):
    tell(
        r"""
        # Computation graphs

        Every computation is a **graph**: values are its nodes, and an arrow goes from each value to those that are computed from it. Take

        $$f = \tanh(w \cdot x + u)$$

        Three given values, then a product, a sum, a tanh. Why draw it? Because the graph gives us **slopes**. Ask how fast f rises with w:
        go back from f to w and multiply what lies on the arrows. Where several ways lead back, add them up. That is the chain rule, and
        whoever has the graph can have it done by a machine, for any formula.

        There are two ways to come by the graph: write it down **before** anything runs, or take it down **while** the code runs.
        """,
        r"""
        # 计算图

        每个计算都是一张**图**：值是节点，每个值都有箭头指向由它算出的值。比如

        $$f = \tanh(w \cdot x + u)$$

        三个给定的值，然后一个积、一个和、一个 tanh。为什么要画图？因为图能给我们**斜率**。问 f 随 w 上升多快：
        从 f 走回 w，把箭头上的数相乘。如果有几条路，就加起来。这就是链式法则；谁有了图，就能让机器替他做，不管什么公式。

        得到图的办法有两种：在运行**之前**写下来，或者在代码运行**的时候**记下来。
        """,
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Built once

        First way: the graph is data. A list says what is computed from what, in order. Nothing has run yet; one cannot even see a number.
        A second function then runs the list, as often as we like, and a third goes through it backwards.
        """,
        """
        ## 一次建好

        第一种办法：图就是数据。一个列表按顺序说明什么由什么算出。这时什么都没有运行，连一个数都看不到。
        然后由第二个函数运行这个列表，想运行几次就几次；第三个函数倒着走一遍。
        """,
    )
    return


@app.cell
def _():
    graph = [("product", "mul", ("w", "x")), ("total", "add", ("product", "u")), ("f", "tanh", ("total",))]

    RULES = {  # how each operation computes, and its slope by each of its inputs
        "mul": (lambda a, b: a * b, lambda a, b, out: (b, a)),
        "add": (lambda a, b: a + b, lambda a, b, out: (1.0, 1.0)),
        "tanh": (math.tanh, lambda a, out: (1 - out**2,)),
    }

    def run(graph, given):
        values = dict(given)
        for name, operation, inputs in graph:
            values[name] = RULES[operation][0](*[values[i] for i in inputs])
        return values

    def backward(graph, values):
        slopes = dict.fromkeys(values, 0.0)
        slopes[graph[-1][0]] = 1.0  # the result rises with itself, one to one
        for name, operation, inputs in reversed(graph):
            local = RULES[operation][1](*[values[i] for i in inputs], values[name])
            for i, slope in zip(inputs, local, strict=True):
                slopes[i] += slopes[name] * slope
        return slopes

    given = {"w": 0.8, "x": 0.5, "u": -0.1}
    values = run(graph, given)
    slopes = backward(graph, values)
    nudge = 1e-6
    measured = (run(graph, given | {"w": 0.8 + nudge})["f"] - values["f"]) / nudge
    print({name: round(v, 4) for name, v in values.items()})
    print(f"slope of f by w: backwards {slopes['w']:.6f}, by nudging {measured:.6f}")
    assert math.isclose(slopes["w"], measured, abs_tol=1e-5)
    return given, slopes, values


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        A graph that is built once can be planned once: which memory it needs, what can run side by side, what can be compiled. That is
        fast. The price: the graph is always the same. A sentence of three words and one of ten need two graphs, and `if` and
        `for` have to become operations of their own.

        ## Built as the code runs

        Second way: a number that **remembers what it was computed from**. Then ordinary Python is the program, and the graph grows on
        the side. Here is such a number, whole:
        """,
        """
        一次建好的图，可以一次规划好：需要多少内存，哪些能同时运行，哪些能编译。所以快。代价是：图总是同一张。
        三个词的句子和十个词的句子需要两张图，`if` 和 `for` 必须变成专门的运算。

        ## 边运行边建

        第二种办法：一个**记得自己从何而来**的数。于是普通的 Python 就是程序，图在一旁自己生长。下面就是这样一个数的全部：
        """,
    )
    return


@app.cell
def _():
    class Value:
        """A number, what it was computed from, and its slope by each of those."""

        def __init__(self, number, inputs=(), local=()):
            self.number, self.inputs, self.local, self.slope = number, inputs, local, 0.0

        def __add__(self, other):
            return Value(self.number + other.number, (self, other), (1.0, 1.0))

        def __mul__(self, other):
            return Value(self.number * other.number, (self, other), (other.number, self.number))

        def tanh(self):
            out = math.tanh(self.number)
            return Value(out, (self,), (1 - out**2,))

        def nodes(self):
            """Return the graph behind this value, each value after those that it was computed from."""
            order, seen, waiting = [], set(), [(self, False)]
            while waiting:
                value, done = waiting.pop()
                if done:
                    order.append(value)
                elif id(value) not in seen:
                    seen.add(id(value))
                    waiting += [(value, True), *((each, False) for each in value.inputs)]
            return order

        def backward(self):
            self.slope = 1.0
            for value in reversed(self.nodes()):
                for each, local in zip(value.inputs, value.local, strict=True):
                    each.slope += value.slope * local

    return (Value,)


@app.cell
def _(Value, given, slopes, values):
    w, x, u = (Value(given[name]) for name in "wxu")
    f = (w * x + u).tanh()
    f.backward()
    print(f"f: built once {values['f']:.6f}, as the code runs {f.number:.6f}")
    print(f"slope by w: built once {slopes['w']:.6f}, as the code runs {w.slope:.6f}")
    assert f.number == values["f"]
    assert (w.slope, x.slope, u.slope) == (slopes["w"], slopes["x"], slopes["u"])
    return


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("Why going backwards is enough: the chain rule on a graph", "为什么倒着走一遍就够了：图上的链式法则"),
        (
            r"""
            Let $v_1, \dots, v_n$ be the values in the order in which they were computed, $v_n = f$ the result, and
            $\bar v_i = \partial f / \partial v_i$. Then $\bar v_n = 1$, and a value acts on the result only through those that use it:

            $$\bar v_i = \sum_{j \text{ uses } i} \bar v_j \, \frac{\partial v_j}{\partial v_i}.$$

            In reverse order every $\bar v_j$ on the right is known when it is needed. Each arrow is visited once, so **all** slopes together
            cost about as much as the computation itself, however many inputs there are. Going forwards instead would take one pass
            for each input.
            """,
            r"""
            设 $v_1, \dots, v_n$ 是按计算顺序排列的值，$v_n = f$ 是结果，$\bar v_i = \partial f / \partial v_i$。
            那么 $\bar v_n = 1$，而一个值只能通过用到它的那些值影响结果：

            $$\bar v_i = \sum_{j \text{ 用到 } i} \bar v_j \, \frac{\partial v_j}{\partial v_i}.$$

            按相反的顺序走，右边的每个 $\bar v_j$ 在需要时都已知。每个箭头只走一次，所以不管有多少输入，
            **全部**斜率加起来的代价和计算本身差不多。如果正着走，每个输入都要走一遍。
            """,
        ),
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## A recurrent network in three lines

        Now a network that reads a sequence, number by number, and carries what it knows along in `h`. Its graph is as long as the
        sequence, and nobody has to write it down. Python's own `for` builds it:
        """,
        """
        ## 三行的循环网络

        现在来一个逐个读数列的网络，它把知道的东西放在 `h` 里带着走。它的图和数列一样长，而没有人需要把它写下来。
        Python 自己的 `for` 就把它建好了：
        """,
    )
    return


@app.cell
def _(Value):
    def read(sequence, weight, feed):
        h = Value(0.0)
        for number in sequence:
            h = (weight * h + feed * Value(number)).tanh()
        return h

    hand = {}
    for sequence in ([1.0, -0.5], [1.0, -0.5, 0.25], [1.0, -0.5, 0.25, 2.0, -1.0]):
        weight, feed = Value(0.9), Value(0.5)
        end = read(sequence, weight, feed)
        end.backward()
        rise = (read(sequence, Value(0.9 + 1e-6), Value(0.5)).number - end.number) / 1e-6
        hand[len(sequence)] = (end.number, weight.slope, feed.slope)
        print(
            f"{len(sequence)} numbers: {len(end.nodes())} nodes, slope by the weight {weight.slope:.6f}, nudged {rise:.6f}"
        )
        assert math.isclose(weight.slope, rise, abs_tol=1e-5)
    return (hand,)


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        The weight is one node with many arrows: it is used in every round, and its slope is the sum over all of them.

        ## The same in PyTorch

        PyTorch's tensors are such numbers (whole arrays of them). Pellucid's `Graph` looks on while the code runs, and takes down each
        operation with the line that ran. The computation itself is not changed. Pull the slider to the left and press →: the graph grows;
        when it is whole, the slopes come back.
        """,
        """
        权重是一个有许多箭头的节点：每一轮都用到它，它的斜率是所有轮次之和。

        ## 在 PyTorch 里

        PyTorch 的张量就是这样的数（而且是整个数组）。Pellucid 的 `Graph` 在代码运行时旁观，记下每个运算和正在运行的那一行，
        计算本身不变。把滑块拉到最左边，再按 →：图会生长；长成之后，斜率就回来了。
        """,
    )
    return


@app.cell
def _(hand):
    W = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    U = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    numbers = torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64)
    with Graph(W=W, U=U, x=numbers) as recorded:
        h = torch.zeros((), dtype=torch.float64)
        for x_t in numbers:
            h = torch.tanh(W * h + U * x_t)
    h.backward()
    print("by hand ", hand[3])
    print("by torch", (h.item(), W.grad.item(), U.grad.item()))
    assert np.allclose(hand[3], (h.item(), W.grad.item(), U.grad.item()), rtol=0, atol=1e-14)
    widget(recorded)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## SPINN: the sentence decides

        A sequence only makes the graph longer or shorter. A **tree** gives it another shape. SPINN reads a sentence by two
        moves: SHIFT puts the next word on a stack, REDUCE makes one state of the two uppermost. Which comes when, the sentence says.
        The same three words, in two bracketings: the same number of nodes, but joined otherwise, and another result.

        This is the library's own code, `networks/spinn/machine.py`; the lines that you see marked are its lines.
        """,
        """
        ## SPINN：由句子决定

        数列只会让图变长或变短。**树**会改变它的形状。SPINN 用两种动作读句子：SHIFT 把下一个词放到栈上，
        REDUCE 把最上面的两个状态合成一个。什么时候做哪一个，由句子决定。
        同样三个词，两种括号：节点数目相同，连法不同，结果也不同。

        这里运行的是库自己的代码 `networks/spinn/machine.py`；你看到被标出的行就是它的行。
        """,
    )
    return


@app.cell
def _():
    torch.manual_seed(0)
    cell = Cell(hidden=4).double()
    leaves = torch.randn(3, 8, dtype=torch.float64)  # h and c of three words
    left, right = Tree.parse("( ( old men ) sing )"), Tree.parse("( old ( men sing ) )")
    found = {}
    for tree in (left, right):
        with Graph(W=cell.W, b=cell.b, words=leaves) as seen:
            h_tree = machine(cell, leaves, [np.arange(3)], [tree.transitions]).h
        found[tree] = (h_tree[0].detach(), seen)
        print(f"{tree}: {len(seen)} nodes, h = {h_tree[0].detach().numpy().round(3)}")
    assert len(found[left][1]) == len(found[right][1])
    assert not torch.equal(found[left][0], found[right][0])
    return cell, found, leaves, left, right


@app.cell
def _(found, left):
    widget(found[left][1])
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Both at once

        Building as the code runs is easy to write, and slow: every node costs Python's time. So the library has both. `machine` reads one
        sentence, for you to read; `encode` first makes a **plan** of all the transitions of many sentences, a graph built once for this
        batch, and then runs it in compiled code. Both come to the same.
        """,
        """
        ## 两全

        边运行边建，写起来容易，运行起来慢：每个节点都要花 Python 的时间。所以库里两种都有。`machine` 一次读一个句子，给你看；
        `encode` 先为许多句子的所有转移做一个**计划**，也就是为这一批建好一张图，再用编译过的代码运行。两者结果相同。
        """,
    )
    return


@app.cell
def _(cell, leaves, left, right):
    tokens, transitions = [np.arange(3)] * 2, [left.transitions, right.transitions]
    one_by_one = machine(cell, leaves, tokens, transitions).h.detach()
    planned = encode(cell, leaves, tokens, transitions).h.detach()
    print("as the code runs", one_by_one[0].numpy())
    print("planned         ", planned[0].numpy())
    assert torch.allclose(one_by_one, planned, rtol=0, atol=1e-12)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Try it

        - Put an `if` into the three lines: read a number only if it is positive. What does the graph look like?
        - Give `Value` a method `__sub__`, and check it by nudging.
        - Go on with `pellucid lesson spinn`.
        """,
        """
        ## 试一试

        - 在那三行里加一个 `if`：只读正数。图是什么样？
        - 给 `Value` 加一个方法 `__sub__`，并用“轻推”检验。
        - 接着看 `pellucid lesson spinn`。
        """,
    )
    return


if __name__ == "__main__":
    app.run()
