"""A lesson: the Hopfield network, by hand and by the library."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Pellucid: hopfield")

with app.setup(hide_code=True):
    import time
    import warnings

    import marimo as mo
    import numpy as np

    from pellucid import HopfieldNetwork
    from pellucid.data.letters import LETTER_NAMES, letters
    from pellucid.errors import PellucidWarning
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
        # A memory

        You hear three notes and the whole song is back. A memory like that is not a shelf where one looks things up by number: one
        gives it a **part**, and it completes the rest.

        A Hopfield network does this. It is one layer of units, each **+1** or **−1**; every unit sees all the others. Two units that like
        to be equal have a positive weight between them, two that like to differ a negative one. Then each unit in turn asks the others
        and does what most of them want, until nobody wants to change.
        """,
        """
        # 一个记忆

        听到三个音符，整首歌就回来了。这样的记忆不是按编号查找的书架：给它**一部分**，它补全其余。

        Hopfield 网络就能这样。它只有一层单元，每个是 **+1** 或 **−1**；每个单元都看得到所有其他单元。
        喜欢相同的两个单元之间有正的权重，喜欢不同的有负的权重。然后每个单元轮流问其他单元，照多数的意思做，直到没有谁想改变。
        """,
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Eight units, two patterns

        **Storing (Hebb's rule).** For each pattern and each pair of units: if the two are equal in the pattern, their weight
        grows by 1/N, if they differ, it falls by 1/N. That is the product of the two, over N. No unit has a weight to itself.
        """,
        """
        ## 八个单元，两个模式

        **存储（赫布规则）。** 对每个模式、每对单元：两者在模式中相同，权重增加 1/N；不同，减少 1/N。也就是两者的乘积除以 N。单元与自己之间没有权重。
        """,
    )
    return


@app.cell
def _():
    patterns = np.array([[1, 1, 1, 1, -1, -1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]])  # (2, 8)
    N = patterns.shape[1]
    W = np.zeros((N, N))
    for x in patterns:
        for i in range(N):
            for j in range(N):
                if i != j:
                    W[i, j] += x[i] * x[j] / N
    print((W * N).astype(int), "divided by 8", sep="\n")
    return N, W, patterns


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        **Recalling.** Spoil one unit of the first pattern. Then visit the units one after the other. What the others
        want of unit i is its *local field*: all states times the weights to i, added up. Positive: be +1. Negative: be −1. Zero: stay.
        """,
        """
        **回忆。** 弄坏第一个模式的一个单元，然后依次访问各单元。其他单元对单元 i 的要求是它的*局部场*：
        所有状态乘以通向 i 的权重，相加。正：取 +1。负：取 −1。零：不变。
        """,
    )
    return


@app.cell
def _(N, W, patterns):
    def energy(s, W):
        return -0.5 * s @ W @ s

    def recall(s, W):
        """Visit the units in order until nobody flips; return the state, and every energy on the way."""
        s, energies = s.copy(), [energy(s, W)]
        while True:
            flips = 0
            for i in range(len(s)):
                field = W[i] @ s
                if field * s[i] < 0:
                    s[i] = -s[i]
                    flips += 1
                energies.append(energy(s, W))
            if not flips:
                return s, energies

    spoiled = patterns[0].copy()
    spoiled[4] = -spoiled[4]
    back, energies = recall(spoiled, W)
    for unit in range(N):
        print(f"unit {unit}: {spoiled[unit]:+d}, local field {W[unit] @ spoiled:+.3f}")
    print("spoiled ", spoiled)
    print("recalled", back)
    print("energy  ", np.round(energies, 3))
    assert (back == patterns[0]).all()
    assert (np.diff(energies) <= 1e-12).all()
    return back, energies, energy, recall, spoiled


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Why it comes to rest

        The **energy** counts disagreement: for each pair, weight times the two states, with a minus. It is low when the units that
        like to be equal are equal. A unit that does what the others want can only lower it. There are finitely many states, so at some point
        no flip lowers it any more: a **valley**. The stored patterns are valleys, and a spoiled pattern is a point on the slope above.
        """,
        """
        ## 为什么它会静止

        **能量**衡量不一致的程度：对每一对单元，权重乘以两个状态，再取负。喜欢相同的单元相同时，能量就低。
        单元照其他单元的意思做，只会使能量降低。状态只有有限个，所以总有一刻，没有翻转还能降低能量：到了**谷底**。
        存储的模式就是谷底，弄坏的模式是它上方山坡上的一点。
        """,
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("The proof that the energy never rises", "能量从不上升的证明"),
        (
            r"""
            $E(s) = -\tfrac12 \sum_{ij} s_i W_{ij} s_j$ with $W_{ij} = W_{ji}$ and $W_{ii} = 0$. The terms in which unit $i$ stands
            add up to $-s_i \sum_j W_{ij} s_j = -s_i h_i$. If $s_i$ flips, this becomes $+s_i h_i$, so

            $$\Delta E = 2\, s_i h_i.$$

            The unit flips only if $s_i h_i < 0$: then $\Delta E = -2 |h_i| < 0$ (Hopfield 1982).
            """,
            r"""
            $E(s) = -\tfrac12 \sum_{ij} s_i W_{ij} s_j$，其中 $W_{ij} = W_{ji}$，$W_{ii} = 0$。含有单元 $i$ 的各项之和是
            $-s_i \sum_j W_{ij} s_j = -s_i h_i$。若 $s_i$ 翻转，它变成 $+s_i h_i$，所以

            $$\Delta E = 2\, s_i h_i.$$

            只有 $s_i h_i < 0$ 时单元才翻转：于是 $\Delta E = -2 |h_i| < 0$（Hopfield 1982）。
            """,
        ),
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        With eight units one can look at **all** 256 states, and see the valleys.
        """,
        """
        八个单元，可以看遍**所有** 256 个状态，找出谷底。
        """,
    )
    return


@app.cell
def _(N, W, energy, patterns):
    states = np.array([[1 if n >> i & 1 else -1 for i in range(N)] for n in range(2**N)])  # (256, 8)
    resting = [s for s in states if (s * (W @ s) >= 0).all()]
    for s in resting:
        what = (
            "stored"
            if (s == patterns).all(axis=1).any()
            else "turned over"
            if (-s == patterns).all(axis=1).any()
            else "mixed"
        )
        print(s, f"energy {energy(s, W):+.3f}", what)
    assert all(any((s == p).all() for s in resting) for p in patterns)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        Each pattern is there; so is each pattern turned over, which has the same energy, for in every product of two states the minus
        signs cancel. Here there are no others; with more patterns there are, memories that nobody stored.

        ## The library's memory
        """,
        """
        每个模式都在；每个模式的反相也在，能量相同，因为两个状态相乘时负号抵消。这里没有别的谷底；模式再多就会有，那是没有人存过的记忆。

        ## 库里的记忆
        """,
    )
    return


@app.cell
def _(W, back, energies, patterns, spoiled):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PellucidWarning)  # two patterns are many for eight units, and it says so
        memory = HopfieldNetwork(order="cyclic", random_state=0).fit(patterns)
    walk = [step.copy() for step in memory.steps(spoiled)]
    by_library = [memory.energy(spoiled[None])[0], *(step.energy for step in walk)]
    print("weights: largest difference", np.abs(memory.weights_ - W).max())
    print("energy by hand   ", np.round(energies, 6))
    print("energy by library", np.round(by_library, 6))
    assert np.allclose(memory.weights_, W, rtol=0, atol=1e-15)
    assert np.allclose(energies, by_library, rtol=0, atol=1e-12)
    assert (walk[-1].state == back).all()
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Letters

        100 units as a picture of 10 × 10. Three letters are stored, a quarter of the units is turned over, and the network is asked. By hand
        and by the library: the same letter, unit for unit. Run the cell below again to watch.
        """,
        """
        ## 字母

        100 个单元，排成 10 × 10 的图。存入三个字母，把四分之一的单元翻转，再去问网络。用手算和用库：同一个字母，每个单元都相同。
        再运行一次下面的代码，就能再看一遍。
        """,
    )
    return


@app.cell
def _():
    stored = letters()[[LETTER_NAMES.index(letter) for letter in "JTX"]]  # (3, 100)
    letter_memory = HopfieldNetwork(order="cyclic", random_state=0).fit(stored)
    noisy = stored[1].copy()
    noisy[np.random.default_rng(5).permutation(100)[:25]] *= -1
    shown = widget(letter_memory, noisy)
    shown
    return letter_memory, noisy, shown, stored


@app.cell
def _(letter_memory, noisy, recall, shown, stored):
    for _step in shown.watch(letter_memory.steps(noisy)):
        if mo.running_in_notebook():
            time.sleep(0.01)  # slow enough for eyes
    weights = (stored.T @ stored) / 100.0
    np.fill_diagonal(weights, 0)
    mine, falling = recall(noisy, weights)
    its = letter_memory.predict(noisy[None])[0]
    print(f"{(noisy != stored[1]).sum()} units wrong before, {(mine != stored[1]).sum()} after")
    print(f"energy {falling[0]:.2f} -> {falling[-1]:.2f}; the library's last {letter_memory.energy(its[None])[0]:.2f}")
    assert (mine == its).all()
    assert (its == stored[1]).all()
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## How much it holds

        Every stored pattern disturbs the others a little. Random patterns can be recalled up to about **0.138 N** of them; beyond that
        everything falls apart at once.
        """,
        """
        ## 它能记多少

        每个存储的模式都会干扰其他模式一点。随机模式大约存到 **0.138 N** 个还能回忆；再多，就一下子全垮了。
        """,
    )
    return


@app.cell
def _(tell):
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PellucidWarning)  # that 0.138 N is passed is what is to be seen
        for load in (0.05, 0.10, 0.13, 0.15, 0.20):
            random = np.random.default_rng(0).choice([-1, 1], (round(load * 400), 400))
            rest = HopfieldNetwork(random_state=0).fit(random).predict(random)
            rows.append((load, (rest * random).mean()))
            print(f"{load:.2f} N patterns: overlap after recall {rows[-1][1]:.3f}")
    assert rows[0][1] > 0.99
    assert rows[-1][1] < 0.7
    tell(
        "(400 units; an overlap of 1 is a perfect memory, of 0 none.)",
        "（400 个单元；重叠为 1 是完美的记忆，为 0 是没有记忆。）",
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Try it

        - Store letters that are much alike, E and F: `"EFX"` instead of `"JTX"`. What comes back?
        - Take `rule="pseudo_inverse"` for the same letters.
        - `pellucid studio` has a pad on which you paint your own patterns.
        """,
        """
        ## 试一试

        - 存入很相似的字母 E 和 F：把 `"JTX"` 换成 `"EFX"`。回来的是什么？
        - 对同样的字母用 `rule="pseudo_inverse"`。
        - `pellucid studio` 有一块画板，可以画你自己的模式。
        """,
    )
    return


if __name__ == "__main__":
    app.run()
