"""A lesson: SPINN, shift and reduce, by hand and by the library."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Pellucid: spinn")

with app.setup(hide_code=True):
    import numpy as np
    import torch

    from pellucid.data.english import generate_english
    from pellucid.lessons.telling import Teller, switch
    from pellucid.networks.spinn.batched import encode
    from pellucid.networks.spinn.machine import Cell, machine
    from pellucid.spinn import SPINNClassifier, Tree


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
        # Reading sentences

        *The old man the boats.* Most people stumble: they take "the old man" together, and nothing is left that anybody does. Read
        it as (the old) (man (the boats)), and it is clear: old people man them. **What belongs together** decides what a sentence means, and
        the words in a row do not show it. A tree does.

        SPINN reads a sentence along its tree, with two moves that a child can learn. It has a **buffer**, the words still to come, and a
        **stack**.

        - **SHIFT** takes the next word from the buffer and lays it on the stack.
        - **REDUCE** takes the two uppermost things off the stack and puts back one: both together.
        """,
        """
        # 读句子

        *The old man the boats.* 大多数人会愣一下：把 “the old man” 看成一体，就没有谁在做什么了。
        读成 (the old) (man (the boats)) 就清楚了：老人们驾驶这些船（这里 man 是动词）。**什么和什么在一起**决定句子的意思，
        而排成一行的词看不出这一点。树看得出。

        SPINN 沿着树读句子，只用两种连孩子都学得会的动作。它有一个**缓冲区**，放还没读的词；还有一个**栈**。

        - **SHIFT（移进）**：从缓冲区取下一个词，放到栈上。
        - **REDUCE（归约）**：从栈上取下最上面的两样东西，放回一样：两者合在一起。
        """,
    )
    return


@app.cell
def _():
    tree = Tree.parse("( ( the ( old man ) ) ( reads books ) )")
    print("transitions", " ".join("SR"[t] for t in tree.transitions))
    buffer, stack = list(tree.words), []
    for transition in tree.transitions:
        if transition == 0:
            stack.append(buffer.pop(0))
        else:
            right = stack.pop()
            left = stack.pop()
            stack.append(f"({left} {right})")
        print("SHIFT " if transition == 0 else "REDUCE", f"{'  '.join(stack):34} | {' '.join(buffer)}")
    print(tree.draw())
    assert stack == ["((the (old man)) (reads books))"]
    assert len(tree.transitions) == 2 * len(tree.words) - 1
    return (tree,)


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        n words take n SHIFTs, and every REDUCE makes one thing less on the stack, so there are n − 1 of them: 2n − 1 moves in all.

        ## From words to numbers

        Now let the things on the stack be **vectors** instead of text. Each word is a list of numbers (learnt like any weights). REDUCE is
        a small network that makes one list of two. It is always the same network, whatever is put together: "old" and "man", or half a
        sentence and the other half.

        So that a long sentence does not forget its beginning, each state has two parts: **h**, what it says, and **c**, what it
        remembers. *Gates*, numbers between 0 and 1, decide how much of either child's memory is kept:

        | | |
        |---|---|
        | f_left, f_right | how much of the left and the right child's memory stays |
        | i | how much of what is new (a) comes in |
        | o | how much of the memory is said aloud |
        """,
        """
        n 个词需要 n 次 SHIFT；每次 REDUCE 使栈上少一样东西，所以有 n − 1 次：一共 2n − 1 个动作。

        ## 从词到数

        现在让栈上的东西不再是文字，而是**向量**。每个词是一列数（像别的权重一样由学习得到）。REDUCE 是一个小网络，把两列数变成一列。
        不管合的是什么，它总是同一个网络：“old” 和 “man”，或者半个句子和另外半个。

        为了让长句子不忘记开头，每个状态有两部分：**h**，它说的话；**c**，它记得的事。*门*是 0 到 1 之间的数，决定两个孩子的记忆各留多少：

        | | |
        |---|---|
        | f_left, f_right | 左、右孩子的记忆各留多少 |
        | i | 新的内容（a）进来多少 |
        | o | 记忆中有多少说出来 |
        """,
    )
    return


@app.cell
def _(tree):
    H = 3
    rng = np.random.default_rng(0)
    W, b = rng.normal(0, 0.6, (2 * H, 5 * H)), rng.normal(0, 0.1, 5 * H)  # the weights of REDUCE
    words = rng.normal(size=(len(tree.words), 2 * H))  # h and c of each word

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def reduce(left, right, W, b, e=()):
        """Make one state (h, c) of two; e is what a tracker knows, if there is one."""
        (h_left, c_left), (h_right, c_right) = left, right
        z = np.concatenate([h_left, h_right, e]) @ W + b  # (5H,)
        a, i, f_left, f_right, o = np.split(z, 5)
        c = np.tanh(a) * sigmoid(i) + c_left * sigmoid(f_left) + c_right * sigmoid(f_right)
        return sigmoid(o) * np.tanh(c), c

    def read(words, transitions):
        buffer, stack = [(row[:H], row[H:]) for row in words], []
        for transition in transitions:
            if transition == 0:
                stack.append(buffer.pop(0))
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(reduce(left, right, W, b))
        return stack.pop()[0]

    by_hand = read(words, tree.transitions)
    print("the sentence as a vector:", by_hand)
    return H, W, b, by_hand, reduce, rng, sigmoid, words


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## The library's machine

        `machine` is the same algorithm in PyTorch, which keeps the way back for learning. With the same weights it must come to the
        same vector. `encode` is the fast one, which reads many sentences side by side.
        """,
        """
        ## 库里的机器

        `machine` 是用 PyTorch 写的同一个算法，它为学习保留了回去的路。权重相同，向量就必须相同。`encode` 是快的那个，能并排读许多句子。
        """,
    )
    return


@app.cell
def _(H, W, b, by_hand, tree, words):
    cell = Cell(H).double()
    with torch.no_grad():
        cell.W[:], cell.b[:] = torch.from_numpy(W), torch.from_numpy(b)
    leaves, tokens = torch.from_numpy(words), [np.arange(len(words))]
    by_machine = machine(cell, leaves, tokens, [tree.transitions]).h.detach().numpy()[0]
    by_encode = encode(cell, leaves, tokens, [tree.transitions]).h.detach().numpy()[0]
    print("by hand   ", by_hand)
    print("by machine", by_machine)
    print("by encode ", by_encode)
    assert np.allclose(by_hand, by_machine, rtol=0, atol=1e-12)
    assert np.allclose(by_hand, by_encode, rtol=0, atol=1e-12)
    return leaves, tokens


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Finding the tree

        Who tells SPINN when to shift and when to reduce? In training, a given tree. Later, it decides itself. For that it has a
        **tracker**: a small recurrent network that looks before every move at three things, the next word of the buffer and the two uppermost
        states of the stack, remembers what it has seen, and says how likely each move is. Moves that cannot be made (no word left, only one
        thing on the stack) are forbidden.
        """,
        """
        ## 自己找到树

        谁告诉 SPINN 什么时候移进、什么时候归约？训练时是给定的树。之后由它自己决定。为此它有一个**追踪器**：一个小的循环网络，
        在每个动作之前看三样东西：缓冲区的下一个词，栈最上面的两个状态；它记住看过的东西，并说出每个动作的可能性。
        做不到的动作（没有词了，栈上只有一样东西）是被禁止的。
        """,
    )
    return


@app.cell
def _(H, W, b, leaves, reduce, rng, sigmoid, tokens, words):
    T = 2
    Wt = np.vstack([W, rng.normal(0, 0.6, (T, 5 * H))])  # REDUCE hears the tracker too
    Vt, dt = rng.normal(0, 0.9, (3 * H + T, 4 * T)), rng.normal(0, 0.1, 4 * T)
    Ut, ut = rng.normal(0, 1.5, (T, 2)), np.zeros(2)

    def read_alone(words):
        buffer, stack = [(row[:H], row[H:]) for row in words], []
        e = m = np.zeros(T)
        taken = []
        for _ in range(2 * len(words) - 1):
            nothing = np.zeros(H)
            look = [
                buffer[0][0] if buffer else nothing,
                stack[-1][0] if stack else nothing,
                stack[-2][0] if len(stack) > 1 else nothing,
                e,
            ]
            g, i, f, o = np.split(np.concatenate(look) @ Vt + dt, 4)
            m = np.tanh(g) * sigmoid(i) + m * sigmoid(f)
            e = sigmoid(o) * np.tanh(m)
            says_shift, says_reduce = e @ Ut + ut
            if len(stack) > 1 and (says_reduce > says_shift or not buffer):
                right, left = stack.pop(), stack.pop()
                stack.append(reduce(left, right, Wt, b, e))
                taken.append(1)
            else:
                stack.append(buffer.pop(0))
                taken.append(0)
        return stack.pop()[0], taken

    h_alone, moves = read_alone(words)
    tracking = Cell(H, T, predict=True).double()
    with torch.no_grad():
        for name, value in {"W": Wt, "b": b, "V": Vt, "d": dt, "U": Ut, "u": ut}.items():
            getattr(tracking, name)[:] = torch.from_numpy(value)
    its = machine(tracking, leaves, tokens)
    print("moves by hand   ", "".join("SR"[t] for t in moves))
    print("moves by library", "".join("SR"[t] for t in its.transitions[0]))
    print("h by hand   ", h_alone)
    print("h by library", its.h.detach().numpy()[0])
    assert moves == its.transitions[0].tolist()
    assert np.allclose(h_alone, its.h.detach().numpy()[0], rtol=0, atol=1e-12)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        The weights are random, so the tree that it finds is nonsense. It has to learn.

        ## Learning

        The package makes its own English: sentences such as "every small dog runs", in pairs, with the question: does the
        second follow from the first (*entailment*), contradict it, or neither (*neutral*)? From the labels the network learns what the
        words mean, and from the given trees where to shift and to reduce.
        """,
        """
        权重是随机的，所以它找到的树毫无意义。它需要学习。

        ## 学习

        这个包自己造英语句子，例如 “every small dog runs”，成对出现，问题是：第二句由第一句推出吗（*entailment*，蕴含），
        与它矛盾（*contradiction*），还是都不是（*neutral*）？网络从标签学到词的意思，从给定的树学到何时移进、何时归约。
        """,
    )
    return


@app.cell
def _():
    splits = generate_english({"train": 1500, "test": 300})
    model = SPINNClassifier(
        encoder="spinn", parses="predicted", max_iter=6, hidden=24, mlp=48, learning_rate_init=0.01, random_state=0
    )
    model.fit(splits["train"], [pair.label for pair in splits["train"]])
    right_labels = model.score(splits["test"], [pair.label for pair in splits["test"]])
    trees = [pair.premise for pair in splits["test"]]
    own = model.parse([" ".join(t.words) for t in trees])
    same = np.mean([mine == t for mine, t in zip(own, trees, strict=True)])
    print(f"{right_labels:.3f} of {len(trees)} unseen pairs judged rightly (by chance: 0.333)")
    print(f"{same:.3f} of the trees found exactly")
    assert right_labels > 0.5
    assert same > 0.9
    return (model,)


@app.cell
def _(model):
    model.trace("not every small cat does move")
    return


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("The formulas", "公式"),
        (
            r"""
            Reduce, with $z = [h_l; h_r; e]\,W + b$ in five parts:

            $$c = \tanh(a) \odot \sigma(i) + c_l \odot \sigma(f_l) + c_r \odot \sigma(f_r), \qquad h = \sigma(o) \odot \tanh(c).$$

            Tracker, with $[h_\text{buffer}; h_\text{top}; h_\text{second}; e]\,V + d$ in four parts:

            $$m = \tanh(g) \odot \sigma(i) + m \odot \sigma(f), \qquad e = \sigma(o) \odot \tanh(m), \qquad p = \text{softmax}(e\,U + u).$$

            The loss is the cross-entropy of the label, plus that of the moves at which both were possible (Bowman, Gauthier, Rastogi, Gupta,
            Manning, Potts 2016). All slopes come from the computation graph, as in `pellucid lesson graphs`.
            """,
            r"""
            归约，$z = [h_l; h_r; e]\,W + b$ 分成五份：

            $$c = \tanh(a) \odot \sigma(i) + c_l \odot \sigma(f_l) + c_r \odot \sigma(f_r), \qquad h = \sigma(o) \odot \tanh(c).$$

            追踪器，$[h_\text{buffer}; h_\text{top}; h_\text{second}; e]\,V + d$ 分成四份：

            $$m = \tanh(g) \odot \sigma(i) + m \odot \sigma(f), \qquad e = \sigma(o) \odot \tanh(m), \qquad p = \text{softmax}(e\,U + u).$$

            损失是标签的交叉熵，加上两种动作都可行时动作的交叉熵（Bowman、Gauthier、Rastogi、Gupta、Manning、Potts 2016）。
            所有斜率都来自计算图，见 `pellucid lesson graphs`。
            """,
        ),
    )
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Try it

        - Ask it something: `model.predict([("every dog runs", "every poodle runs")])`.
        - Train with `encoder="sum"`, which only adds up the words and knows no order. How much worse is it?
        - `pellucid watch spinn` shows one sentence being read, step by step.
        """,
        """
        ## 试一试

        - 问它点什么：`model.predict([("every dog runs", "every poodle runs")])`。
        - 用 `encoder="sum"` 训练，它只把词加起来，不知道顺序。差多少？
        - `pellucid watch spinn` 一步一步地展示一个句子怎样被读出来。
        """,
    )
    return


if __name__ == "__main__":
    app.run()
