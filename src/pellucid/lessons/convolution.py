"""A lesson: convolution and pooling, by hand and by the library."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Pellucid: convolution")

with app.setup(hide_code=True):
    import numpy as np

    from pellucid import CNNClassifier
    from pellucid.data import load_digits
    from pellucid.lessons.telling import Teller, switch
    from pellucid.watching import plot
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
        # Convolution

        A network whose every neuron sees the whole image must learn a stroke anew in each corner: a stroke at the left and the same
        stroke at the right go through different weights. But a stroke is a stroke, wherever it is.

        So take **one small pattern of weights**, the *kernel*, and lay it on every place of the image in turn. Multiply
        what lies on top of each other, add up, and write the sum into a new image: the *feature map*. It is bright where the image looks
        like the kernel. That is all that a convolution does.
        """,
        """
        # 卷积

        如果每个神经元都看整张图像，那么同一笔画在每个角落都要重新学一遍：左边的笔画和右边的同样笔画经过的是不同的权重。
        可是笔画就是笔画，在哪里都一样。

        于是取**一小块权重图案**，叫作*卷积核*，依次放在图像的每个位置上。把叠在一起的数相乘、相加，把和写进一张新图像：*特征图*。
        图像像卷积核的地方，特征图就亮。卷积做的就是这些。
        """,
    )
    return


@app.cell
def _():
    images, digits = load_digits()
    images = images.reshape(-1, 8, 8).astype(float)
    image = images[7]
    print((image * 16).astype(int))
    return digits, image, images


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## By hand: two loops

        Around the image stands a frame of zeros (*padding*), so that the kernel may hang over the edge and the new image is as
        large as the old one.
        """,
        """
        ## 用手算：两个循环

        图像周围加一圈零（*填充*），这样卷积核可以伸出边缘，新图像与原来一样大。
        """,
    )
    return


@app.cell
def _(image):
    def convolve(image, kernel):
        """Lay the kernel (k, k) on every place of the image (H, W)."""
        k = len(kernel)
        padded = np.pad(image, k // 2)
        out = np.zeros(image.shape)
        for i in range(image.shape[0]):
            for j in range(image.shape[1]):
                patch = padded[i : i + k, j : j + k]  # (k, k): what lies under the kernel
                out[i, j] = (patch * kernel).sum()
        return out

    upright = np.array([[-1, 2, -1], [-1, 2, -1], [-1, 2, -1]])  # ink in the middle, none beside it
    lying = upright.T
    maps = {"image": image, "upright": convolve(image, upright), "lying": convolve(image, lying)}
    patch = np.pad(image, 1)[3:6, 4:7]
    print("one place:", patch, "times", upright, f"adds up to {(patch * upright).sum():.3f}", sep="\n")
    assert np.isclose((patch * upright).sum(), maps["upright"][3, 4])
    return convolve, maps


@app.cell
def _(maps):
    _figure = picture(8, 2.6)
    for _axes, (_name, _map) in zip(_figure.subplots(1, 3), maps.items(), strict=True):
        _most = np.abs(_map).max()
        _axes.imshow(
            _map, cmap=PENCIL if _name == "image" else SIGNED, vmin=0 if _name == "image" else -_most, vmax=_most
        )
        _axes.set_title(_name)
        _axes.axis("off")
    _figure
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        Orange: here is an upright stroke (middle), here is a lying one (right). Nine weights have searched the whole image. Nobody needs
        to invent such kernels: they are weights, and the network **learns** them.

        Two more steps make a layer of it:

        - **relu**: what does not look like the kernel counts as 0.
        - **pooling**: of each 2 × 2 window only the largest number is kept. The image is a quarter as large, and it no longer matters
          if the stroke is one pixel further left.
        """,
        """
        橙色：这里有一条竖笔（中），这里有一条横笔（右）。九个权重搜遍了整张图像。没有人需要去设计这样的卷积核：它们是权重，由网络**学习**得到。

        再加两步，就成了一层：

        - **relu**：不像卷积核的地方记为 0。
        - **池化**：每个 2 × 2 窗口只留最大的数。图像只剩四分之一，笔画偏左一个像素也没有关系了。
        """,
    )
    return


@app.cell
def _(maps):
    def pool(image):
        """Keep the largest number of each 2 x 2 window."""
        H, W = image.shape
        return image.reshape(H // 2, 2, W // 2, 2).max(axis=(1, 3))

    seen = np.maximum(0, maps["upright"])
    print(seen.round(1), "pooled:", pool(seen).round(1), sep="\n")
    return (pool,)


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## A whole network

        Now let the library train one: 6 kernels of 3 × 3; pooling; then 10 kernels of 3 × 3 that each look at all 6 maps
        at once; pooling; then a row of numbers goes into ordinary layers.
        """,
        """
        ## 一个完整的网络

        现在让库来训练：6 个 3 × 3 的卷积核；池化；再 10 个 3 × 3 的卷积核，每个同时看全部 6 张图；池化；然后排成一行数，进入普通的层。
        """,
    )
    return


@app.cell
def _(digits, images):
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:1347], order[1347:]
    network = CNNClassifier(
        [(6, 3), (10, 3)],
        (32,),
        max_iter=25,
        n_iter_no_change=25,
        learning_rate_init=0.003,
        dtype="float64",
        random_state=0,
    )
    network.fit(images[train], digits[train])
    print(f"{network.score(images[test], digits[test]):.3f} of {len(test)} unseen digits are read correctly")
    assert network.score(images[test], digits[test]) > 0.95
    return network, test


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        And now take its weights, and go through the whole network **with the loops from above**: one image, every number by hand. A kernel
        that looks at several maps is several kernels, one a map, whose results are added.
        """,
        """
        现在取出它的权重，**用上面的循环**走完整个网络：一张图像，每个数都用手算。看几张图的卷积核其实是几个卷积核，每张图一个，结果相加。
        """,
    )
    return


@app.cell
def _(convolve, images, network, pool, test):
    def stage(maps, kernels, biases):
        """From maps (C, H, W) through kernels (O, C, k, k) to pooled maps (O, H / 2, W / 2)."""
        made = []
        for kernel, bias in zip(kernels, biases, strict=True):
            z = sum(convolve(m, k) for m, k in zip(maps, kernel, strict=True)) + bias
            made.append(pool(np.maximum(0, z)))
        return np.array(made)

    K1, K2, U1, U2 = network.coefs_  # (6, 1, 3, 3), (10, 6, 3, 3), (40, 32), (32, 10)
    b1, b2, c1, c2 = network.intercepts_
    x = images[test[0]]
    m1 = stage([x], K1, b1)  # (6, 4, 4)
    m2 = stage(m1, K2, b2)  # (10, 2, 2)
    hidden = np.maximum(0, m2.ravel() @ U1 + c1)  # (32,)
    logits = hidden @ U2 + c2  # (10,)
    by_hand = np.exp(logits - logits.max())
    by_hand /= by_hand.sum()
    by_library = network.predict_proba(x[None])[0]
    print("digit  by hand  by library")
    for digit, (mine, its) in enumerate(zip(by_hand, by_library, strict=True)):
        print(f"{digit}      {mine:.6f} {its:.6f}")
    trace = network.trace(x)
    assert np.allclose(m1, trace["m1"][0], rtol=0, atol=1e-10)
    assert np.allclose(m2, trace["m2"][0], rtol=0, atol=1e-10)
    assert np.allclose(by_hand, by_library, rtol=0, atol=1e-10)
    return (x,)


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        ## Backwards

        How does a kernel's weight learn, if it is used at every place? It has a part in the blame at every place, so its slope is a
        **sum over all places**: what lay under it there, times the error signal there. Again two loops.
        """,
        """
        ## 反向

        卷积核的一个权重在每个位置都用到，它怎样学习？它在每个位置都有一份责任，所以它的斜率是**对所有位置求和**：
        那里压在它下面的数，乘以那里的误差信号。还是两个循环。
        """,
    )
    return


@app.cell
def _(digits, network, test, x):
    back = network.trace(x, digits[test[0]])
    signal = np.asarray(back["delta1"])[0]  # (6, 8, 8): the error signals of the first convolution
    padded = np.pad(x, 1)
    slopes = np.zeros((6, 1, 3, 3))
    for i in range(8):
        for j in range(8):
            slopes[:, 0] += signal[:, i, j, None, None] * padded[i : i + 3, j : j + 3]
    print("slopes of the first kernel by hand", slopes[0, 0], "by library", back["dW1"][0, 0], sep="\n")
    assert np.allclose(slopes, back["dW1"], rtol=1e-9, atol=1e-15)
    return


@app.cell(hide_code=True)
def _(tell):
    tell.fold(
        ("The formulas", "公式"),
        (
            r"""
            Forwards, with images $m$ of $C$ channels and $O$ kernels of $k \times k$:

            $$z[o, i, j] = b[o] + \sum_{c, a, b} W[o, c, a, b] \; m[c, i + a, j + b].$$

            Each weight stands in the sum of every place $(i, j)$, with the pixel that lies under it. So by the chain rule, with
            $\delta = \partial C / \partial z$,

            $$\frac{\partial C}{\partial W[o, c, a, b]} = \sum_{i, j} \delta[o, i, j] \; m[c, i + a, j + b],$$

            and each pixel was seen by every kernel from several places:

            $$\frac{\partial C}{\partial m[c, i, j]} = \sum_{o, a, b} W[o, c, a, b] \; \delta[o, i - a, j - b].$$

            Pooling passes the whole slope to where the maximum came from, and nothing to the others
            (LeCun, Bottou, Bengio, Haffner 1998).
            """,
            r"""
            前向：图像 $m$ 有 $C$ 个通道，$O$ 个 $k \times k$ 的卷积核：

            $$z[o, i, j] = b[o] + \sum_{c, a, b} W[o, c, a, b] \; m[c, i + a, j + b].$$

            每个权重都出现在每个位置 $(i, j)$ 的和里，乘以压在它下面的像素。由链式法则，设 $\delta = \partial C / \partial z$，

            $$\frac{\partial C}{\partial W[o, c, a, b]} = \sum_{i, j} \delta[o, i, j] \; m[c, i + a, j + b],$$

            而每个像素都被每个卷积核从几个位置看到：

            $$\frac{\partial C}{\partial m[c, i, j]} = \sum_{o, a, b} W[o, c, a, b] \; \delta[o, i - a, j - b].$$

            池化把全部斜率交给最大值的来处，其余的为零（LeCun、Bottou、Bengio、Haffner 1998）。
            """,
        ),
    )
    return


@app.cell
def _(network):
    plot(network)
    return


@app.cell(hide_code=True)
def _(tell):
    tell(
        """
        The kernels that it has learnt, and its loss. Do you find strokes among them?

        ## Try it

        - Shift the image by one pixel (`np.roll(image, 1, axis=1)`). How do the feature maps change, and how the pooled ones?
        - How many weights has this network, and how many one with a hidden layer of 100? (`sum(w.size for w in network.coefs_)`)
        - `pellucid watch cnn` shows one image go through, step by step.
        """,
        """
        这是它学到的卷积核，以及它的损失。你能在其中找到笔画吗？

        ## 试一试

        - 把图像移一个像素（`np.roll(image, 1, axis=1)`）。特征图怎样变？池化后的呢？
        - 这个网络有多少权重？有 100 个隐藏神经元的网络有多少？（`sum(w.size for w in network.coefs_)`）
        - `pellucid watch cnn` 一步一步地展示一张图像怎样通过网络。
        """,
    )
    return


if __name__ == "__main__":
    app.run()
