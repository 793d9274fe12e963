# %% [markdown]
# # Exercises: Convolutions
#
# In this notebook you write what a convolutional network is made of. A window slides over an image;
# a weighted sum of it is a convolution, its largest pixel is a max-pool, its cosine with a patch
# finds that patch. At the end your pieces read handwritten digits by people they have not seen,
# and go on reading when the digits are moved. Plan about 110 minutes; every exercise says how long
# it takes.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within a second: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on.
#
# **How to read a signature.** `Float[Tensor, "batch channels height width"]` is a tensor of floats
# whose axes have these names. Height comes before width, rows before columns. Nothing checks these
# words while you work: they are there for you.

# %% tags=["setup"]
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from grading import check, demonstration, question

torch.set_num_threads(1)  # images this small gain nothing from more
torch.set_printoptions(precision=2, sci_mode=False)
LayerShape = tuple[int, int, int]  # kernel, stride, padding of a layer

# %% [markdown]
# ## 1. How many places
#
# {{convolutions/output_size}}
#
# A warm-up. A window slides along a row of pixels. How many places does it have? Draw a row of
# eight pixels and a window of three, and count, before you write the formula. The check also asks
# for the `ValueError` that the docstring promises.
#
# <details><summary>Hint</summary>
#
# The window stands at its first place. How many pixels are left to move over, with the padding at
# both ends, and how many steps of `stride` fit in them? `//` rounds down.
#
# </details>

# %% exercise="convolutions/output_size"
from reference_impl.convolutions.convolution import output_size

# %% [markdown]
# Three layers in a row, each of them with a window of 3. With padding 1 the size stays; with a
# stride of 2 it is halved.

# %% tags=["demo"]
with demonstration():
    for stride, padding in [(1, 0), (1, 1), (2, 1)]:
        sizes = [28]
        for _ in range(3):
            sizes.append(output_size(sizes[-1], kernel=3, stride=stride, padding=padding))
        print(f"stride {stride}, padding {padding}:", *sizes)

# %% [markdown]
# ## 2. Sliding windows
#
# {{convolutions/sliding_windows}}
#
# Everything in this notebook slides a window. So write that once: the pixels under the window, at
# every place. What stands around the image is `fill`. Where the window does not fit, the check
# wants the `ValueError` of the docstring; `output_size` raises it.
#
# <details><summary>Hint 1</summary>
#
# Put the padding around the image first: `F.pad(x, (left, right, top, bottom), value=...)`. Then
# all windows lie inside, and you can cut them out in two loops and `torch.stack` them.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Without loops: `x.unfold(axis, size, step)` makes windows along one axis, and puts their pixels on
# a new last axis. Do it for the rows, then for the columns.
#
# </details>

# %% exercise="convolutions/sliding_windows"
from reference_impl.convolutions.convolution import sliding_windows

# %% [markdown]
# The image below counts its pixels. Each window should be a piece of it, as it stands there.

# %% tags=["demo"]
counted = torch.arange(20.0).view(1, 1, 4, 5)
with demonstration():
    windows = sliding_windows(counted, kernel=(2, 2))
    print("image", counted[0, 0].int(), "window at row 1, column 3", windows[0, 0, 1, 3], sep="\n")

# %% [markdown]
# ## 3. A convolution
#
# {{convolutions/conv2d}}
#
# At every place the kernel lies on the window. Multiply what lies on each other and add up, over
# the window *and* over all input channels. Each output channel has a kernel and one bias of its
# own. Begin with one channel: that part earns points of its own.
#
# <details><summary>Hint 1</summary>
#
# `sliding_windows` returns six axes: batch, channels, two for the place, two for the pixel in the
# window. The weight has four. Which of them are gone in the result?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `torch.einsum("bihwrc,oirc->...", windows, weight)`: give every axis a letter; what you leave out
# on the right is added up. For the bias: `bias[:, None, None]` has the shape out_channels 1 1.
#
# </details>

# %% exercise="convolutions/conv2d"
from reference_impl.convolutions.convolution import conv2d

# %% [markdown]
# Your convolution on a real photograph. Change the nine numbers and run the cell again: what finds
# edges between above and below? What blurs? What sharpens?
# %% tags=["demo"]
my_kernel = torch.tensor(
    [
        [-1.0, 0.0, 1.0],
        [-1.0, 0.0, 1.0],
        [-1.0, 0.0, 1.0],
    ]
)
import matplotlib.pyplot as plt
from sklearn.datasets import load_sample_image

photo = torch.tensor(load_sample_image("china.jpg")).float().mean(dim=-1) / 255  # height width
with demonstration():
    answers = conv2d(photo[None, None], my_kernel[None, None], padding=1)[0, 0]
    figure, panels = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    panels[0].imshow(photo, cmap="gray")
    panels[1].imshow(answers, cmap="gray", vmin=-1, vmax=1)
    panels[0].set_title("photograph")
    panels[1].set_title("white: yes, black: the opposite")
    for panel in panels:
        panel.axis("off")
    plt.show()

# %% [markdown]
# ## 4. Max-pooling
#
# {{convolutions/max_pool2d}}
#
# The same windows, and of each the largest pixel, every channel by itself. Mind what stands in the
# padding: it must never win. The check asks for the `ValueError` of too much padding, too.
#
# <details><summary>Hint</summary>
#
# `sliding_windows(..., fill=...)` with a number that is smaller than any other. Then a maximum over
# both window axes: `flatten(-2)` makes one of them.
#
# </details>

# %% exercise="convolutions/max_pool2d"
from reference_impl.convolutions.convolution import max_pool2d

# %% [markdown]
# One pixel of ink, moved to the right step by step. Pooling hides some of the steps, and not
# others: it is no wall against shifts.

# %% tags=["demo"]
with demonstration():
    for column in range(4):
        ink = torch.zeros(1, 1, 2, 6)
        ink[..., 0, column] = 1
        print("ink at", column, "pooled", max_pool2d(ink, kernel=2).flatten().int().tolist())

# %% [markdown]
# ## 5. The receptive field
#
# {{convolutions/receptive_field}}
#
# How much of the image can reach one unit? Walk up through the layers.
#
# <details><summary>Hint</summary>
#
# Keep two numbers: how many pixels a unit sees (before any layer: 1), and how many pixels apart two
# neighbours are (before any layer: 1). Which of the two has to be brought up to date first?
#
# </details>

# %% exercise="convolutions/receptive_field"
from reference_impl.convolutions.receptive_field import receptive_field

# %% [markdown]
# How deep must a stack of windows of 3 be, before a unit sees all of a photograph 224 pixels wide?
# Predict both numbers, without and with a stride of 2 in every layer.

# %% tags=["demo"]
with demonstration():
    for stride in (1, 2):
        depth = 1
        while receptive_field([(3, stride, 1)] * depth) < 224:
            depth += 1
        print(f"stride {stride}: {depth} layers")

# %% [markdown]
# ## 6. A residual block
#
# {{convolutions/residual_block}}
#
# Two convolutions, and a way around them. The first convolution has the stride; both have padding
# 1, the projection has none. There are no biases and no norms here. Use your `conv2d`.
#
# <details><summary>Hint</summary>
#
# Write the two ways one after the other: `change` by convolution, ReLU, convolution; `shortcut` by
# the projection, or by nothing at all. Then add, and only then the last ReLU.
#
# </details>


# %% exercise="convolutions/residual_block"
def residual_block(
    x: Float[Tensor, "batch in_channels height width"],
    weight1: Float[Tensor, "out_channels in_channels 3 3"],
    weight2: Float[Tensor, "out_channels out_channels 3 3"],
    projection: Float[Tensor, "out_channels in_channels 1 1"] | None = None,
    stride: int = 1,
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """relu(shortcut + conv(relu(conv(x)))): x goes around two convolutions.

    The shortcut is x itself, or where a projection is given, x through that 1 by 1 convolution with
    the stride. `weight1` belongs to the first convolution, which has the stride.
    Source: He et al. 2015, equations 1 and 2.

    >>> x = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1)  # one pixel, two channels
    >>> first, second = torch.zeros(2, 2, 3, 3), torch.zeros(2, 2, 3, 3)
    >>> first[:, :, 1, 1] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # hands x on
    >>> second[:, :, 1, 1] = torch.tensor([[-1.5, 0.0], [0.0, 0.5]])  # says (-3, 0.5)
    >>> residual_block(x, first, second).flatten()
    tensor([0.0000, 1.5000])
    """
    hidden = F.relu(conv2d(x, weight1, stride=stride, padding=1))
    change = conv2d(hidden, weight2, padding=1)
    shortcut = x if projection is None else conv2d(x, projection, stride=stride)
    return F.relu(shortcut + change)


# %% [markdown]
# Twenty random blocks on top of each other, with small weights. What is left of an image with the
# skips, and without (the same two convolutions, nothing added)?

# %% tags=["demo"]
torch.manual_seed(0)
blocks = [0.05 * torch.randn(2, 4, 4, 3, 3) for _ in range(20)]
with demonstration():
    with_skip = without = torch.rand(1, 4, 8, 8)
    for first, second in blocks:
        with_skip = residual_block(with_skip, first, second)
        hidden = F.relu(conv2d(without, first, padding=1))
        without = F.relu(conv2d(hidden, second, padding=1))
    print(f"mean after 20 blocks: with skips {with_skip.mean():.2g}, without {without.mean():.2g}")

# %% [markdown]
# ## 7. A network that reads digits
#
# {{convolutions/digit_network}}
#
# Now a whole network, as a class. Its convolutions are torch's `nn.Conv2d`, which keeps weights and
# bias and computes what your `conv2d` does, only faster. After the three convolutions every channel
# keeps one number: its strongest answer, anywhere. The check loads weights of its own by the names
# in the docstring.
#
# <details><summary>Hint 1</summary>
#
# `nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)`. The channels go 1, channels,
# 2 * channels, 4 * channels. What does the linear layer get from each image?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `x.amax(dim=(-2, -1))` is the maximum over both axes of the image.
#
# </details>


# %% exercise="convolutions/digit_network"
class DigitNetwork(nn.Module):
    """Three convolutions, each with a ReLU; the maximum over all places; a linear layer.

    Its parts are `conv1`, `conv2` and `conv3` (3 by 3, padding 1, with bias) and `output`. Works on
    images of any size.
    """

    def __init__(self, channels: int = 8, n_classes: int = 10) -> None:
        """From 1 channel to `channels`, twice as many, and four times as many; then the classes."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(2 * channels, 4 * channels, kernel_size=3, padding=1)
        self.output = nn.Linear(4 * channels, n_classes)

    def forward(
        self, images: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch classes"]:
        """The logits of all classes."""
        x = F.relu(self.conv1(images))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return self.output(x.amax(dim=(-2, -1)))


# %% [markdown]
# Train it on digits, and test it on writers it has not seen: as they are, and moved by one and two
# pixels. This takes some seconds. First write down what you expect at two pixels.

# %% tags=["demo"]
from tqdm import tqdm

from reference_impl.convolutions.image_classifier import train_classifier
from reference_impl.convolutions.shifting import accuracy_when_shifted, on_canvas, shifted
from reference_impl.neural_networks.digits import load_digits_split

train, test = [on_canvas(part) for part in load_digits_split()]
torch.manual_seed(0)
with demonstration():
    network = DigitNetwork()
    epochs = train_classifier(network, *train, epochs=6, learning_rate=1e-2)
    losses = list(tqdm(epochs, total=6, desc="epochs"))
    for pixels in (0, 1, 2):
        share = accuracy_when_shifted(network, *test, pixels)
        print(f"moved by {pixels}: {share:.1%} right")

# %% [markdown]
# ## 8. Read a depth study
#
# {{convolutions/depth_study}}
#
# Seven groups trained networks of 4, 8, 16 and 32 hidden layers, each on a task of its own, until
# the loss no longer fell. The table says how many per cent they got wrong of the images they
# trained on, and of new images. Exactly one study shows **degradation**. Which? The table is drawn
# for you: others have another one.
#
# <details><summary>Hint</summary>
#
# Read the two errors apart. What does a network that overfits get wrong, and what not? What has to
# happen to the *training* error as layers are added?
#
# </details>

# %% tags=["demo"]
print(question("convolutions/depth_study")["table"])


# %% exercise="convolutions/depth_study"
def shows_degradation() -> str:
    """The letter of the study, "A" to "G"."""
    return "E"


# %% [markdown]
# ## 9. Find a patch in a photograph (second reading)
#
# {{convolutions/match_scores}}
#
# Which window looks most like a given patch? The plain product of the two is largest where the
# image is bright. A cosine does better, once both have lost their own mean. Use your
# `sliding_windows`. The check also gives a patch that does not fit, and windows of one grey.
#
# <details><summary>Hint</summary>
#
# `sliding_windows` wants batch and channels: `image[None, None]`. Flatten the two window axes; then
# everything is about vectors: their means (with `keepdim=True`), their product with the patch
# (`@`), their lengths (`norm(dim=-1)`). At last, put 0 where a window, or the patch, has one grey.
#
# </details>

# %% exercise="convolutions/match_scores"
from reference_impl.convolutions.matching import match_scores

# %% [markdown]
# A patch is cut out of the photograph, at half its size, at row 75 and column 150; then it loses
# half its contrast and becomes darker. Where do the plain product and your score find it?

# %% tags=["demo"]
scene = photo[::2, ::2]  # all windows of the whole photograph would fill a gigabyte
patch = 0.5 * scene[75:87, 150:162] - 0.1
with demonstration():
    products = conv2d(scene[None, None], patch[None, None])[0, 0]
    for name, found in [("product", products), ("cosine", match_scores(scene, patch))]:
        print(f"{name}: row and column", divmod(found.argmax().item(), found.shape[1]))

# %% [markdown]
# ## 10. A convolution as a matrix (second reading)
#
# {{convolutions/convolution_matrix}}
#
# In one dimension a convolution is a matrix with the same few numbers in every row. Write it out.
# The check gives an even number of entries, too, and wants the `ValueError` where there is no
# middle.
#
# <details><summary>Hint</summary>
#
# Two loops, over rows and over the entries of the kernel. In row i entry 0 stands `before` columns
# left of the diagonal; how many is that in each of the two cases? Skip what would lie outside.
#
# </details>

# %% exercise="convolutions/convolution_matrix"
from reference_impl.convolutions.matrix import convolution_matrix

# %% [markdown]
# Left, your matrix: it is the same for every input. Right, how attention mixes eight random
# vectors: a matrix made from the input itself. You write that one in chapter 5.

# %% tags=["demo"]
torch.manual_seed(0)
tokens = torch.randn(8, 4)  # seq d_model
with demonstration():
    fixed = convolution_matrix(torch.tensor([0.5, 0.3, 0.2]), seq=8)
    figure, panels = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
    for panel, values in zip(panels, (fixed, (tokens @ tokens.T).softmax(dim=-1)), strict=True):
        panel.imshow(values, cmap="Blues", vmin=0, vmax=1)
        panel.set(xlabel="input", ylabel="output")
    panels[0].set_title("convolution")
    panels[1].set_title("attention")
    plt.show()

# %% [markdown]
# ## All your pieces at work
#
# The network of exercise 7 was trained with torch's layers. Here its weights run through *your*
# convolution and *your* max-pool, on digits by writers it has not seen, moved to the lower left.

# %% tags=["demo"]
with demonstration(), torch.no_grad():
    images, labels = shifted(test[0], down=1, right=-2), test[1]
    x = images
    for layer in (network.conv1, network.conv2, network.conv3):
        x = F.relu(conv2d(x, layer.weight, layer.bias, padding=1))
    strongest = max_pool2d(x, kernel=12).flatten(1)  # examples channels
    logits = network.output(strongest)
    share = (logits.argmax(dim=-1) == labels).float().mean()
    print(f"your pieces: {share:.1%} of {len(labels)} digits right")
    print(f"largest difference to torch: {(logits - network(images)).abs().max():.1e}")
    sees = receptive_field([(3, 1, 1)] * 3)
    print(f"each answer saw {sees} by {sees} pixels of {images.shape[-2]} by {images.shape[-1]}")

# %% [markdown]
# That was unit 3: ten exercises, 24 points, and a network of your own pieces that reads digits
# wherever they stand. Of all this a language model keeps the skip connection, around every one of
# its layers; in place of the sliding window it has attention, which makes its weights from the
# input. Before that comes a question you may have asked already: how does anything that is no grid
# of pixels, such as a text, become numbers? That is unit 4, embeddings and positions.
