"""Answers to unit 04, written from the learner's notebook alone before the judge saw them.

Each wrong one makes one mistake that learners make. A text is run where the right answers to the
earlier exercises stand; an answer to a decision also has `shown`, what the notebook's `question`
gives, and `right`, the choice of somebody who sees it.
"""

WRONG = [
    # --- look_up ---------------------------------------------------------------------------------
    (
        "look_up",
        """
def look_up(table, token_ids):
    return table[token_ids - 1]
""",
        "counts the rows from 1",
    ),
    (
        "look_up",
        """
def look_up(table, token_ids):
    return table[token_ids.flatten()]
""",
        "flattens the ids: the batch axis is lost, and a single id gets an axis",
    ),
    (
        "look_up",
        """
def look_up(table, token_ids):
    embedding = torch.nn.Embedding(*table.shape)
    return embedding(token_ids).detach()
""",
        "reads a new table of random numbers, not the one that was given",
    ),
    (
        "look_up",
        """
def look_up(table, token_ids):
    return torch.nn.functional.one_hot(token_ids).float() @ table
""",
        "one_hot takes the number of classes from the largest id that occurs, not from the table",
    ),
    # --- table_gradient --------------------------------------------------------------------------
    (
        "table_gradient",
        """
def table_gradient(token_ids, upstream, vocab):
    ids, rows = token_ids.flatten(), upstream.reshape(-1, upstream.shape[-1])
    counts = torch.bincount(ids, minlength=vocab).clamp(min=1)
    total = torch.zeros(vocab, rows.shape[1]).index_add(0, ids, rows)
    return total / counts[:, None]
""",
        "takes the mean over the places of an id, not the sum",
    ),
    (
        "table_gradient",
        """
def table_gradient(token_ids, upstream, vocab):
    ids, rows = token_ids.flatten(), upstream.reshape(-1, upstream.shape[-1])
    rows_used = int(ids.max()) + 1
    return torch.zeros(rows_used, rows.shape[1]).index_add(0, ids, rows)
""",
        "as many rows as the largest id needs, not vocab",
    ),
    (
        "table_gradient",
        """
def table_gradient(token_ids, upstream, vocab):
    table = torch.zeros(vocab, upstream.shape[-1])
    if token_ids.ndim == 1:
        token_ids, upstream = token_ids[None], upstream[None]
    for ids, rows in zip(token_ids, upstream):
        table[ids] += rows
    return table
""",
        "a loop over the texts of the batch only: within one text += keeps one place of each id",
    ),
    (
        "table_gradient",
        """
def table_gradient(token_ids, upstream, vocab):
    ids, rows = token_ids.flatten(), upstream.reshape(-1, upstream.shape[-1])
    table = torch.zeros(len(ids), rows.shape[1])
    for place, token in enumerate(ids):
        table[place] = rows[ids == token].sum(0)
    return table
""",
        "a row for each place in the text, not a row for each id",
    ),
    # --- image_to_patches ------------------------------------------------------------------------
    (
        "image_to_patches",
        """
def image_to_patches(image, size):
    if image.shape[0] % size or image.shape[1] % size:
        raise ValueError("the squares do not fill the image")
    windows = image.unfold(0, size, size).unfold(1, size, size)  # rows columns channels y x
    return windows.reshape(-1, size * size * image.shape[2])
""",
        "unfold leaves the channels in front of the pixels: they are not kept together",
    ),
    (
        "image_to_patches",
        """
def image_to_patches(image, size):
    if image.shape[0] % size or image.shape[1] % size:
        raise ValueError("the squares do not fill the image")
    return rearrange(image, "(rows y) (columns x) c -> (columns rows) (y x c)", y=size, x=size)
""",
        "the patches come column by column",
    ),
    (
        "image_to_patches",
        """
def image_to_patches(image, size):
    height, width, channels = image.shape
    if (height * width) % (size * size):
        raise ValueError("the squares do not fill the image")
    patches = []
    for top in range(0, height - size + 1, size):
        for left in range(0, width - size + 1, size):
            patches.append(image[top : top + size, left : left + size].flatten())
    return torch.stack(patches)
""",
        "looks only at the number of pixels: 6 x 8 with size 4 is not refused",
    ),
    (
        "image_to_patches",
        """
def image_to_patches(image, size):
    height, width, channels = image.shape
    if height % size or width % size:
        raise ValueError("the squares do not fill the image")
    patches = []
    for top in range(height - size + 1):
        for left in range(width - size + 1):
            patches.append(image[top : top + size, left : left + size].flatten())
    return torch.stack(patches)
""",
        "a square at every pixel: the patches overlap",
    ),
    # --- patches_to_image ------------------------------------------------------------------------
    (
        "patches_to_image",
        """
def patches_to_image(patches, size, height, width):
    return rearrange(
        patches,
        "(rows columns) (y x c) -> (rows y) (columns x) c",
        rows=width // size,
        y=size,
        x=size,
    )
""",
        "the number of rows comes from the width: a wide image comes back tall",
    ),
    (
        "patches_to_image",
        """
def patches_to_image(patches, size, height, width):
    folded = torch.nn.functional.fold(patches.T[None], (height, width), size, stride=size)
    return folded[0].permute(1, 2, 0)  # channels height width -> height width channels
""",
        "fold wants the channels in front of the pixels; a patch has them behind",
    ),
    (
        "patches_to_image",
        """
def patches_to_image(patches, size, height, width):
    image = torch.zeros(height, width, 3)
    i = 0
    for top in range(0, height, size):
        for left in range(0, width, size):
            image[top : top + size, left : left + size] = patches[i].view(size, size, 3)
            i += 1
    return image
""",
        "takes every image for one of three channels",
    ),
    # --- cut_into_frames -------------------------------------------------------------------------
    (
        "cut_into_frames",
        """
def cut_into_frames(samples, size, hop):
    if len(samples) < size:
        raise ValueError("the signal is shorter than a frame")
    frames = [samples[start : start + size] for start in range(0, len(samples), hop)]
    frames = [torch.nn.functional.pad(frame, (0, size - len(frame))) for frame in frames]
    return torch.stack(frames)
""",
        "keeps the frames that stick out at the end and fills them with zeros",
    ),
    (
        "cut_into_frames",
        """
def cut_into_frames(samples, size, hop):
    if len(samples) <= size:
        raise ValueError("the signal is shorter than a frame")
    return samples.unfold(0, size, hop)
""",
        "refuses a signal that is exactly one frame long",
    ),
    (
        "cut_into_frames",
        """
def cut_into_frames(samples, size, hop):
    if len(samples) < size:
        raise ValueError("the signal is shorter than a frame")
    step = size - hop
    n_frames = 1 + (len(samples) - size) // step
    return torch.stack([samples[i * step : i * step + size] for i in range(n_frames)])
""",
        "takes hop for the overlap of two frames, not for the distance of their starts",
    ),
    # --- kmer_ids --------------------------------------------------------------------------------
    (
        "kmer_ids",
        """
def kmer_ids(dna, k):
    ids = []
    for start in range(len(dna) - k + 1):
        value = 0
        for letter in dna[start : start + k]:
            value = 4 * value + "ACGT".find(letter)
        ids.append(value)
    return ids
""",
        "find gives -1 for an unknown letter, which goes into the number as a digit",
    ),
    (
        "kmer_ids",
        """
def kmer_ids(dna, k):
    ids = []
    for start in range(len(dna) - k + 1):
        word = dna[start : start + k]
        if "N" in word:
            ids.append(4**k)
        else:
            ids.append(sum("ACGT".index(c) * 4 ** (k - 1 - i) for i, c in enumerate(word)))
    return ids
""",
        "only N is taken for unknown: any other letter stops with an error",
    ),
    (
        "kmer_ids",
        """
def kmer_ids(dna, k):
    digits = {"A": 0, "C": 1, "G": 2, "T": 3}
    ids = []
    for start in range(0, len(dna) - k + 1, k):
        value = 0
        for letter in dna[start : start + k]:
            if letter not in digits:
                value = 4**k
                break
            value = 4 * value + digits[letter]
        ids.append(value)
    return ids
""",
        "the words stand side by side: they do not overlap",
    ),
    (
        "kmer_ids",
        """
def kmer_ids(dna, k):
    digits = {"A": 0, "C": 1, "G": 2, "T": 3}
    ids, value, known = [], 0, 0
    for letter in dna:
        if letter in digits:
            value = (4 * value + digits[letter]) % 4**k
            known += 1
        else:
            value, known = 0, 0
        if known >= k:
            ids.append(value)
    return ids
""",
        "leaves words with an unknown letter out, so that later words move up",
    ),
    # --- nearest ---------------------------------------------------------------------------------
    (
        "nearest",
        """
def nearest(table, index, n):
    unit = table / table.norm(dim=1, keepdim=True)
    others = torch.cat([unit[:index], unit[index + 1 :]])
    cosines, ids = (others @ unit[index]).topk(n)
    return ids, cosines
""",
        "removes the row and does not count it: ids after it are too small by 1",
    ),
    (
        "nearest",
        """
def nearest(table, index, n):
    unit = table / table.norm(dim=1, keepdim=True)
    cosines = unit @ unit[index]
    cosines[index] = 0
    best = cosines.topk(n)
    return best.indices, best.values
""",
        "gives the row itself the cosine 0, which still wins over rows that point away",
    ),
    (
        "nearest",
        """
def nearest(table, index, n):
    unit = table / table.norm(dim=1, keepdim=True)
    cosines = unit @ unit[index]
    cosines[index] = -float("inf")
    return tuple(cosines.topk(n))
""",
        "hands topk's pair over as it is: the cosines first, then the ids",
    ),
    (
        "nearest",
        """
def nearest(table, index, n):
    cosines = (table @ table[index]) / table.norm(dim=1)
    cosines[index] = -float("inf")
    best = cosines.topk(n)
    return best.indices, best.values
""",
        "divides by the length of the other row only",
    ),
    (
        "nearest",
        """
def nearest(table, index, n):
    distances = torch.cdist(table[index : index + 1], table)[0]
    distances[index] = float("inf")
    ids = distances.argsort()[:n]
    cosines = torch.nn.functional.cosine_similarity(table[ids], table[index], dim=-1)
    return ids, cosines
""",
        "chooses by the distance between the points, then gives their cosines",
    ),
    # --- shuffle_error ---------------------------------------------------------------------------
    (
        "shuffle_error",
        """
def shuffle_error(layer, x, order):
    return (layer(x[order])[order] - layer(x)).abs().max().item()
""",
        "undoes the order by applying it once more, in place of its inverse",
    ),
    (
        "shuffle_error",
        """
def shuffle_error(layer, x, order):
    return (layer(x)[order] - layer(x[order])).max().item()
""",
        "no absolute value: the largest of the signed differences",
    ),
    (
        "shuffle_error",
        """
def shuffle_error(layer, x, order):
    before, after = layer(x[order]), layer(x)[order]
    return (before - after).norm(dim=-1).max().item()
""",
        "the largest length of a position's difference vector, not the largest entry",
    ),
    # --- rope_angles -----------------------------------------------------------------------------
    (
        "rope_angles",
        """
def rope_angles(positions, head_dim, rope_theta=10000.0):
    if head_dim % 2:
        raise ValueError("head_dim must be even")
    exponents = torch.linspace(0, 1, head_dim // 2)
    return positions[:, None].float() * rope_theta**-exponents
""",
        "the exponents run to 1 inclusive: the last pair turns at 1/theta, all others are off, too",
    ),
    (
        "rope_angles",
        """
def rope_angles(positions, head_dim, rope_theta=10000.0):
    if head_dim % 2:
        raise ValueError("head_dim must be even")
    speeds = rope_theta ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    angles = torch.outer(positions.float(), speeds)
    return torch.cat([angles, angles], dim=-1)
""",
        "an angle for every feature, as some libraries want it, not for every pair",
    ),
    (
        "rope_angles",
        """
def rope_angles(positions, head_dim, rope_theta=10000.0):
    if head_dim % 2:
        raise ValueError("head_dim must be even")
    speeds = rope_theta ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    return torch.outer(torch.arange(len(positions)).float(), speeds)
""",
        "counts the positions from 0 in place of using those given",
    ),
    (
        "rope_angles",
        """
def rope_angles(positions, head_dim, rope_theta=10000.0):
    if head_dim % 2:
        raise ValueError("head_dim must be even")
    i = torch.arange(head_dim // 2)
    speeds = 1.0 / rope_theta ** (2 * i // head_dim)
    return torch.outer(positions.float(), speeds)
""",
        "divides the exponents as integers: all are 0, and every pair turns at full speed",
    ),
    # --- sinusoidal_positions --------------------------------------------------------------------
    (
        "sinusoidal_positions",
        """
def sinusoidal_positions(seq, d_model, base=10000.0):
    angles = rope_angles(torch.arange(seq), d_model, base)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
""",
        "all sines first, then all cosines, in place of side by side",
    ),
    (
        "sinusoidal_positions",
        """
def sinusoidal_positions(seq, d_model, base=10000.0):
    if d_model % 2:
        raise ValueError("d_model must be even")
    features = torch.arange(d_model).float()
    angles = torch.arange(seq).float()[:, None] / base ** (features / d_model)
    angles[:, 0::2] = angles[:, 0::2].sin()
    angles[:, 1::2] = angles[:, 1::2].cos()
    return angles
""",
        "an exponent for each feature: the cosine of a pair has another speed than its sine",
    ),
    (
        "sinusoidal_positions",
        """
def sinusoidal_positions(seq, d_model, base=10000.0):
    angles = rope_angles(torch.arange(1, seq + 1), d_model, base)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
""",
        "the first row is position 1, not position 0",
    ),
    # --- apply_rope ------------------------------------------------------------------------------
    (
        "apply_rope",
        """
def apply_rope(x, angles):
    out = x.clone()
    cos, sin = angles.cos(), angles.sin()
    out[..., 0::2] = out[..., 0::2] * cos - out[..., 1::2] * sin
    out[..., 1::2] = out[..., 0::2] * sin + out[..., 1::2] * cos
    return out
""",
        "the second number of a pair is made from the first one that is turned already",
    ),
    (
        "apply_rope",
        """
def apply_rope(x, angles):
    cos, sin = angles.cos(), angles.sin()
    first, second = x[..., 0::2].clone(), x[..., 1::2].clone()
    x[..., 0::2] = first * cos - second * sin
    x[..., 1::2] = first * sin + second * cos
    return x
""",
        "writes the result into the input",
    ),
    (
        "apply_rope",
        """
def apply_rope(x, angles):
    cos, sin = angles.cos(), angles.sin()
    first, second = x[..., 0::2], x[..., 1::2]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
""",
        "all first numbers, then all second ones: the pairs are not put side by side again",
    ),
    (
        "apply_rope",
        """
def apply_rope(x, angles):
    cos = angles.cos().repeat(1, 2)
    sin = angles.sin().repeat(1, 2)
    turned = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)
    return x * cos + turned * sin
""",
        "interleaved pairs, but cos and sin laid out for two halves",
    ),
    # --- rotary_scores ---------------------------------------------------------------------------
    (
        "rotary_scores",
        """
def rotary_scores(q, k, q_positions, k_positions, rope_theta=10000.0):
    head_dim = q.shape[-1]
    q = apply_rope(q, rope_angles(q_positions, head_dim))
    k = apply_rope(k, rope_angles(k_positions, head_dim))
    return q @ k.transpose(-2, -1)
""",
        "does not hand rope_theta over, so that it is always 10,000",
    ),
    (
        "rotary_scores",
        """
def rotary_scores(q, k, q_positions, k_positions, rope_theta=10000.0):
    head_dim = q.shape[-1]
    q_start, k_start = int(q_positions[0]), int(k_positions[0])
    q_places = torch.arange(q_start, q_start + q.shape[-2])
    k_places = torch.arange(k_start, k_start + k.shape[-2])
    q = apply_rope(q, rope_angles(q_places, head_dim, rope_theta))
    k = apply_rope(k, rope_angles(k_places, head_dim, rope_theta))
    return q @ k.transpose(-2, -1)
""",
        "uses the first position only and counts on from it: right only without gaps",
    ),
    (
        "rotary_scores",
        """
def rotary_scores(q, k, q_positions, k_positions, rope_theta=10000.0):
    head_dim = q.shape[-1]
    q = apply_rope(q, rope_angles(q_positions, head_dim, rope_theta))
    k = apply_rope(k, rope_angles(-k_positions, head_dim, rope_theta))
    return q @ k.transpose(-2, -1)
""",
        "turns the keys backwards to get a difference, which gives the sum of the positions",
    ),
    # --- find_rotary -----------------------------------------------------------------------------
    (
        "find_rotary",
        """
def find_rotary():
    for letter, scores in shown.items():
        diagonals = all(np.ptp(np.diag(scores, i)) < 0.05 for i in range(-6, 7))
        if diagonals and np.allclose(scores, scores.T):
            return letter
""",
        "takes an offset for a distance: the same score to the left and to the right",
    ),
    (
        "find_rotary",
        """
def find_rotary():
    for letter, scores in shown.items():
        if all(np.ptp(np.diag(scores[::-1], i)) < 0.05 for i in range(-6, 7)):
            return letter
""",
        "looks at the wrong diagonals, where the sum of the positions is equal",
    ),
    (
        "find_rotary",
        """
def find_rotary():
    def alike(scores):  # how much more a position scores with itself than with others
        return np.diag(scores).mean() - scores.mean()

    changing = [letter for letter in shown if np.ptp(np.diag(shown[letter])) > 0.05]
    return max(changing, key=lambda letter: alike(shown[letter]))
""",
        "expects each position to score highest with itself: the sinusoids that were added",
    ),
]

RIGHT = [
    (
        "look_up",
        """
def look_up(table, token_ids):
    rows = [table[i] for i in token_ids.flatten().tolist()]
    return torch.stack(rows).reshape(*token_ids.shape, table.shape[1])
""",
        "row by row, then the shape of the ids",
    ),
    (
        "table_gradient",
        """
def table_gradient(token_ids, upstream, vocab):
    table = torch.zeros(vocab, upstream.shape[-1], requires_grad=True)
    return torch.autograd.grad(table[token_ids], table, grad_outputs=upstream)[0]
""",
        "asks autograd",
    ),
    (
        "table_gradient",
        """
def table_gradient(token_ids, upstream, vocab):
    one_hot = torch.nn.functional.one_hot(token_ids, vocab).to(upstream.dtype)
    return torch.einsum("...v,...d->vd", one_hot, upstream)
""",
        "the one-hot product, read backwards",
    ),
    (
        "image_to_patches",
        """
def image_to_patches(image, size):
    rows, rest_y = divmod(image.shape[0], size)
    columns, rest_x = divmod(image.shape[1], size)
    if rest_y + rest_x > 0:
        raise ValueError("size has to divide height and width")
    strips = image.split(size, dim=0)
    squares = [square for strip in strips for square in strip.split(size, dim=1)]
    return torch.stack([square.reshape(-1) for square in squares])
""",
        "splits into strips and the strips into squares",
    ),
    (
        "patches_to_image",
        """
def patches_to_image(patches, size, height, width):
    import numpy as np

    squares = patches.numpy().reshape(height // size, width // size, size, size, -1)
    image = np.concatenate([np.concatenate(list(row), axis=1) for row in squares], axis=0)
    return torch.from_numpy(image)
""",
        "by NumPy and back",
    ),
    (
        "cut_into_frames",
        """
def cut_into_frames(samples, size, hop):
    if samples.numel() < size:
        raise ValueError(f"{samples.numel()} samples do not fill a frame of {size}")
    last = samples.numel() - size
    starts = torch.arange(0, last + 1, hop)
    return samples[starts[:, None] + torch.arange(size)]
""",
        "a grid of indices",
    ),
    (
        "kmer_ids",
        """
def kmer_ids(dna, k):
    if len(dna) < k:
        return []
    word, rest = dna[:k], dna[1:]
    known = set(word) <= set("ACGT")
    first = int(word.translate(str.maketrans("ACGT", "0123")), 4) if known else 4**k
    return [first, *kmer_ids(rest, k)]
""",
        "recursion, and int() with base 4",
    ),
    (
        "nearest",
        """
def nearest(table, index, n):
    me = table[index]
    found = []
    for i, row in enumerate(table):
        if i != index:
            found.append((float(torch.dot(row, me) / (row.norm() * me.norm())), i))
    found.sort(key=lambda pair: -pair[0])
    return torch.tensor([i for _, i in found[:n]]), torch.tensor([c for c, _ in found[:n]])
""",
        "a loop over the rows and a sorted list",
    ),
    (
        "nearest",
        """
def nearest(table, index, n):
    cosines = torch.nn.functional.cosine_similarity(table, table[index], dim=-1)
    order = cosines.argsort(descending=True)
    order = order[order != index][:n]
    return order, cosines[order]
""",
        "sorts all and takes the row out afterwards",
    ),
    (
        "shuffle_error",
        """
def shuffle_error(layer, x, order):
    undone = layer(x[order])[order.argsort()]
    return float(torch.dist(undone, layer(x), p=float("inf")))
""",
        "undoes the order by its inverse; the largest difference as a norm",
    ),
    (
        "rope_angles",
        """
def rope_angles(positions, head_dim, rope_theta=10000.0):
    pairs, rest = divmod(head_dim, 2)
    if rest != 0:
        raise ValueError("a pair is incomplete")
    speeds = [rope_theta ** (-2.0 * i / head_dim) for i in range(pairs)]
    return torch.tensor([[p * speed for speed in speeds] for p in positions.tolist()])
""",
        "Python numbers, in double precision until the end",
    ),
    (
        "sinusoidal_positions",
        """
def sinusoidal_positions(seq, d_model, base=10000.0):
    if d_model % 2 == 1:
        raise ValueError("d_model must be even")
    table = torch.empty(seq, d_model)
    for p in range(seq):
        for j in range(d_model):
            angle = torch.tensor(p / base ** ((j - j % 2) / d_model))
            table[p, j] = torch.sin(angle + (j % 2) * torch.pi / 2)
    return table
""",
        "entry by entry, the cosine as a shifted sine",
    ),
    (
        "apply_rope",
        """
def apply_rope(x, angles):
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(-2)
""",
        "complex numbers",
    ),
    (
        "apply_rope",
        """
def apply_rope(x, angles):
    c, s = angles.cos(), angles.sin()
    turn = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    pairs = x.unflatten(-1, (-1, 2))  # ... seq pairs 2
    return torch.einsum("spij,...spj->...spi", turn, pairs).flatten(-2)
""",
        "a matrix of 2 x 2 for each pair",
    ),
    (
        "rotary_scores",
        """
def rotary_scores(q, k, q_positions, k_positions, rope_theta=10000.0):
    offsets = (q_positions[:, None] - k_positions).flatten()
    angles = rope_angles(offsets, q.shape[-1], rope_theta)
    angles = angles.unflatten(0, (len(q_positions), len(k_positions)))  # q_seq kv_seq pairs
    a, b = q[..., :, None, 0::2], q[..., :, None, 1::2]
    c, d = k[..., None, :, 0::2], k[..., None, :, 1::2]
    along, across = a * c + b * d, b * c - a * d
    return (along * angles.cos() - across * angles.sin()).sum(dim=-1)
""",
        "no vector is turned: the sum over the pairs, by their offset",
    ),
    (
        "find_rotary",
        """
def find_rotary():
    return " ".join(right).strip()
""",
        "reads the tables right",
    ),
]
