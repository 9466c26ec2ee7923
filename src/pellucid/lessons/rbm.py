"""A lesson: the restricted Boltzmann machine, by hand and by the library."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Pellucid: rbm")

with app.setup(hide_code=True):
    import numpy as np

    from pellucid import BernoulliRBM
    from pellucid.data import load_digits
    from pellucid.lessons.telling import Teller, switch
    from pellucid.networks.rbm import gradient
    from pellucid.watching.style import PENCIL, SIGNED, picture


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
        # A machine that dreams

        So far every network got an answer to learn from. This one gets none. It only sees examples, and learns **how likely** each
        picture is: pictures like the examples likely, all others not. When it has learnt that, it can make new ones.

        It has two kinds of units, all 0 or 1. The **visible** ones are the picture. The **hidden** ones look for features in it. Each
        visible unit is joined with each hidden one, and no two of the same kind are. That is what *restricted* means, and it
        makes everything that follows easy.
        """,
        """
        # 会做梦的机器

        到现在为止，每个网络都有答案可学。这一个没有。它只看例子，学习每张图**有多可能**：像例子的图很可能，其他的不可能。
        学会之后，它就能造出新的图。

        它有两种单元，都取 0 或 1。**可见**单元就是图。**隐藏**单元在图里找特征。每个可见单元与每个隐藏单元相连，同类之间不相连。
        这就是*受限*的意思，它让下面的一切都变得容易。
        """,
    )
    return


@app.cell
def _():
    data = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])  # (2, 4): the pictures that exist: left half, right half
    rng = np.random.default_rng(2)
    W = rng.normal(0, 0.7, (2, 4))  # (H, D): from 4 visible to 2 hidden units
    b = np.array([-0.2, 0.1, 0.3, -0.1])  # (D,): how much each visible unit likes to be on by itself
    c = np.array([0.2, -0.4])  # (H,): the same for the hidden ones
    return W, b, c, data


@app.cell(hide_code=True)
def _(tell):
    tell(
        r"""
        ## From an energy to a probability

        A state of the machine is a picture $v$ and what the hidden units say, $h$. Its **energy** is low if units that are on together
        have positive weights:

        $$E(v, h) = -\sum_i b_i v_i - \sum_j c_j h_j - \sum_{ij} h_j W_{ji} v_i$$

        Low energy shall mean likely. So take $e^{-E}$, which is always positive, and divide by the sum over **all** states, so that
        all probabilities add up to 1. With 4 + 2 units there are 64 states: we can simply list them.
        """,
        r"""
        ## 从能量到概率

        机器的一个状态由图 $v$ 和隐藏单元的话 $h$ 组成。同时打开的单元之间权重为正时，**能量**就低：

        $$E(v, h) = -\sum_i b_i v_i - \sum_j c_j h_j - \sum_{ij} h_j W_{ji} v_i$$

        能量低应当表示可能性大。所以取 $e^{-E}$，它总是正的，再除以**所有**状态的总和，使所有概率加起来为 1。
        4 + 2 个单元共有 64 个状态：可以直接全部列出来。
        """,
    )
    return


@app.cell
def _(W, b, c):
    def all_states(n):
        return np.array([[k >> i & 1 for i in range(n)] for k in range(2**n)])

    V, H = all_states(4), all_states(2)  # (16, 4), (4, 2)

    def energy(v, h, W, b, c):
        return -(b @ v) - c @ h - h @ W @ v

    def probability_table(W, b, c):
        """Return P(v, h) of every picture and every hidden state, (16, 4)."""
        weight = np.array([[np.exp(-energy(v, h, W, b, c)) for h in H] for v in V])
        return weight / weight.sum()

    joint = probability_table(W, b, c)
    P = joint.sum(axis=1)  # (16,): of each picture, whatever the hidden units say
    for v, p in zip(V, P, strict=True):
        print(v, f"{p:.4f}", "#" * round(100 * p))
    assert np.isclose(P.sum(), 1)
    return H, P, V, energy, joint, probability_table


@app.cell(hide_code=True)
def _(tell):
    tell(
        r"""
        ## What one side says, given the other

        If the picture is known, each hidden unit decides for itself, for no two hidden units are joined. It is a neuron:

        $$P(h_j = 1 \mid v) = \sigma\Big(c_j + \sum_i W_{ji} v_i\Big)$$

        Let us see whether the table says the same: of all states with this picture, the share in which $h_j$ is on.
        """,
        r"""
        ## 已知一边，另一边说什么

        如果知道了图，每个隐藏单元就各自决定，因为隐藏单元之间不相连。它就是一个神经元：

        $$P(h_j = 1 \mid v) = \sigma\Big(c_j + \sum_i W_{ji} v_i\Big)$$

        看看表格说的是否一样：在所有含这张图的状态里，$h_j$ 打开的占多少。
        """,
    )
    return


@app.cell
def _(H, V, W, c, joint):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    by_formula = sigmoid(V @ W.T + c)  # (16, 2)
    by_table = joint @ H / joint.sum(axis=1, keepdims=True)
    print("by the formula", by_formula[3], "by the table", by_table[3])
    assert np.allclose(by_formula, by_table)
    return by_formula, sigmoid


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("Why each hidden unit is a neuron", "为什么每个隐藏单元是一个神经元"),
        (
            r"""
            With $v$ fixed, $E(v, h) = \text{const} - \sum_j h_j z_j$ with $z_j = c_j + \sum_i W_{ji} v_i$: a sum with one term for each
            hidden unit. So $e^{-E}$ is a product with one factor for each, $e^{h_j z_j}$, and the units are independent, with

            $$P(h_j = 1 \mid v) = \frac{e^{z_j}}{e^0 + e^{z_j}} = \sigma(z_j).$$

            Summing over $h$ factor by factor gives the *free energy* $F(v)$, with $P(v) = e^{-F(v)} / Z$:

            $$F(v) = -\sum_i b_i v_i - \sum_j \log(1 + e^{z_j}).$$
            """,
            r"""
            固定 $v$ 时，$E(v, h) = \text{常数} - \sum_j h_j z_j$，其中 $z_j = c_j + \sum_i W_{ji} v_i$：每个隐藏单元一项的和。
            所以 $e^{-E}$ 是每个单元一个因子 $e^{h_j z_j}$ 的积，各单元相互独立，且

            $$P(h_j = 1 \mid v) = \frac{e^{z_j}}{e^0 + e^{z_j}} = \sigma(z_j).$$

            逐个因子对 $h$ 求和，就得到*自由能* $F(v)$，$P(v) = e^{-F(v)} / Z$：

            $$F(v) = -\sum_i b_i v_i - \sum_j \log(1 + e^{z_j}).$$
            """,
        ),
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## The library's machine

        We put the same weights into a `BernoulliRBM`, and ask it.
        """,
        """
        ## 库里的机器

        把同样的权重放进 `BernoulliRBM`，再问它。
        """,
    )
    return


@app.cell
def _(P, V, W, b, by_formula, c, data):
    machine = BernoulliRBM(2, n_iter=0, dtype="float64", random_state=0).fit(data)
    machine.components_[:], machine.intercept_visible_[:], machine.intercept_hidden_[:] = W, b, c
    log_z = machine.exact_log_z()
    by_library = np.exp(-machine.free_energy(V) - log_z)
    print("P(1 1 0 0) by hand", P[3], "by library", by_library[3])
    assert np.allclose(P, by_library, rtol=1e-12)
    assert np.allclose(by_formula, machine.transform(V), rtol=1e-12)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        r"""
        ## Learning: reality minus dream

        The two pictures of the data shall become likely. Which way should a weight move? The answer is surprisingly simple. A weight between a
        visible and a hidden unit should rise by how often both are on **when the machine sees the data**, and fall by how often both are on
        **when the machine dreams**, that is: over all pictures, as likely as it finds them.

        $$\Delta W_{ji} \propto \langle h_j v_i \rangle_\text{data} - \langle h_j v_i \rangle_\text{model}$$

        When the dream is like reality, nothing changes any more.
        """,
        r"""
        ## 学习：现实减去梦

        数据中的两张图应当变得可能。权重该往哪边动？答案出奇地简单。可见单元与隐藏单元之间的权重，应当按**机器看数据时**两者同时打开的频率上升，
        按**机器做梦时**两者同时打开的频率下降；做梦就是：对所有图求平均，按它自己认为的可能性。

        $$\Delta W_{ji} \propto \langle h_j v_i \rangle_\text{数据} - \langle h_j v_i \rangle_\text{模型}$$

        当梦与现实一样时，就不再改变。
        """,
    )
    return


@app.cell
def _(V, W, b, c, data, probability_table, sigmoid):
    def slopes(W, b, c):
        """Return how fast the mean log P of the data rises with W, b and c."""
        P = probability_table(W, b, c).sum(axis=1)
        h_data, h_model = sigmoid(data @ W.T + c), sigmoid(V @ W.T + c)  # (2, 2), (16, 2)
        dW = h_data.T @ data / len(data) - (h_model * P[:, None]).T @ V
        return dW, data.mean(axis=0) - P @ V, h_data.mean(axis=0) - P @ h_model

    def mean_log_p(W, b, c):
        P = probability_table(W, b, c).sum(axis=1)
        return np.log(P[[3, 12]]).mean()  # rows 3 and 12 are 1 1 0 0 and 0 0 1 1

    dW, db, dc = slopes(W, b, c)
    nudge, nudged = 1e-6, np.zeros_like(W)
    for place in np.ndindex(W.shape):
        moved = W.copy()
        moved[place] += nudge
        nudged[place] = (mean_log_p(moved, b, c) - mean_log_p(W, b, c)) / nudge
    shares = probability_table(W, b, c).sum(axis=1)
    library = gradient(data.astype(float), V.astype(float), W, c, shares)
    print("by the rule", dW.round(5), "by nudging", nudged.round(5), "by library", library[0].round(5), sep="\n")
    assert np.allclose(dW, nudged, atol=1e-5)
    for mine, its in zip((dW, db, dc), library, strict=True):
        assert np.allclose(mine, its, rtol=0, atol=1e-14)
    return mean_log_p, slopes


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("The derivation", "推导"),
        (
            r"""
            $\log P(v) = -F(v) - \log Z$ with $Z = \sum_{v'} e^{-F(v')}$. For any parameter $\theta$,

            $$\frac{\partial \log P(v)}{\partial \theta} = -\frac{\partial F(v)}{\partial \theta} + \sum_{v'} P(v')
            \frac{\partial F(v')}{\partial \theta}, \qquad -\frac{\partial F(v)}{\partial W_{ji}} = \sigma(z_j) v_i = P(h_j = 1 \mid v)\, v_i.$$

            The first term is the data, the second the model (Hinton 2002).
            """,
            r"""
            $\log P(v) = -F(v) - \log Z$，其中 $Z = \sum_{v'} e^{-F(v')}$。对任一参数 $\theta$，

            $$\frac{\partial \log P(v)}{\partial \theta} = -\frac{\partial F(v)}{\partial \theta} + \sum_{v'} P(v')
            \frac{\partial F(v')}{\partial \theta}, \qquad -\frac{\partial F(v)}{\partial W_{ji}} = \sigma(z_j) v_i = P(h_j = 1 \mid v)\, v_i.$$

            第一项是数据，第二项是模型（Hinton 2002）。
            """,
        ),
    )
    return


@app.cell
def _(V, W, b, c, mean_log_p, probability_table, slopes):
    W2, b2, c2 = W.copy(), b.copy(), c.copy()
    before = mean_log_p(W2, b2, c2)
    for _ in range(200):
        step_W, step_b, step_c = slopes(W2, b2, c2)
        W2, b2, c2 = W2 + 0.5 * step_W, b2 + 0.5 * step_b, c2 + 0.5 * step_c
    learnt = probability_table(W2, b2, c2).sum(axis=1)
    for picture_, chance in zip(V, learnt, strict=True):
        if chance > 0.01:
            print(picture_, f"{chance:.3f}")
    assert mean_log_p(W2, b2, c2) > before
    assert learnt[[3, 12]].min() > 0.4
    return W2, b2, c2, learnt


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Dreaming without a list

        With 64 pixels a list of all pictures would have 18,446,744,073,709,551,616 lines. So one does not list, one **dreams**: take any
        picture, draw the hidden units by their chances; from these draw a new picture by its chances; and again. After a while, pictures
        come as often as they are likely. That is *Gibbs sampling*. Here is how well it meets the list:
        """,
        """
        ## 不列表也能做梦

        64 个像素的所有图，列出来有 18,446,744,073,709,551,616 行。所以不列，而是**做梦**：随便取一张图，按概率抽取隐藏单元；
        再由它们按概率抽取新的图；如此反复。过一阵子，每张图出现的频率就是它的概率。这叫*吉布斯采样*。看看它与列表有多接近：
        """,
    )
    return


@app.cell
def _(W2, b2, c2, learnt, sigmoid):
    draw = np.random.default_rng(0)
    chains = draw.integers(0, 2, (4000, 4))  # 4,000 dreams side by side
    for _ in range(200):
        hidden = draw.random((4000, 2)) < sigmoid(chains @ W2.T + c2)
        chains = (draw.random((4000, 4)) < sigmoid(hidden @ W2 + b2)).astype(int)
    counted = np.bincount(chains @ [1, 2, 4, 8], minlength=16) / 4000
    print("1 1 0 0 by the list", learnt[3].round(3), "in dreams", counted[3].round(3))
    print("0 0 1 1 by the list", learnt[12].round(3), "in dreams", counted[12].round(3))
    assert np.abs(counted - learnt).max() < 0.03
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Digits

        The library learns just so: reality minus dream, with dreams that go on from batch to batch (*persistent contrastive
        divergence*). Nobody tells it which digit an image shows.
        """,
        """
        ## 数字

        库就是这样学习的：现实减去梦，梦从一批延续到下一批（*持续对比散度*）。没有人告诉它图上是哪个数字。
        """,
    )
    return


@app.cell
def _():
    images, _answers = load_digits()
    dreamer = BernoulliRBM(64, learning_rate=0.06, n_iter=20, random_state=0)
    scores = []
    for _epoch in range(20):
        dreamer.partial_fit(images)
        scores.append(dreamer.score_samples(images[:500]).mean())
    print(f"mean log pseudo-likelihood {scores[0]:.2f} -> {scores[-1]:.2f}")
    assert scores[-1] > scores[0]
    _figure = picture(8, 2.4)
    _rows = (images[:8], dreamer.reconstruct(images[:8]), dreamer.components_[:8])
    for _line, (_axes_row, _pictures) in enumerate(zip(_figure.subplots(3, 8), _rows, strict=True)):
        for _axes, _picture in zip(_axes_row, _pictures, strict=True):
            _most = np.abs(_picture).max()
            _axes.imshow(
                _picture.reshape(8, 8),
                cmap=SIGNED if _line == 2 else PENCIL,
                vmin=-_most if _line == 2 else 0,
                vmax=_most,
            )
            _axes.axis("off")
    _figure
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        Above: images, the same as the machine sees them (to the hidden units and back), and what eight hidden units look for.

        ## Try it

        - Give the small machine one hidden unit instead of two. Can it still learn both pictures?
        - `pellucid watch rbm` shows it learn and then dream digits.
        """,
        """
        从上到下：图像；机器眼中的同一图像（到隐藏单元再回来）；八个隐藏单元各自在找什么。

        ## 试一试

        - 让小机器只有一个隐藏单元，而不是两个。它还能学会两张图吗？
        - `pellucid watch rbm` 展示它怎样学习，然后梦见数字。
        """,
    )
    return


if __name__ == "__main__":
    app.run()
