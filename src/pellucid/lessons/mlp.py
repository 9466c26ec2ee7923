"""A lesson: several layers and backpropagation, by hand and by the library; exclusive or, then digits."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Pellucid: mlp")

with app.setup(hide_code=True):
    import time

    import marimo as mo
    import numpy as np

    from pellucid import MLPClassifier
    from pellucid.data import load_digits
    from pellucid.lessons.telling import Teller, switch
    from pellucid.watching import plot, widget


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
        # Several layers

        *Exclusive or*: the answer is 1 if exactly one of two inputs is 1.

        | input 1 | input 2 | answer |
        |---|---|---|
        | 0 | 0 | **0** |
        | 0 | 1 | **1** |
        | 1 | 0 | **1** |
        | 1 | 1 | **0** |

        A single neuron cannot learn this. It adds up its inputs, so it draws one straight line: on one side it says yes, on the
        other no. Draw the four points on paper and try to part the two 1s from the two 0s by one line.

        The way out: let several neurons look at the inputs, each with its own line, and let one more neuron look at *their* outputs.
        That is a network with a **hidden layer**.
        """,
        """
        # 多层网络

        *异或*：两个输入中恰好有一个是 1 时，答案为 1。

        | 输入 1 | 输入 2 | 答案 |
        |---|---|---|
        | 0 | 0 | **0** |
        | 0 | 1 | **1** |
        | 1 | 0 | **1** |
        | 1 | 1 | **0** |

        单个神经元学不会。它把输入加起来，所以只能画一条直线：一边说是，另一边说不是。
        把四个点画在纸上，试试用一条直线把两个 1 和两个 0 分开。

        出路是：让几个神经元看输入，每个画自己的线；再让一个神经元看*它们的*输出。这就是有**隐藏层**的网络。
        """,
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("Why one line is not enough: four lines of proof", "为什么一条线不够：四行证明"),
        (
            r"""
            A neuron with a bias $b$ says yes where $w_1 x_1 + w_2 x_2 + b > 0$. It would need

            $$b < 0, \qquad w_2 + b > 0, \qquad w_1 + b > 0, \qquad w_1 + w_2 + b < 0.$$

            Add the two in the middle: $w_1 + w_2 + 2b > 0$. Add the outer two: $w_1 + w_2 + 2b < 0$. Both cannot be.
            """,
            r"""
            有偏置 $b$ 的神经元在 $w_1 x_1 + w_2 x_2 + b > 0$ 时说“是”。它需要

            $$b < 0, \qquad w_2 + b > 0, \qquad w_1 + b > 0, \qquad w_1 + w_2 + b < 0.$$

            中间两式相加：$w_1 + w_2 + 2b > 0$。两端两式相加：$w_1 + w_2 + 2b < 0$。两者不能同时成立。
            """,
        ),
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Forwards

        A third input that is always 1 lets every neuron move its line away from the middle. The hidden layer has four neurons. Each has
        three weights: `W1` has a column for each neuron. The output neuron has four weights, one for each hidden neuron: `W2`.

        All four examples go through at once. A row is an example, a column a neuron.
        """,
        """
        ## 前向

        第三个输入总是 1，它让每个神经元能把自己的线从中间移开。隐藏层有四个神经元，每个有三个权重：`W1` 的每一列是一个神经元。
        输出神经元有四个权重，每个对应一个隐藏神经元：`W2`。

        四个例子一次通过网络。一行是一个例子，一列是一个神经元。
        """,
    )
    return


@app.cell
def _():
    X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=float)  # (4, 3)
    y = np.array([[0], [1], [1], [0]], dtype=float)  # (4, 1)
    rng = np.random.default_rng(0)
    W1, W2 = rng.random((3, 4)), rng.random((4, 1))

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def forward(W1, W2):
        a1 = sigmoid(X @ W1)  # (4, 4): what the hidden neurons say
        p = sigmoid(a1 @ W2)  # (4, 1): what the network answers
        return a1, p

    def loss(W1, W2):
        return ((forward(W1, W2)[1] - y) ** 2).sum()

    a1, p = forward(W1, W2)
    print("hidden", a1.round(2), "answers", p.round(2), f"loss {loss(W1, W2):.4f}", sep="\n")
    return W1, W2, X, a1, forward, loss, p, sigmoid, y


@app.cell(hide_code=True)
def _(tell):
    tell(
        r"""
        The **loss** is one number that says how wrong the network is: the squared errors, added up. Learning means: make it small.

        ## Backwards

        There are 16 weights. For each we need its **slope**: how fast the loss rises if this weight rises. Then we move every weight
        a little against its slope. Nudging each weight in turn would do, but it costs a whole forward pass for each weight, and
        networks have millions. *Backpropagation* gets all slopes in one pass, from the output back to the input:

        1. **At the output**, how fast does the loss rise with the output's weighted sum? Loss with answer, 2 (p − y), times answer
           with sum, p (1 − p). Call it δ2, the error signal.
        2. **A weight of the output neuron** multiplies what its hidden neuron said. So its slope is a1 · δ2: what came in at the left
           times the error signal at the right.
        3. **Each hidden neuron** passes on its blame: the error signal comes back through the same weight, δ2 · W2, and once more
           times the slope of a sigmoid, a1 (1 − a1). That is δ1.
        4. **A weight of a hidden neuron**, again: what came in, times the error signal.

        Multiplying along the way: that is all there is to the *chain rule*.
        """,
        r"""
        **损失**是一个数，表示网络错得有多厉害：误差的平方之和。学习就是：让它变小。

        ## 反向

        一共有 16 个权重。对每一个，我们需要它的**斜率**：这个权重上升时，损失上升得多快。然后把每个权重逆着斜率移动一点点。
        一个一个地推也行，但每个权重都要一次完整的前向计算，而网络有几百万个权重。*反向传播*一次就得到所有斜率，从输出走回输入：

        1. **在输出处**，损失随输出的加权和上升得多快？损失对答案 2 (p − y)，乘以答案对和 p (1 − p)。叫它 δ2，误差信号。
        2. **输出神经元的一个权重**乘的是隐藏神经元说的话。所以它的斜率是 a1 · δ2：左边进来的，乘以右边的误差信号。
        3. **每个隐藏神经元**分担责任：误差信号沿同一个权重回来，δ2 · W2，再乘一次 sigmoid 的斜率 a1 (1 − a1)。这就是 δ1。
        4. **隐藏神经元的一个权重**同样：进来的，乘以误差信号。

        一路相乘：*链式法则*就是这么一回事。
        """,
    )
    return


@app.cell
def _(W1, W2, X, a1, loss, p, y):
    delta2 = 2 * (p - y) * p * (1 - p)  # (4, 1)
    dW2 = a1.T @ delta2  # (4, 1): added up over the examples
    delta1 = (delta2 @ W2.T) * a1 * (1 - a1)  # (4, 4)
    dW1 = X.T @ delta1  # (3, 4)

    def nudged(W, which, nudge=1e-6):
        """Measure the slope of every weight by nudging it, one after the other."""
        slopes = np.zeros_like(W)
        for place in np.ndindex(W.shape):
            moved = W.copy()
            moved[place] += nudge
            both = (moved, W2) if which == 1 else (W1, moved)
            slopes[place] = (loss(*both) - loss(W1, W2)) / nudge
        return slopes

    print("dW1 by the chain rule", dW1.round(5), "dW1 by nudging", nudged(W1, 1).round(5), sep="\n")
    assert np.allclose(dW1, nudged(W1, 1), atol=1e-5)
    assert np.allclose(dW2, nudged(W2, 2), atol=1e-5)
    return dW1, dW2, delta1, delta2


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("The same with calculus", "用微积分写一遍"),
        (
            r"""
            With $z_1 = X W_1$, $a_1 = \sigma(z_1)$, $z_2 = a_1 W_2$, $p = \sigma(z_2)$, $C = \sum_n (p_n - y_n)^2$ and
            $\delta_l = \partial C / \partial z_l$:

            $$\delta_2 = 2 (p - y) \odot p (1 - p), \qquad \frac{\partial C}{\partial W_2} = a_1^\mathsf{T} \delta_2, \qquad
            \delta_1 = (\delta_2 W_2^\mathsf{T}) \odot a_1 (1 - a_1), \qquad \frac{\partial C}{\partial W_1} = X^\mathsf{T} \delta_1.$$

            Any number of layers goes on in this way: $\delta_l = (\delta_{l+1} W_{l+1}^\mathsf{T}) \odot f'(z_l)$
            (Rumelhart, Hinton, Williams 1986).
            """,
            r"""
            设 $z_1 = X W_1$，$a_1 = \sigma(z_1)$，$z_2 = a_1 W_2$，$p = \sigma(z_2)$，$C = \sum_n (p_n - y_n)^2$，
            $\delta_l = \partial C / \partial z_l$：

            $$\delta_2 = 2 (p - y) \odot p (1 - p), \qquad \frac{\partial C}{\partial W_2} = a_1^\mathsf{T} \delta_2, \qquad
            \delta_1 = (\delta_2 W_2^\mathsf{T}) \odot a_1 (1 - a_1), \qquad \frac{\partial C}{\partial W_1} = X^\mathsf{T} \delta_1.$$

            任意多层都这样继续：$\delta_l = (\delta_{l+1} W_{l+1}^\mathsf{T}) \odot f'(z_l)$
            （Rumelhart、Hinton、Williams 1986）。
            """,
        ),
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell("Now 1,500 steps of it, each of length 1 against the slope.", "现在走 1,500 步，每一步都逆着斜率，步长为 1。")
    return


@app.cell
def _(W1, W2, X, forward, y):
    V1, V2, losses = W1.copy(), W2.copy(), []
    for _ in range(1500):
        b1, q = forward(V1, V2)
        losses.append(((q - y) ** 2).sum())
        back2 = 2 * (q - y) * q * (1 - q)
        back1 = (back2 @ V2.T) * b1 * (1 - b1)
        V2 = V2 - b1.T @ back2
        V1 = V1 - X.T @ back1
    answers = forward(V1, V2)[1][:, 0]
    print("answers", answers.round(3))
    assert (np.diff(losses) <= 0).all()
    return V1, V2, answers, losses


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## The library's network

        The same network as a Pellucid estimator. We put the same first weights into it; its `trace` shows every value of one step, and
        `fit` runs all of them in compiled code.
        """,
        """
        ## 库里的网络

        同样的网络，作为 Pellucid 的估计器。我们放进同样的初始权重；它的 `trace` 给出一步里的每个值，`fit` 用编译过的代码运行全部步骤。
        """,
    )
    return


@app.cell
def _(W1, W2, X, y):
    network = MLPClassifier(
        (4,), activation="logistic", loss="sum_of_squares", bias=False, solver="sgd", learning_rate_init=1.0, momentum=0.0,
        nesterovs_momentum=False, alpha=0.0, shuffle=False, max_iter=1, tol=0.0, n_iter_no_change=1500, dtype="float64",
        random_state=0, warm_start=True,
    )  # fmt: skip
    network.fit(X, y[:, 0])  # makes the arrays
    for mine, its in zip((W1, W2), network.coefs_, strict=True):
        its[:] = mine
    return (network,)


@app.cell
def _(V1, V2, X, a1, answers, dW1, dW2, delta1, delta2, losses, network, p, y):
    trace = network.trace(X, y[:, 0])
    by_hand = {"a1": a1, "p": p, "delta2": delta2, "dW2": dW2, "delta1": delta1, "dW1": dW1}
    for name, value in by_hand.items():
        print(f"{name:6} largest difference {np.abs(trace[name] - value).max():.1e}")
        assert np.allclose(trace[name], value, rtol=0, atol=1e-12)
    network.set_params(max_iter=1500).fit(X, y[:, 0])
    by_library = network.predict_proba(X)[:, 1]
    print("answers by hand   ", answers)
    print("answers by library", by_library)
    print(f"last loss by hand {losses[-1]:.12f}, by library {network.loss_curve_[-1]:.12f}")
    assert np.allclose(answers, by_library, rtol=0, atol=1e-8)
    assert np.allclose(V1, network.coefs_[0], atol=1e-6)
    assert np.allclose(V2, network.coefs_[1], atol=1e-6)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        Watch one learn. Left the network (orange: positive, blue: negative), then what it answers for every point of the plane, then its
        loss.
        """,
        "看它学习。左边是网络（橙色为正，蓝色为负），然后是它对平面上每个点的回答，最后是损失。",
    )
    return


@app.cell
def _():
    corners, one_of_two = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    watched = MLPClassifier(
        (4,), activation="tanh", learning_rate_init=0.05, max_iter=250, n_iter_no_change=250, random_state=3
    )
    shown = widget(watched, corners, one_of_two)
    shown
    return corners, one_of_two, shown, watched


@app.cell
def _(corners, one_of_two, shown, watched):
    for _step in shown.watch(watched.steps(corners, one_of_two), every=5):
        if mo.running_in_notebook():
            time.sleep(0.01)  # slow enough for eyes
    print(watched.predict(corners))
    assert watched.predict(corners).tolist() == [0, 1, 1, 0]
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        r"""
        ## Handwritten digits

        Nothing new is needed for something useful. 1,797 images of 8 × 8 pixels; 64 inputs, 32 hidden neurons, 10 outputs. Two things
        change, each for a good reason:

        - **softmax** at the output: ten numbers become ten probabilities that add up to 1, $p_k = e^{z_k} / \sum_j e^{z_j}$;
          the loss is **−log p(right digit)**, the mean over the images. With these two, δ at the output is simply p − y.
        - **relu** in the hidden layer: max(0, z), with slope 1 or 0.
        """,
        r"""
        ## 手写数字

        不需要新东西，就能做有用的事。1,797 张 8 × 8 像素的图像；64 个输入，32 个隐藏神经元，10 个输出。改变两处，各有理由：

        - 输出用 **softmax**：十个数变成十个概率，和为 1，$p_k = e^{z_k} / \sum_j e^{z_j}$；
          损失是 **−log p(正确的数字)**，对图像取平均。有了这两样，输出处的 δ 就是 p − y。
        - 隐藏层用 **relu**：max(0, z)，斜率是 1 或 0。
        """,
    )
    return


@app.cell
def _():
    images, digits = load_digits()
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:1347], order[1347:]
    A, B = images[train].astype(float), images[test].astype(float)
    target = np.eye(10)[digits[train]]  # (1347, 10): a 1 at the right digit
    draw = np.random.default_rng(1)
    U1, c1 = draw.uniform(-0.3, 0.3, (64, 32)), np.zeros(32)
    U2, c2 = draw.uniform(-0.3, 0.3, (32, 10)), np.zeros(10)
    begin = [array.copy() for array in (U1, U2, c1, c2)]

    def probabilities(inputs):
        h = np.maximum(0, inputs @ U1 + c1)  # (N, 32)
        z = h @ U2 + c2  # (N, 10)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return h, e / e.sum(axis=1, keepdims=True)

    falls = []
    for _ in range(150):
        h, pr = probabilities(A)
        falls.append(-np.log((pr * target).sum(axis=1)).mean())
        d2 = (pr - target) / len(A)  # (N, 10)
        d1 = (d2 @ U2.T) * (h > 0)  # (N, 32)
        U2 -= 0.5 * (h.T @ d2)
        c2 -= 0.5 * d2.sum(axis=0)
        U1 -= 0.5 * (A.T @ d1)
        c1 -= 0.5 * d1.sum(axis=0)
    right = (probabilities(B)[1].argmax(axis=1) == digits[test]).mean()
    print(f"loss {falls[0]:.3f} -> {falls[-1]:.3f}; {right:.3f} of {len(B)} unseen digits are read correctly")
    assert right > 0.9
    return A, B, begin, digits, falls, probabilities, test, train


@app.cell
def _(A, B, begin, digits, falls, probabilities, train):
    reader = MLPClassifier(
        (32,), activation="relu", solver="sgd", learning_rate_init=0.5, momentum=0.0, nesterovs_momentum=False, alpha=0.0,
        batch_size=len(A), shuffle=False, max_iter=1, tol=0.0, n_iter_no_change=150, dtype="float64", random_state=0,
        warm_start=True,
    )  # fmt: skip
    reader.fit(A, digits[train])
    for first, its_array in zip(begin, [*reader.coefs_, *reader.intercepts_], strict=True):
        its_array[:] = first
    reader.set_params(max_iter=150).fit(A, digits[train])
    curve = np.array(reader.loss_curve_[-150:])
    print("loss by hand   ", np.array(falls)[[0, 49, 99, 149]])
    print("loss by library", curve[[0, 49, 99, 149]])
    assert np.allclose(falls, curve, rtol=0, atol=1e-8)
    assert np.allclose(probabilities(B)[1], reader.predict_proba(B), atol=1e-6)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        One hundred and fifty steps, and both losses are the same to the eighth digit. With its own settings (the optimizer *adam*, small
        batches, more neurons) the library does better:
        """,
        "一百五十步之后，两条损失曲线到第八位小数都相同。用库自己的设置（优化器 *adam*、小批量、更多神经元）效果更好：",
    )
    return


@app.cell
def _(A, B, digits, test, train):
    best = MLPClassifier((100,), max_iter=60, n_iter_no_change=60, random_state=0).fit(A, digits[train])
    print(f"{best.score(B, digits[test]):.3f} of the unseen digits")
    assert best.score(B, digits[test]) > 0.95
    plot(best)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        The tiles are the weights into single hidden neurons, as images: what each of them looks for.

        ## Try it

        - Give the network for exclusive or two hidden neurons instead of four. How often does it still succeed, from how many seeds?
        - Set the step to 20 instead of 1. What does the loss do?
        - `pellucid watch two-layer` and `pellucid studio` go through one step, forwards and backwards, value by value.
        """,
        """
        这些小图是通向单个隐藏神经元的权重，画成图像：每个神经元在找什么。

        ## 试一试

        - 让异或网络只有两个隐藏神经元，而不是四个。换几个随机种子，成功几次？
        - 把步长从 1 改成 20。损失会怎样？
        - `pellucid watch two-layer` 和 `pellucid studio` 会逐个值地走完一步的前向和反向。
        """,
    )
    return


if __name__ == "__main__":
    app.run()
