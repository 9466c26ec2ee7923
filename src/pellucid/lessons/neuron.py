"""A lesson: one neuron, by hand and by the library."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Pellucid: neuron")

with app.setup(hide_code=True):
    import time

    import marimo as mo
    import numpy as np

    from pellucid import Neuron
    from pellucid.lessons.telling import Teller, switch
    from pellucid.watching import widget


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
        """
        # One neuron

        Here is a riddle. Four examples, three inputs each, and one answer:

        | input 1 | input 2 | input 3 | answer |
        |---|---|---|---|
        | 0 | 0 | 1 | **0** |
        | 1 | 1 | 1 | **1** |
        | 1 | 0 | 1 | **1** |
        | 0 | 1 | 1 | **0** |

        What is the answer for **1 0 0**? You see it at once: the answer is always the first input, so it is 1.
        Nobody told you; you found it in the examples. In this lesson a neuron finds it too, and you will have seen
        every number on its way.
        """,
        """
        # 一个神经元

        先来一道谜题。四个例子，每个有三个输入和一个答案：

        | 输入 1 | 输入 2 | 输入 3 | 答案 |
        |---|---|---|---|
        | 0 | 0 | 1 | **0** |
        | 1 | 1 | 1 | **1** |
        | 1 | 0 | 1 | **1** |
        | 0 | 1 | 1 | **0** |

        那么 **1 0 0** 的答案是什么？你一眼就看出来了：答案总是第一个输入，所以是 1。
        没有人告诉你，是你自己从例子里发现的。这一课里，一个神经元也会发现它，而它一路上的每个数你都会看到。
        """,
    )
    return


@app.cell
def _():
    X = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]])  # (4, 3): an example a row
    y = np.array([0, 1, 1, 0])  # (4,): the answers
    w = np.array([-0.17, 0.44, -1.0])  # (3,): one weight an input, so far any numbers
    return X, w, y


@app.cell(hide_code=True)
def _(tell):
    tell(
        r"""
        ## What a neuron computes

        **First, a weighted sum.** Each input has a *weight*, a number that says how much this input counts. Multiply and add:

        $$z = x_1 w_1 + x_2 w_2 + x_3 w_3$$

        A positive weight says "if this input is on, the answer is rather 1", a negative one "rather 0".

        **Then, press it between 0 and 1.** The sum may be any number, an answer should lie between 0 and 1. The *sigmoid* does
        this: large sums become almost 1, very negative ones almost 0, and 0 becomes exactly one half.

        $$\text{out} = \sigma(z) = \frac{1}{1 + e^{-z}}$$

        In NumPy, `X @ w` is the weighted sum of all four rows at once.
        """,
        r"""
        ## 神经元算什么

        **先算加权和。** 每个输入有一个*权重*，表示这个输入有多重要。相乘，再相加：

        $$z = x_1 w_1 + x_2 w_2 + x_3 w_3$$

        正的权重在说“这个输入打开时，答案更像是 1”，负的权重在说“更像是 0”。

        **再压到 0 和 1 之间。** 和可以是任何数，而答案应当在 0 和 1 之间。*sigmoid* 函数做的就是这件事：
        大的和变得接近 1，很负的和变得接近 0，而 0 正好变成二分之一。

        $$\text{out} = \sigma(z) = \frac{1}{1 + e^{-z}}$$

        在 NumPy 里，`X @ w` 一次就算出四行的加权和。
        """,
    )
    return


@app.cell
def _(X, w):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    z = X @ w
    out = sigmoid(z)
    print("z  ", z)
    print("out", out.round(3))
    return out, sigmoid, z


@app.cell(hide_code=True)
def _(tell, w, z):
    tell(
        f"""
        Check the second row, 1 1 1, with your own pencil: 1 · ({w[0]}) + 1 · ({w[1]}) + 1 · ({w[2]}) = **{z[1]:.2f}**.
        The weights know nothing yet, so the outputs are wrong.
        """,
        f"""
        用笔验算第二行 1 1 1：1 · ({w[0]}) + 1 · ({w[1]}) + 1 · ({w[2]}) = **{z[1]:.2f}**。
        权重现在什么都不知道，所以输出是错的。
        """,
    )
    return


@app.cell(hide_code=True)
def _(tell):
    sliders = mo.ui.array([mo.ui.slider(-10, 10, 0.5, 0, label=f"w{i}", show_value=True) for i in (1, 2, 3)])
    mo.vstack([tell("**Be the neuron.** Move the weights until the outputs are the answers.",
                    "**你来当神经元。** 移动权重，直到输出等于答案。"), mo.hstack(list(sliders), justify="start")])  # fmt: skip
    return (sliders,)


@app.cell(hide_code=True)
def _(X, sigmoid, sliders, tell, y):
    yours = sigmoid(X @ np.array(sliders.value))
    rows = "".join(
        f"| {' '.join(map(str, x))} | {t} | {o:.3f} | {t - o:+.3f} |\n" for x, t, o in zip(X, y, yours, strict=True)
    )
    tell(
        f"| input | answer | your neuron | error |\n|---|---|---|---|\n{rows}",
        f"| 输入 | 答案 | 你的神经元 | 误差 |\n|---|---|---|---|\n{rows}",
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        r"""
        ## How it learns

        You moved the weights by looking at the errors. The neuron has a rule for that. For each example:

        1. **error = answer − out.** Positive: the output should rise. Negative: it should fall.
        2. **slope = out · (1 − out).** How fast the output moves when the sum moves. Near 0 or 1 it hardly moves: the neuron is sure.
        3. **delta = error · slope.** What this example asks for.
        4. **Each weight moves by input · delta,** added up over the examples. An input that was 0 had no part in the error, so
           its weight stays.
        """,
        r"""
        ## 它怎样学习

        你是看着误差移动权重的。神经元有一条规则来做这件事。对每个例子：

        1. **error = 答案 − out。** 正：输出应当上升。负：应当下降。
        2. **slope = out · (1 − out)。** 和变动时输出变得多快。在 0 或 1 附近几乎不动：神经元已经有把握了。
        3. **delta = error · slope。** 这个例子提出的要求。
        4. **每个权重移动 输入 · delta，** 对所有例子求和。输入是 0 的，对误差没有责任，它的权重不动。
        """,
    )
    return


@app.cell
def _(X, out, y):
    error = y - out  # (4,)
    slope = out * (1 - out)  # (4,)
    delta = error * slope  # (4,)
    change = X.T @ delta  # (3,): for each weight the sum over the examples
    print("error ", error.round(3))
    print("slope ", slope.round(3))
    print("change", change.round(3))
    return change, slope


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        Is out · (1 − out) really the slope? No calculus is needed to check: **nudge** the sum by a tiny bit, and see by how many
        times that bit the output moves.
        """,
        """
        out · (1 − out) 真的是斜率吗？不用微积分也能检验：把和**轻轻推**一点点，看看输出移动了这一点点的多少倍。
        """,
    )
    return


@app.cell
def _(sigmoid, slope, z):
    nudge = 1e-6
    measured = (sigmoid(z + nudge) - sigmoid(z)) / nudge
    print("by the formula", slope)
    print("by nudging    ", measured)
    assert np.allclose(slope, measured, atol=1e-6)
    return


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("For those who know calculus: where the rule comes from", "给学过微积分的人：这条规则从何而来"),
        (
            r"""
            Let the loss be half the sum of the squared errors, $C = \tfrac12 \sum_n (y_n - \text{out}_n)^2$. By the chain rule

            $$\frac{\partial C}{\partial w_i} = \sum_n \underbrace{-(y_n - \text{out}_n)}_{\partial C / \partial \text{out}_n}
            \cdot \underbrace{\text{out}_n (1 - \text{out}_n)}_{\partial \text{out}_n / \partial z_n} \cdot
            \underbrace{x_{ni}}_{\partial z_n / \partial w_i}$$

            and for the middle factor, with $\sigma(z) = (1 + e^{-z})^{-1}$,

            $$\sigma'(z) = \frac{e^{-z}}{(1 + e^{-z})^2} = \frac{1}{1 + e^{-z}} \cdot \frac{e^{-z}}{1 + e^{-z}} = \sigma(z)\,(1 - \sigma(z)).$$

            A step of length 1 against this slope is $w \leftarrow w + X^\mathsf{T}\,(\text{error} \cdot \text{out}\,(1 - \text{out}))$:
            the rule is *gradient descent*.
            """,
            r"""
            设损失为误差平方和的一半，$C = \tfrac12 \sum_n (y_n - \text{out}_n)^2$。由链式法则

            $$\frac{\partial C}{\partial w_i} = \sum_n \underbrace{-(y_n - \text{out}_n)}_{\partial C / \partial \text{out}_n}
            \cdot \underbrace{\text{out}_n (1 - \text{out}_n)}_{\partial \text{out}_n / \partial z_n} \cdot
            \underbrace{x_{ni}}_{\partial z_n / \partial w_i}$$

            中间一项，由 $\sigma(z) = (1 + e^{-z})^{-1}$ 得

            $$\sigma'(z) = \frac{e^{-z}}{(1 + e^{-z})^2} = \frac{1}{1 + e^{-z}} \cdot \frac{e^{-z}}{1 + e^{-z}} = \sigma(z)\,(1 - \sigma(z)).$$

            逆着斜率走长度为 1 的一步，就是 $w \leftarrow w + X^\mathsf{T}\,(\text{error} \cdot \text{out}\,(1 - \text{out}))$：
            这条规则就是*梯度下降*。
            """,
        ),
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Ten thousand times

        One such step helps a little. So repeat it. The whole neuron, learning, is these lines. (The first weights are random, but
        the same in every run.)
        """,
        """
        ## 一万次

        这样一步只有一点帮助，那就重复。整个会学习的神经元就是下面几行。（最初的权重是随机的，但每次运行都相同。）
        """,
    )
    return


@app.cell
def _(X, sigmoid, y):
    w_hand = (2 * np.random.RandomState(1).random_sample((3, 1)) - 1)[:, 0]
    for _ in range(10_000):
        o = sigmoid(X @ w_hand)
        w_hand = w_hand + X.T @ ((y - o) * o * (1 - o))
    by_hand = sigmoid(np.array([1, 0, 0]) @ w_hand)
    print("weights", w_hand.round(3))
    print(f"1 0 0 -> {by_hand:.8f}")
    return by_hand, w_hand


@app.cell(hide_code=True)
def _(by_hand, tell, w_hand):
    tell(
        f"""
        The weight of the first input has become large ({w_hand[0]:.2f}): it decides. That of the second is small
        ({w_hand[1]:.2f}): it says nothing. The third input is always 1 in the examples, and its negative weight
        ({w_hand[2]:.2f}) makes the answer 0 as long as the first input is off. For 1 0 0, never seen before, the
        neuron answers **{by_hand:.8f}**: almost certainly 1.
        """,
        f"""
        第一个输入的权重变得很大（{w_hand[0]:.2f}）：由它决定。第二个很小（{w_hand[1]:.2f}）：它什么也没说。
        第三个输入在例子里总是 1，它的负权重（{w_hand[2]:.2f}）使第一个输入关闭时答案为 0。
        对从未见过的 1 0 0，神经元回答 **{by_hand:.8f}**：几乎肯定是 1。
        """,
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## The library's neuron

        Pellucid's `Neuron` does the same, in compiled code, with checks of what it is given. Do both agree?
        """,
        """
        ## 库里的神经元

        Pellucid 的 `Neuron` 做的是同一件事：用编译过的代码，并检查输入。两者一致吗？
        """,
    )
    return


@app.cell
def _(X, by_hand, w_hand, y):
    neuron = Neuron(random_state=1).fit(X, y)
    by_library = neuron.predict_proba([[1, 0, 0]])[0, 1]
    print("weights by hand   ", w_hand)
    print("weights by library", neuron.coef_[0])
    print(f"1 0 0 by hand {by_hand:.12f}, by library {by_library:.12f}")
    assert np.allclose(w_hand, neuron.coef_[0], rtol=0, atol=1e-9)
    assert abs(by_hand - by_library) < 1e-12
    assert f"{by_library:.8f}" == "0.99993704"
    return


@app.cell
def _(X, change, w, y):
    one_step = Neuron(1, random_state=1, engine="reference").fit(X, y)
    one_step.w_ = w.copy()  # the weights from the beginning of this lesson
    trace = one_step.trace(X, y)
    print("change by hand   ", change)
    print("change by library", trace["change"])
    assert np.allclose(change, trace["change"])
    trace
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        Above: every value of one step, as the library's `trace` tells it. And now watch one learn. This runs the library, and
        draws with the studio's own picture.
        """,
        """
        上面是一步里的每一个值，由库的 `trace` 给出。现在看它学习：运行的是库本身，画图的是工作室里的同一个视图。
        """,
    )
    return


@app.cell
def _(X, y):
    watched = Neuron(300, random_state=1)
    shown = widget(watched, X[1:2], y[1:2])
    shown
    return shown, watched


@app.cell
def _(X, shown, watched, y):
    for _step in shown.watch(watched.steps(X, y), every=5):
        if mo.running_in_notebook():
            time.sleep(0.01)  # slow enough for eyes
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Try it

        - Change the answers in the second cell to "input 1 **or** input 2". Does the neuron learn it?
        - Change them to "exactly one of inputs 1 and 2", which is 0 0 1 1. It cannot learn this, however long it runs. The next
          lesson, `pellucid lesson mlp`, shows why, and what helps.
        """,
        """
        ## 试一试

        - 把前面代码里的答案改成“输入 1 **或** 输入 2”。神经元学得会吗？
        - 改成“输入 1 和 2 中恰好有一个是 1”，也就是 0 0 1 1。不管运行多久，它都学不会。下一课 `pellucid lesson mlp` 讲为什么，以及怎么办。
        """,
    )
    return


if __name__ == "__main__":
    app.run()
