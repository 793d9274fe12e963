"""Answers to unit 03, written from the learner's notebook alone before the judge saw them.

Each wrong one makes one mistake that learners make. A text is run where the right answers to the
earlier exercises stand; an answer to a decision also has `shown`, what the notebook's `question`
gives, and `right`, the choice of somebody who sees it.
"""

WRONG = [
    # --- output_size -----------------------------------------------------------------------------
    (
        "output_size",
        """
def output_size(size, kernel, stride=1, padding=0):
    if stride < 1 or padding < 0 or kernel > size + 2 * padding:
        raise ValueError("the window does not fit")
    return (size + 2 * padding - kernel + 1) // stride
""",
        "adds the first place before it divides by the stride, so it loses the last place at times",
    ),
    (
        "output_size",
        """
def output_size(size, kernel, stride=1, padding=0):
    if stride < 1 or padding < 0 or kernel > size + 2 * padding:
        raise ValueError("the window does not fit")
    return round((size + 2 * padding - kernel) / stride) + 1
""",
        "rounds to the nearest in place of down, so the last window sticks out at times",
    ),
    (
        "output_size",
        """
def output_size(size, kernel, stride=1, padding=0):
    if stride < 1 or padding < 0 or kernel > size:
        raise ValueError("the window does not fit")
    return (size + 2 * padding - kernel) // stride + 1
""",
        "compares the kernel with the size without its padding: raises where the window fits",
    ),
    (
        "output_size",
        """
def output_size(size, kernel, stride=1, padding=0):
    if kernel > size + 2 * padding:
        raise ValueError("the window does not fit")
    return (size + 2 * padding - kernel) // stride + 1
""",
        "does not look at the stride and the padding: no ValueError for a stride below 1",
    ),
    # --- sliding_windows -------------------------------------------------------------------------
    (
        "sliding_windows",
        """
def sliding_windows(x, kernel, stride=1, padding=0, fill=0.0):
    output_size(x.shape[2], kernel[0], stride, padding)
    output_size(x.shape[3], kernel[1], stride, padding)
    x = F.pad(x, (padding, padding, padding, padding))
    return x.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride)
""",
        "pads with zeros whatever `fill` says",
    ),
    (
        "sliding_windows",
        """
def sliding_windows(x, kernel, stride=1, padding=0, fill=0.0):
    rows = output_size(x.shape[2], kernel[0], stride, padding)
    columns = output_size(x.shape[3], kernel[1], stride, padding)
    x = F.pad(x, (padding, padding, padding, padding), value=fill)
    return torch.stack(
        [
            torch.stack([x[:, :, i : i + kernel[0], j : j + kernel[1]] for j in range(columns)], 2)
            for i in range(rows)
        ],
        2,
    )
""",
        "the number of places is right, but they lie one pixel apart: the stride is not applied",
    ),
    (
        "sliding_windows",
        """
def sliding_windows(x, kernel, stride=1, padding=0, fill=0.0):
    batch, channels, height, width = x.shape
    rows = output_size(height, kernel[0], stride, padding)
    columns = output_size(width, kernel[1], stride, padding)
    x = F.pad(x, (padding, padding, padding, padding), value=fill)
    flat = F.unfold(x, kernel, stride=stride)  # batch channels*kernel_height*kernel_width places
    return flat.reshape(batch, channels, rows, columns, kernel[0], kernel[1])
""",
        "reshapes F.unfold's answer, where the window comes before the place, without a permute",
    ),
    (
        "sliding_windows",
        """
def sliding_windows(x, kernel, stride=1, padding=0, fill=0.0):
    output_size(x.shape[2], kernel[0], stride, padding)
    output_size(x.shape[3], kernel[1], stride, padding)
    x = F.pad(x, (padding, padding), value=fill)
    return x.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride)
""",
        "F.pad with two numbers pads the columns only, no rows above and below",
    ),
    (
        "sliding_windows",
        """
def sliding_windows(x, kernel, stride=1, padding=0, fill=0.0):
    output_size(x.shape[2], kernel[0], stride, padding)
    output_size(x.shape[3], kernel[1], stride, padding)
    x = F.pad(x, (padding, padding, padding, padding), value=fill)
    return x.unfold(3, kernel[1], stride).unfold(2, kernel[0], stride)
""",
        "unfolds columns before rows, so the window's width axis comes before its height axis",
    ),
    # --- conv2d ----------------------------------------------------------------------------------
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[-2:]), stride, padding)
    out = torch.einsum("bihwrc,oirc->bohw", windows, weight)
    return out if bias is None else out + bias
""",
        "adds the bias along the width in place of the channels",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[-2:]), stride, padding)
    out = 0
    for i in range(x.shape[1]):
        out = out + torch.einsum("bhwrc,orc->bohw", windows[:, i], weight[:, i])
        if bias is not None:
            out = out + bias[:, None, None]
    return out
""",
        "adds the bias once for each input channel",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[-2:]), stride, padding)
    out = torch.einsum("bihwrc,oirc->boihw", windows, weight).mean(dim=2)
    return out if bias is None else out + bias[:, None, None]
""",
        "takes the mean over the input channels, not the sum",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[-2:]), stride, padding)
    out = torch.einsum("bihwrc,oirc->bohw", windows, weight)
    if bias:
        out = out + bias[:, None, None]
    return out
""",
        "asks `if bias`: an error for several biases, and no bias where the only one is 0",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[-2:]), padding, stride)
    out = torch.einsum("bihwrc,oirc->bohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]
""",
        "hands padding over as the stride, and stride as the padding",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[-2:]), stride, padding)
    out = torch.einsum("bihwrc,oirc->bohw", windows, weight.transpose(-1, -2).reshape(weight.shape))
    return out if bias is None else out + bias[:, None, None]
""",
        "transposes the kernel, so that its rows and columns change places",
    ),
    # --- max_pool2d ------------------------------------------------------------------------------
    (
        "max_pool2d",
        """
def max_pool2d(x, kernel, stride=None, padding=0):
    if padding > kernel // 2:
        raise ValueError("too much padding")
    windows = sliding_windows(x, (kernel, kernel), stride or 1, padding, fill=float("-inf"))
    return windows.amax(dim=(-2, -1))
""",
        "the stride defaults to 1 in place of the kernel",
    ),
    (
        "max_pool2d",
        """
def max_pool2d(x, kernel, stride=None, padding=0):
    if padding > kernel / 2:
        raise ValueError("too much padding")
    windows = sliding_windows(x, (kernel, kernel), stride or kernel, padding, fill=-1.0)
    return windows.amax(dim=(-2, -1))
""",
        "fills with -1, which wins over pixels below -1",
    ),
    (
        "max_pool2d",
        """
def max_pool2d(x, kernel, stride=None, padding=0):
    if padding >= kernel:
        raise ValueError("a window could lie in the padding alone")
    windows = sliding_windows(x, (kernel, kernel), stride or kernel, padding, fill=float("-inf"))
    return windows.amax(dim=(-2, -1))
""",
        "allows padding up to the kernel, not up to half of it",
    ),
    (
        "max_pool2d",
        """
def max_pool2d(x, kernel, stride=None, padding=0):
    if padding > kernel / 2:
        raise ValueError("too much padding")
    windows = sliding_windows(x, (kernel, kernel), stride or kernel, padding, fill=float("-inf"))
    return windows.flatten(-2).max(dim=-1)
""",
        "`max(dim=...)` gives values and indices; both are handed back",
    ),
    # --- receptive_field -------------------------------------------------------------------------
    (
        "receptive_field",
        """
def receptive_field(layers):
    sees = 1
    for kernel, stride, padding in layers:
        sees = (sees - 1) * stride + kernel
    return sees
""",
        "the recursion that begins at the last layer, walked from the first",
    ),
    (
        "receptive_field",
        """
def receptive_field(layers):
    sees, apart = 1, 1
    for kernel, stride, padding in layers:
        sees += (kernel - 1) * apart
        apart = stride
    return sees
""",
        "keeps the stride of the layer just below only, not the product of all",
    ),
    (
        "receptive_field",
        """
def receptive_field(layers):
    sees, apart = 1, 1
    for kernel, stride, padding in layers:
        sees += (kernel - 1) * apart
        apart += stride - 1
    return sees
""",
        "adds the strides up in place of multiplying them",
    ),
    (
        "receptive_field",
        """
def receptive_field(layers):
    sees, apart = 1, 1
    for kernel, stride, padding in layers:
        sees += (kernel - 1 - 2 * padding) * apart
        apart *= stride
    return sees
""",
        "takes the padding off the kernel",
    ),
    # --- residual_block --------------------------------------------------------------------------
    (
        "residual_block",
        """
def residual_block(x, weight1, weight2, projection=None, stride=1):
    shortcut = x if projection is None else conv2d(x, projection, stride=stride)
    hidden = F.relu(x)
    hidden = F.relu(conv2d(hidden, weight1, stride=stride, padding=1))
    return shortcut + conv2d(hidden, weight2, padding=1)
""",
        "the pre-activation block: ReLU before the first convolution, none after the sum",
    ),
    (
        "residual_block",
        """
def residual_block(x, weight1, weight2, projection=None, stride=1):
    shortcut = x if projection is None else conv2d(x, projection, stride=stride)
    hidden = F.relu(conv2d(x, weight1, padding=1))
    return F.relu(shortcut + conv2d(hidden, weight2, stride=stride, padding=1))
""",
        "the stride is in the second convolution, not in the first",
    ),
    (
        "residual_block",
        """
def residual_block(x, weight1, weight2, projection=None, stride=1):
    shortcut = x
    if projection is not None:
        shortcut = F.relu(conv2d(x, projection, stride=stride))
    hidden = F.relu(conv2d(x, weight1, stride=stride, padding=1))
    return F.relu(shortcut + conv2d(hidden, weight2, padding=1))
""",
        "a ReLU on the projected shortcut, which takes its negative values away",
    ),
    (
        "residual_block",
        """
def residual_block(x, weight1, weight2, projection=None, stride=1):
    hidden = F.relu(conv2d(x, weight1, stride=stride, padding=1))
    change = conv2d(hidden, weight2, padding=1)
    shortcut = x if projection is None else conv2d(x, projection, stride=stride)
    shortcut += change
    return F.relu(shortcut)
""",
        "`+=` writes into x itself where there is no projection",
    ),
    (
        "residual_block",
        """
def residual_block(x, weight1, weight2, projection=None, stride=1):
    hidden = F.relu(conv2d(x, weight1, stride=stride, padding=1))
    change = conv2d(hidden, weight2, padding=1)
    shortcut = x if projection is None else conv2d(x, projection, stride=stride, padding=1)
    return F.relu(shortcut + change)
""",
        "padding 1 for the 1 by 1 projection: the shortcut is larger than the change",
    ),
    # --- digit_network ---------------------------------------------------------------------------
    (
        "digit_network",
        """
class DigitNetwork(nn.Module):
    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)
        self.output = nn.Linear(4 * channels, n_classes)

    def forward(self, images):
        x = F.relu(self.conv1(images))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return self.output(x.amax(dim=(-2, -1))).softmax(dim=-1)
""",
        "gives probabilities, not logits",
    ),
    (
        "digit_network",
        """
class DigitNetwork(nn.Module):
    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)
        self.output = nn.Linear(4 * channels, n_classes)

    def forward(self, images):
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.conv3(x))
        return self.output(x.amax(dim=(-2, -1)))
""",
        "max-pooling between the convolutions, which nobody asked for",
    ),
    (
        "digit_network",
        """
class DigitNetwork(nn.Module):
    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * channels, 3 * channels, 3, padding=1)
        self.output = nn.Linear(3 * channels, n_classes)

    def forward(self, images):
        x = F.relu(self.conv1(images))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return self.output(x.amax(dim=(-2, -1)))
""",
        "three times the channels in the third convolution, not four times",
    ),
    (
        "digit_network",
        """
class DigitNetwork(nn.Module):
    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)
        self.output = nn.Linear(4 * channels, n_classes)

    def forward(self, images):
        x = F.relu(self.conv1(images))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return F.relu(self.output(x.amax(dim=(-2, -1))))
""",
        "a ReLU on the logits",
    ),
    # --- depth_study -----------------------------------------------------------------------------
    (
        "depth_study",
        """
def shows_degradation():
    errors = {}
    for line in shown["table"].splitlines()[1:]:
        letter, kind, *values = line.replace("%", "").split()
        errors[letter, kind] = [float(value) for value in values]
    letters = sorted({letter for letter, _ in errors})
    return max(letters, key=lambda a: errors[a, "new"][-1] - errors[a, "training"][-1])
""",
        "chooses the largest gap between new and training images: overfitting",
    ),
    (
        "depth_study",
        """
def shows_degradation():
    errors = {}
    for line in shown["table"].splitlines()[1:]:
        letter, kind, *values = line.replace("%", "").split()
        errors[letter, kind] = [float(value) for value in values]
    letters = sorted({letter for letter, _ in errors})
    return max(letters, key=lambda a: min(errors[a, "training"]))
""",
        "chooses the networks that are bad at every depth: underfitting",
    ),
    (
        "depth_study",
        """
def shows_degradation():
    errors = {}
    for line in shown["table"].splitlines()[1:]:
        letter, kind, *values = line.replace("%", "").split()
        errors[letter, kind] = [float(value) for value in values]
    letters = sorted({letter for letter, _ in errors})
    return max(letters, key=lambda a: errors[a, "training"][0] - errors[a, "training"][-1])
""",
        "reads the columns the wrong way round: chooses where depth helps most",
    ),
    # --- match_scores ----------------------------------------------------------------------------
    (
        "match_scores",
        """
def match_scores(image, patch):
    windows = sliding_windows(image[None, None], tuple(patch.shape))[0, 0].flatten(-2)
    patch = patch.flatten()
    patch = patch - patch.mean()
    lengths = windows.norm(dim=-1) * patch.norm()
    flat = (windows == windows[..., :1]).all(dim=-1) | (lengths == 0)
    return torch.where(flat, 0.0, windows @ patch / lengths)
""",
        "takes the mean off the patch only, so a window's brightness still counts in its length",
    ),
    (
        "match_scores",
        """
def match_scores(image, patch):
    windows = sliding_windows((image - image.mean())[None, None], tuple(patch.shape))[0, 0]
    windows = windows.flatten(-2)
    patch = (patch - patch.mean()).flatten()
    lengths = windows.norm(dim=-1) * patch.norm()
    flat = (windows == windows[..., :1]).all(dim=-1) | (lengths == 0)
    return torch.where(flat, 0.0, windows @ patch / lengths)
""",
        "takes the whole image's mean off, not each window's own",
    ),
    (
        "match_scores",
        """
def match_scores(image, patch):
    windows = sliding_windows(image[None, None], tuple(patch.shape))[0, 0].flatten(-2)
    patch = patch.flatten()
    flat = (windows == windows[..., :1]).all(dim=-1) | (patch == patch[0]).all()
    centred = windows - windows.mean(dim=-1, keepdim=True)
    together = (centred * (patch - patch.mean())).mean(dim=-1)
    return torch.where(flat, 0.0, together / (windows.std(dim=-1) * patch.std()))
""",
        "divides a mean over n by deviations over n - 1: every score is too small by (n - 1) / n",
    ),
    (
        "match_scores",
        """
def match_scores(image, patch):
    windows = sliding_windows(image[None, None], tuple(patch.shape))[0, 0].flatten(-2)
    windows = windows - windows.mean(dim=-1, keepdim=True)
    patch = (patch - patch.mean()).flatten()
    return windows @ patch / (windows.norm(dim=-1) * patch.norm() + 1e-3)
""",
        "a large constant in the denominator against 0 / 0 makes every score too small",
    ),
    # --- convolution_matrix ----------------------------------------------------------------------
    (
        "convolution_matrix",
        """
def convolution_matrix(kernel, seq, causal=False):
    taps = len(kernel)
    if taps % 2 == 0 and not causal:
        raise ValueError("an even number of taps has no middle")
    before = taps - 1 if causal else taps // 2
    matrix = torch.zeros(seq, seq)
    for i in range(seq):
        for t in range(taps):
            if i - before + t < seq:
                matrix[i, i - before + t] = kernel[t]
    return matrix
""",
        "a negative column counts from the end: entries left of the image come in on the right",
    ),
    (
        "convolution_matrix",
        """
def convolution_matrix(kernel, seq, causal=False):
    taps = len(kernel)
    if taps % 2 == 0 and not causal:
        raise ValueError("an even number of taps has no middle")
    matrix = torch.zeros(seq, seq)
    for i in range(seq):
        for t in range(taps):
            if 0 <= i - taps // 2 + t < seq:
                matrix[i, i - taps // 2 + t] = kernel[t]
    return matrix.tril() if causal else matrix
""",
        "causal by cutting the upper triangle off: the middle entry stays on the diagonal",
    ),
    (
        "convolution_matrix",
        """
def convolution_matrix(kernel, seq, causal=False):
    taps = len(kernel)
    if taps % 2 == 0:
        raise ValueError("an even number of taps has no middle")
    before = taps - 1 if causal else taps // 2
    matrix = torch.zeros(seq, seq)
    for i in range(seq):
        for t in range(taps):
            if 0 <= i - before + t < seq:
                matrix[i, i - before + t] = kernel[t]
    return matrix
""",
        "refuses an even number of taps in the causal case, too",
    ),
    # --- a further trial -----------------------------------------------------------------
    (
        "output_size",
        """
def output_size(size, kernel, stride=1, padding=0):
    return (size - kernel + 2 * padding) / stride + 1
""",
        "divides with / and refuses nothing",
    ),
    (
        "output_size",
        """
def output_size(size, kernel, stride=1, padding=0):
    if size + 2 * padding < kernel or stride < 1 or padding < 0:
        raise ValueError("the window does not fit")
    return len(range(0, size + 2 * padding - kernel, stride))
""",
        "loses the last place where the stride comes out even",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[2:]), stride, padding)
    out = torch.einsum("bihwrc,ojrc->bohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]
""",
        "the kernel's channels have a letter of their own",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[2:]), stride, padding)
    out = (windows[:, 0] * weight[0, 0]).sum(dim=(-2, -1))[:, None]
    return out if bias is None else out + bias[:, None, None]
""",
        "one input channel and one kernel",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = sliding_windows(x, tuple(weight.shape[2:]), stride, padding)
    out = (windows[:, None] * weight[None, :, :, None, None]).mean(dim=(2, 5, 6))
    return out if bias is None else out + bias[:, None, None]
""",
        "the mean of the products",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    size = weight.shape[-1]
    windows = sliding_windows(x, (size, size), stride, padding)
    out = torch.einsum("bihwrc,oirc->bohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]
""",
        "takes every kernel for square",
    ),
    (
        "max_pool2d",
        """
def max_pool2d(x, kernel, stride=None, padding=0):
    if padding > kernel / 2:
        raise ValueError("too much padding")
    stride = kernel if stride is None else stride
    return sliding_windows(x, (kernel, kernel), stride, padding, fill=-1000).amax(dim=(-2, -1))
""",
        "a low number for minus infinity",
    ),
    (
        "residual_block",
        """
def residual_block(x, weight1, weight2, projection=None, stride=1):
    out = F.relu(conv2d(x, weight1, stride=stride, padding=1))
    out = conv2d(out, weight2, padding=1)
    if projection is not None:
        out = out + conv2d(x, projection, stride=stride)
    return F.relu(out)
""",
        "adds nothing where there is no projection",
    ),
    (
        "residual_block",
        """
def residual_block(x, weight1, weight2, projection=None, stride=1):
    out = F.relu(conv2d(x, weight1, stride=stride))
    out = conv2d(out, weight2)
    shortcut = x if projection is None else conv2d(x, projection, stride=stride)
    return F.relu(shortcut + out)
""",
        "forgets the padding of both convolutions",
    ),
    (
        "digit_network",
        """
class DigitNetwork(nn.Module):
    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3)
        self.conv3 = nn.Conv2d(2 * channels, 4 * channels, 3)
        self.output = nn.Linear(4 * channels, n_classes)

    def forward(self, images):
        x = images
        for layer in (self.conv1, self.conv2, self.conv3):
            x = F.relu(layer(x))
        return self.output(x.amax(dim=(-2, -1)))
""",
        "no padding",
    ),
    (
        "digit_network",
        """
class DigitNetwork(nn.Module):
    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)
        self.linear = nn.Linear(4 * channels, n_classes)

    def forward(self, images):
        x = images
        for layer in (self.conv1, self.conv2, self.conv3):
            x = F.relu(layer(x))
        return self.linear(x.amax(dim=(-2, -1)))
""",
        "another name for `output`",
    ),
]

RIGHT = [
    (
        "output_size",
        """
def output_size(size, kernel, stride=1, padding=0):
    if stride < 1 or padding < 0:
        raise ValueError("stride and padding")
    places = range(-padding, size + padding - kernel + 1, stride)
    if not places:
        raise ValueError("does not fit")
    return len(places)
""",
        "counts the places",
    ),
    (
        "sliding_windows",
        """
def sliding_windows(x, kernel, stride=1, padding=0, fill=0.0):
    import numpy as np

    rows = output_size(x.shape[2], kernel[0], stride, padding)
    columns = output_size(x.shape[3], kernel[1], stride, padding)
    edges = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    around = np.pad(x.detach().numpy(), edges, constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(around, tuple(kernel), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    assert windows.shape[2:4] == (rows, columns)
    return torch.from_numpy(windows.copy())
""",
        "by NumPy and back",
    ),
    (
        "sliding_windows",
        """
def sliding_windows(x, kernel, stride=1, padding=0, fill=0.0):
    batch, channels, height, width = x.shape
    rows = output_size(height, kernel[0], stride, padding)
    columns = output_size(width, kernel[1], stride, padding)
    around = torch.full((batch, channels, height + 2 * padding, width + 2 * padding), float(fill))
    around[:, :, padding : padding + height, padding : padding + width] = x
    down = (torch.arange(rows) * stride)[:, None, None, None] + torch.arange(kernel[0])[:, None]
    right = (torch.arange(columns) * stride)[:, None, None] + torch.arange(kernel[1])
    return around[:, :, down, right]
""",
        "by index arrays",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    kernel_height, kernel_width = weight.shape[-2:]
    rows = output_size(x.shape[2], kernel_height, stride, padding)
    columns = output_size(x.shape[3], kernel_width, stride, padding)
    x = F.pad(x, [padding] * 4)
    out = torch.zeros(x.shape[0], weight.shape[0], rows, columns)
    for r in range(kernel_height):
        for c in range(kernel_width):
            under = x[:, :, r : r + stride * rows : stride, c : c + stride * columns : stride]
            under = under[:, :, :rows, :columns]
            out += torch.einsum("bihw,oi->bohw", under, weight[:, :, r, c])
    return out if bias is None else out + bias.view(1, -1, 1, 1)
""",
        "a loop over the kernel's entries, not over the places",
    ),
    (
        "conv2d",
        """
def conv2d(x, weight, bias=None, stride=1, padding=0):
    rows = output_size(x.shape[2], weight.shape[2], stride, padding)
    columns = output_size(x.shape[3], weight.shape[3], stride, padding)
    columns_of_pixels = F.unfold(x, tuple(weight.shape[2:]), stride=stride, padding=padding)
    out = weight.flatten(1) @ columns_of_pixels
    if bias is not None:
        out = out + bias[:, None]
    return out.unflatten(-1, (rows, columns))
""",
        "one matrix product on F.unfold",
    ),
    (
        "max_pool2d",
        """
def max_pool2d(x, kernel, stride=None, padding=0):
    if 2 * padding > kernel:
        raise ValueError("too much padding")
    stride = kernel if stride is None else stride
    rows = output_size(x.shape[2], kernel, stride, padding)
    columns = output_size(x.shape[3], kernel, stride, padding)
    best = None
    around = F.pad(x, [padding] * 4, value=x.min().item() - 1)
    for r in range(kernel):
        for c in range(kernel):
            under = around[:, :, r::stride, c::stride][:, :, :rows, :columns]
            best = under if best is None else torch.maximum(best, under)
    return best
""",
        "a running maximum, with padding just below the smallest pixel",
    ),
    (
        "receptive_field",
        """
def receptive_field(layers):
    if not layers:
        return 1
    *below, (kernel, stride, _) = layers
    apart = 1
    for _, step, _ in below:
        apart *= step
    return receptive_field(below) + (kernel - 1) * apart
""",
        "recursion over the layers",
    ),
    (
        "receptive_field",
        """
def receptive_field(layers):
    first = last = 0
    for kernel, stride, padding in reversed(layers):
        first, last = first * stride, last * stride + kernel - 1
    return last - first + 1
""",
        "follows the first and the last pixel from the top down",
    ),
    (
        "residual_block",
        """
def residual_block(x, weight1, weight2, projection=None, stride=1):
    out = conv2d(x, weight1, None, stride, 1).clamp(min=0)
    out = conv2d(out, weight2, None, 1, 1)
    if projection is None:
        out += x
    else:
        out += torch.einsum("bihw,oi->bohw", x[:, :, ::stride, ::stride], projection[:, :, 0, 0])
    return out.relu_()
""",
        "works in place on its own tensors; the projection is a product over the channels",
    ),
    (
        "digit_network",
        """
class DigitNetwork(nn.Module):
    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        sizes = [1, channels, 2 * channels, 4 * channels]
        for i in range(3):
            self.add_module(f"conv{i + 1}", nn.Conv2d(sizes[i], sizes[i + 1], 3, 1, "same"))
        self.output = nn.Linear(sizes[-1], n_classes)
        self.strongest = nn.AdaptiveMaxPool2d(1)

    def forward(self, images):
        x = self.conv2(self.conv1(images).relu()).relu()
        return self.output(self.strongest(self.conv3(x)).flatten(1).relu())
""",
        "the last ReLU after the maximum, which gives the same",
    ),
    (
        "depth_study",
        """
def shows_degradation():
    return "".join(letter for letter in "ABCDEFG" if letter == right)
""",
        "reads the table right",
    ),
    (
        "match_scores",
        """
def match_scores(image, patch):
    rows = output_size(image.shape[0], patch.shape[0])
    columns = output_size(image.shape[1], patch.shape[1])
    scores = torch.zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            window = image[i : i + patch.shape[0], j : j + patch.shape[1]]
            if len(window.unique()) > 1 and len(patch.unique()) > 1:
                both = torch.stack([window.flatten(), patch.flatten()]).double()
                scores[i, j] = torch.corrcoef(both)[0, 1]
    return scores
""",
        "the correlation coefficient, window by window",
    ),
    (
        "convolution_matrix",
        """
def convolution_matrix(kernel, seq, causal=False):
    if not causal and len(kernel) % 2 == 0:
        raise ValueError("no middle")
    before = len(kernel) - 1 if causal else len(kernel) // 2
    padded = F.pad(torch.eye(seq), (before, len(kernel) - 1 - before))
    return torch.stack([padded[i].unfold(0, len(kernel), 1) @ kernel for i in range(seq)]).T
""",
        "slides the kernel over the columns of the identity",
    ),
]
