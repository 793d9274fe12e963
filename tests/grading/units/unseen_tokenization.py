"""Answers to unit 07, written from the learner's notebook alone before the judge saw them.

Each wrong one makes one mistake that learners make. A text is run where the right answers to the
earlier exercises stand; an answer to the question about two offers also has `shown`, what the
notebook's `question` gives.
"""

TABLES = """
    _, _, _, _, premiums, prices = shown.values()
    texts, words, per_word, share = list(shown.values())[:4]
"""

WRONG = [
    # --- byte_ids --------------------------------------------------------------------------------
    (
        "byte_ids",
        """
def byte_ids(text):
    return [ord(character) for character in text]
""",
        "gives code points, not bytes: one number for each character, and some above 255",
    ),
    (
        "byte_ids",
        """
def byte_ids(text):
    return [len(character.encode()) for character in text]
""",
        "gives how many bytes each character has, not the bytes",
    ),
    (
        "byte_ids",
        """
def byte_ids(text):
    return list(text.encode("utf-16-le"))
""",
        "another encoding: UTF-16, so every letter becomes two bytes",
    ),
    # --- count_pairs -----------------------------------------------------------------------------
    (
        "count_pairs",
        """
def count_pairs(words):
    counts = Counter()
    for pieces, n in words:
        for pair in pairwise(pieces):
            counts[pair] = n
    return counts
""",
        "assigns in place of adding: the last word that holds a pair decides",
    ),
    (
        "count_pairs",
        """
def count_pairs(words):
    counts = Counter()
    for pieces, n in words:
        for pair in set(pairwise(pieces)):
            counts[pair] += n
    return counts
""",
        "counts a pair once a word, though it may stand in it twice",
    ),
    (
        "count_pairs",
        """
def count_pairs(words):
    counts = Counter()
    for pieces, n in words:
        for i in range(0, len(pieces) - 1, 2):
            counts[pieces[i], pieces[i + 1]] += n
    return counts
""",
        "goes on by two places, so every other pair is missed",
    ),
    (
        "count_pairs",
        """
def count_pairs(words):
    counts = Counter()
    row = []
    for pieces, n in words:
        row += list(pieces) * n
    for i in range(len(row) - 1):
        counts[row[i], row[i + 1]] += 1
    return counts
""",
        "writes all words one behind the other, so pairs across the edges of words count too",
    ),
    (
        "count_pairs",
        """
def count_pairs(words):
    counts = Counter()
    for pieces, n in words:
        for i in range(len(pieces) - 2):
            counts[pieces[i], pieces[i + 1]] += n
    return counts
""",
        "stops one place too early: the last pair of each word is missing",
    ),
    # --- merge_pair ------------------------------------------------------------------------------
    (
        "merge_pair",
        """
def merge_pair(pieces, pair, merged):
    out, i = [], 0
    while i < len(pieces) - 1:
        if (pieces[i], pieces[i + 1]) == pair:
            out.append(merged)
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out
""",
        "loses the last piece where it is not part of the pair",
    ),
    (
        "merge_pair",
        """
def merge_pair(pieces, pair, merged):
    out = list(pieces)
    for i in range(len(out) - 1):
        if (out[i], out[i + 1]) == pair:
            out[i : i + 2] = [merged]
            break
    return out
""",
        "merges the first occurrence only",
    ),
    (
        "merge_pair",
        """
def merge_pair(pieces, pair, merged):
    out = list(pieces)
    i = len(out) - 2
    while i >= 0:
        if tuple(out[i : i + 2]) == tuple(pair):
            out[i : i + 2] = [merged]
        i -= 1
    return out
""",
        "goes from right to left: aaa becomes a, aa",
    ),
    (
        "merge_pair",
        """
def merge_pair(pieces, pair, merged):
    out, i = [], 0
    while i < len(pieces):
        if i + 1 < len(pieces) and (pieces[i], pieces[i + 1]) == pair:
            out.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out
""",
        "joins left and right in place of `merged`: the sum of two numbers where pieces are ids",
    ),
    (
        "merge_pair",
        """
def merge_pair(pieces, pair, merged):
    out = []
    for i, piece in enumerate(pieces):
        if i + 1 < len(pieces) and (piece, pieces[i + 1]) == pair:
            out.append(merged)
        elif i > 0 and (pieces[i - 1], piece) == pair:
            continue
        else:
            out.append(piece)
    return out
""",
        "merges overlapping pairs: aaa becomes aa, aa",
    ),
    # --- split_special ---------------------------------------------------------------------------
    (
        "split_special",
        """
def split_special(text, special_tokens):
    tokens = sorted(special_tokens, key=len, reverse=True)
    if not tokens:
        return [text]
    return regex.split("(" + "|".join(tokens) + ")", text)
""",
        "does not escape the tokens, so their | means or",
    ),
    (
        "split_special",
        """
def split_special(text, special_tokens):
    tokens = sorted(special_tokens)
    if not tokens:
        return [text]
    return regex.split("(" + "|".join(regex.escape(t) for t in tokens) + ")", text)
""",
        "sorts by the alphabet: a token that begins another one hides it",
    ),
    (
        "split_special",
        """
def split_special(text, special_tokens):
    tokens = sorted(special_tokens, key=len, reverse=True)
    return regex.split("(" + "|".join(regex.escape(t) for t in tokens) + ")", text)
""",
        "no case for no special tokens: the empty pattern cuts everywhere",
    ),
    (
        "split_special",
        """
def split_special(text, special_tokens):
    tokens = sorted(special_tokens, key=len, reverse=True)
    if not tokens:
        return [text]
    parts = regex.split("(" + "|".join(regex.escape(t) for t in tokens) + ")", text)
    return [part for part in parts if part]
""",
        "drops empty text, so text and tokens no longer take turns",
    ),
    (
        "split_special",
        """
def split_special(text, special_tokens):
    parts = [text]
    for token in sorted(special_tokens, key=len, reverse=True):
        new = []
        for i, part in enumerate(parts):
            if i % 2:
                new.append(part)
                continue
            for j, rest in enumerate(part.split(token)):
                new += [token, rest] if j else [rest]
        parts = new
    return parts
""",
        "the longest token anywhere goes first, in place of the one that begins first",
    ),
    # --- count_words -----------------------------------------------------------------------------
    (
        "count_words",
        """
def count_words(text, pattern, special_tokens=()):
    counts = Counter()
    for part in split_special(text, special_tokens)[::2]:
        counts.update(word.strip() for word in regex.findall(pattern, part))
    return counts
""",
        "strips the space in front of the words",
    ),
    (
        "count_words",
        """
def count_words(text, pattern, special_tokens=()):
    for token in special_tokens:
        text = text.replace(token, "")
    return Counter(regex.findall(pattern, text))
""",
        "deletes the special tokens, so what stands on both sides grows together",
    ),
    (
        "count_words",
        """
def count_words(text, pattern, special_tokens=()):
    counts = Counter()
    for part in split_special(text, special_tokens):
        counts.update(regex.findall(pattern, part))
    return counts
""",
        "finds words in the special tokens too",
    ),
    (
        "count_words",
        """
def count_words(text, pattern, special_tokens=()):
    counts = Counter()
    for part in split_special(text, special_tokens)[::2]:
        counts.update(regex.split(pattern, part))
    return counts
""",
        "splits at the pattern: counts what stands between the words",
    ),
    (
        "count_words",
        """
def count_words(text, pattern, special_tokens=()):
    counts = Counter()
    for part in split_special(text, special_tokens)[::2]:
        counts = Counter(regex.findall(pattern, part))
    return counts
""",
        "begins a new count at each part, so only the last part is counted",
    ),
    # --- train_bpe_naive -------------------------------------------------------------------------
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    if vocab_size < 256 + len(special_tokens):
        raise ValueError("no room")
    counted = count_words(text, pattern, special_tokens)
    words = [([bytes([b]) for b in word.encode()], n) for word, n in counted.items()]
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        pair = max(counts, key=counts.get)
        merges.append(pair)
        words = [(merge_pair(p, pair, pair[0] + pair[1]), n) for p, n in words]
    return merges
""",
        "of the pairs with the highest count takes the one that was seen first",
    ),
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    if vocab_size < 256 + len(special_tokens):
        raise ValueError("no room")
    counted = count_words(text, pattern, special_tokens)
    words = [([bytes([b]) for b in word.encode()], n) for word, n in counted.items()]
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        pair = max(counts, key=lambda pair: (counts[pair], pair[0] + pair[1]))
        merges.append(pair)
        words = [(merge_pair(p, pair, pair[0] + pair[1]), n) for p, n in words]
    return merges
""",
        "breaks ties by the joined bytes, not by (left, right)",
    ),
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    if vocab_size < 256:
        raise ValueError("no room")
    counted = count_words(text, pattern, special_tokens)
    words = [([bytes([b]) for b in word.encode()], n) for word, n in counted.items()]
    merges = []
    while len(merges) < vocab_size - 256:
        counts = count_pairs(words)
        if not counts:
            break
        pair = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(pair)
        words = [(merge_pair(p, pair, pair[0] + pair[1]), n) for p, n in words]
    return merges
""",
        "forgets that the special tokens take places in the vocabulary",
    ),
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    if vocab_size < 256 + len(special_tokens):
        raise ValueError("no room")
    counted = count_words(text, pattern, special_tokens)
    words = [([bytes([b]) for b in word.encode()], n) for word, n in counted.items()]
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        pair = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if pair is None or counts[pair] < 2:
            break
        merges.append(pair)
        words = [(merge_pair(p, pair, pair[0] + pair[1]), n) for p, n in words]
    return merges
""",
        "stops where the best pair occurs only once, though a pair is left",
    ),
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    if vocab_size < 256 + len(special_tokens):
        raise ValueError("no room")
    counted = count_words(text, pattern, special_tokens)
    words = [([c.encode() for c in word], n) for word, n in counted.items()]
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        pair = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(pair)
        words = [(merge_pair(p, pair, pair[0] + pair[1]), n) for p, n in words]
    return merges
""",
        "begins with characters in place of single bytes",
    ),
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    if vocab_size < 256 + len(special_tokens):
        raise ValueError("no room")
    counted = count_words(text, pattern, special_tokens)
    words = [([bytes([b]) for b in word.encode()], 1) for word in counted]
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        pair = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(pair)
        words = [(merge_pair(p, pair, pair[0] + pair[1]), n) for p, n in words]
    return merges
""",
        "each different word counts once, however often it occurs",
    ),
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    if vocab_size < 256 + len(special_tokens):
        raise ValueError("no room")
    counted = count_words(text, pattern, special_tokens)
    words = [([bytes([b]) for b in word.encode()], n) for word, n in counted.items()]
    merges = []
    for _ in range(vocab_size - 256 - len(special_tokens)):
        counts = count_pairs(words)
        pair = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(pair)
        words = [(merge_pair(p, pair, pair[0] + pair[1]), n) for p, n in words]
    return merges
""",
        "does not stop where no pair is left: max of nothing",
    ),
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    if vocab_size < 256 + len(special_tokens):
        raise ValueError("no room")
    counted = count_words(text, pattern, special_tokens)
    words = [([bytes([b]) for b in word.encode()], n) for word, n in counted.items()]
    counts = count_pairs(words)
    best = sorted(counts, key=lambda pair: (counts[pair], pair), reverse=True)
    return best[: vocab_size - 256 - len(special_tokens)]
""",
        "counts once only and takes the most frequent pairs of bytes; nothing is merged",
    ),
    # --- encode_word -----------------------------------------------------------------------------
    (
        "encode_word",
        """
def encode_word(word, ranks):
    ids, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            if word[start:end] in ranks:
                ids.append(ranks[word[start:end]])
                start = end
                break
        else:
            start += 1
    return ids
""",
        "takes the longest token from the left, in place of merging by rank",
    ),
    (
        "encode_word",
        """
def encode_word(word, ranks):
    if word in ranks:
        return [ranks[word]]
    pieces = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]
    while True:
        pairs = [a + b for a, b in pairwise(pieces)]
        found = [(ranks[p], i) for i, p in enumerate(pairs) if p in ranks]
        if not found:
            return [ranks[p] for p in pieces]
        _, i = min(found)
        pieces[i : i + 2] = [pairs[i]]
""",
        "a word that is a token is taken at once, also where no merges lead to it",
    ),
    (
        "encode_word",
        """
def encode_word(word, ranks):
    pieces = [word[i : i + 1] for i in range(len(word))]
    while True:
        pairs = [a + b for a, b in pairwise(pieces)]
        found = [(ranks[p], i) for i, p in enumerate(pairs) if p in ranks]
        if not found:
            return [ranks[p] for p in pieces if p in ranks]
        _, i = min(found)
        pieces[i : i + 2] = [pairs[i]]
""",
        "leaves a byte without rank out at the end only, so it keeps its neighbours apart",
    ),
    (
        "encode_word",
        """
def encode_word(word, ranks):
    pieces = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]
    i = 0
    while i < len(pieces) - 1:
        if pieces[i] + pieces[i + 1] in ranks:
            pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
            i = 0
        else:
            i += 1
    return [ranks[p] for p in pieces]
""",
        "merges the leftmost neighbours that have a rank, whatever the rank",
    ),
    (
        "encode_word",
        """
def encode_word(word, ranks):
    pieces = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]
    while True:
        pairs = [a + b for a, b in pairwise(pieces)]
        found = [(-ranks[p], i) for i, p in enumerate(pairs) if p in ranks]
        if not found:
            return [ranks[p] for p in pieces]
        rank, i = max(found)
        pieces[i : i + 2] = [pairs[i]]
""",
        "among equal ranks takes the rightmost place",
    ),
    # --- encode ----------------------------------------------------------------------------------
    (
        "encode",
        """
def encode(text, ranks, pattern, special_tokens):
    ids = []
    for i, part in enumerate(split_special(text, special_tokens)):
        if i % 2:
            ids.append(special_tokens[part])
        else:
            ids += encode_word(part.encode(), ranks)
    return ids
""",
        "does not cut the text into words, so merges cross their edges",
    ),
    (
        "encode",
        """
def encode(text, ranks, pattern, special_tokens):
    ids = []
    for part in split_special(text, special_tokens)[::2]:
        for word in regex.findall(pattern, part):
            ids += encode_word(word.encode(), ranks)
    return ids
""",
        "leaves the special tokens out",
    ),
    (
        "encode",
        """
def encode(text, ranks, pattern, special_tokens):
    ids = []
    for word in regex.findall(pattern, text):
        if word in special_tokens:
            ids.append(special_tokens[word])
        else:
            ids += encode_word(word.encode(), ranks)
    return ids
""",
        "cuts into words first, so special tokens are torn apart",
    ),
    (
        "encode",
        """
def encode(text, ranks, pattern, special_tokens):
    ids = []
    for i, part in enumerate(split_special(text, special_tokens)):
        if i % 2:
            ids.append(special_tokens[part])
            continue
        for word in dict.fromkeys(regex.findall(pattern, part)):
            ids += encode_word(word.encode(), ranks)
    return ids
""",
        "each different word once only: what is repeated is lost",
    ),
    (
        "encode",
        """
def encode(text, ranks, pattern, special_tokens):
    ids = []
    for i, part in enumerate(split_special(text, special_tokens)):
        if i % 2:
            ids.append(special_tokens[part])
        else:
            ids += [ranks[word.encode()] for word in regex.findall(pattern, part)]
    return ids
""",
        "looks each word up as a whole: a word that is no token is a KeyError",
    ),
    # --- decode ----------------------------------------------------------------------------------
    (
        "decode",
        """
def decode(ids, ranks, special_tokens):
    table = {i: token for token, i in ranks.items()}
    names = {i: token for token, i in special_tokens.items()}
    text = ""
    for i in ids:
        if i in names:
            text += names[i]
        elif i in table:
            text += table[i].decode(errors="replace")
        else:
            raise ValueError(f"no token has the id {i}")
    return text
""",
        "makes text of each token alone, so a character in two tokens breaks",
    ),
    (
        "decode",
        """
def decode(ids, ranks, special_tokens):
    table = {i: token for token, i in ranks.items()}
    table |= {i: token.encode() for token, i in special_tokens.items()}
    if any(i not in table for i in ids):
        raise ValueError("an id that nothing has")
    return b"".join(table[i] for i in ids).decode("utf-8", errors="ignore")
""",
        "drops bytes that are not UTF-8 in place of marking them",
    ),
    (
        "decode",
        """
def decode(ids, ranks, special_tokens):
    table = {i: token for token, i in ranks.items()}
    table |= {i: token.encode() for token, i in special_tokens.items()}
    return b"".join(table[i] for i in ids).decode("utf-8", errors="replace")
""",
        "an id that nothing has is a KeyError, where a ValueError is promised",
    ),
    (
        "decode",
        """
def decode(ids, ranks, special_tokens):
    table = {i: token for token, i in ranks.items()}
    special = set(special_tokens.values())
    if any(i not in table and i not in special for i in ids):
        raise ValueError("an id that nothing has")
    return b"".join(table[i] for i in ids if i not in special).decode(errors="replace")
""",
        "leaves special tokens out of the text",
    ),
    (
        "decode",
        """
def decode(ids, ranks, special_tokens):
    tokens = list(ranks) + [token.encode() for token in special_tokens]
    if any(not 0 <= i < len(tokens) for i in ids):
        raise ValueError("an id that nothing has")
    return b"".join(tokens[i] for i in ids).decode(errors="replace")
""",
        "takes the id for the place in the table, though ids may have gaps or another order",
    ),
    # --- encode_message --------------------------------------------------------------------------
    (
        "encode_message",
        """
def encode_message(role, content, ranks, pattern, special_tokens):
    text = f"<|im_start|>{role}\\n{content}<|im_end|>\\n"
    return encode(text, ranks, pattern, special_tokens)
""",
        "special tokens inside role and content become real ones: the door is open",
    ),
    (
        "encode_message",
        """
def encode_message(role, content, ranks, pattern, special_tokens):
    for token in special_tokens:
        content = content.replace(token, "")
    text = f"<|im_start|>{role}\\n{content}<|im_end|>\\n"
    return encode(text, ranks, pattern, special_tokens)
""",
        "deletes special tokens from the content, and trusts the role",
    ),
    (
        "encode_message",
        """
def encode_message(role, content, ranks, pattern, special_tokens):
    ids = [special_tokens["<|im_start|>"]]
    for text in (role, "\\n", content):
        ids += encode(text, ranks, pattern, {})
    return ids + [special_tokens["<|im_end|>"]] + encode("\\n", ranks, pattern, {})
""",
        "encodes role, line break and content apart, so no token spans the line break",
    ),
    (
        "encode_message",
        """
def encode_message(role, content, ranks, pattern, special_tokens):
    marks = ("<|im_start|>", "<|im_end|>")
    others = {t: i for t, i in special_tokens.items() if t not in marks}
    ids = encode(f"{role}\\n{content}", ranks, pattern, others)
    end = encode("\\n", ranks, pattern, {})
    return [special_tokens[marks[0]], *ids, special_tokens[marks[1]], *end]
""",
        "makes only the two marks harmless; other special tokens still work inside the content",
    ),
    (
        "encode_message",
        """
def encode_message(role, content, ranks, pattern, special_tokens):
    start, end = special_tokens["<|im_start|>"], special_tokens["<|im_end|>"]
    return [start, *encode(f"{role}\\n{content}\\n", ranks, pattern, {}), end]
""",
        "the last line break stands before the closing mark",
    ),
    (
        "encode_message",
        """
def encode_message(role, content, ranks, pattern, special_tokens):
    start, end = special_tokens["<|im_start|>"], special_tokens["<|im_end|>"]
    line_break = encode("\\n", ranks, pattern, {})
    content = content.strip()
    return [start, *encode(f"{role}\\n{content}", ranks, pattern, {}), end, *line_break]
""",
        "strips the content, so spaces at its ends are lost",
    ),
    # --- bits_per_byte ---------------------------------------------------------------------------
    (
        "bits_per_byte",
        """
def bits_per_byte(nats, text):
    if not text:
        raise ValueError("no bytes")
    return sum(nats) / math.log(2) / len(text)
""",
        "divides by characters, not by bytes",
    ),
    (
        "bits_per_byte",
        """
def bits_per_byte(nats, text):
    if not text:
        raise ValueError("no bytes")
    return sum(nats) * math.log(2) / len(text.encode())
""",
        "multiplies by ln 2 in place of dividing",
    ),
    (
        "bits_per_byte",
        """
def bits_per_byte(nats, text):
    if not text:
        raise ValueError("no bytes")
    return sum(nats) / len(nats) / math.log(2)
""",
        "bits for each token, not for each byte",
    ),
    (
        "bits_per_byte",
        """
def bits_per_byte(nats, text):
    if not text:
        raise ValueError("no bytes")
    return sum(math.log2(nat) for nat in nats) / len(text.encode())
""",
        "takes the logarithm of losses that are logarithms already",
    ),
    # --- premium ---------------------------------------------------------------------------------
    (
        "premium",
        """
def premium(n_tokens, n_tokens_base, resamples):
    ratios = n_tokens / n_tokens_base
    drawn = ratios[resamples].mean(axis=1)
    return np.array([ratios.mean(), *np.percentile(drawn, [2.5, 97.5])])
""",
        "the mean of the texts' ratios, in place of the ratio of the sums",
    ),
    (
        "premium",
        """
def premium(n_tokens, n_tokens_base, resamples):
    drawn = n_tokens[resamples].sum(axis=1) / n_tokens_base[resamples].sum(axis=1)
    return np.array([n_tokens.sum() / n_tokens_base.sum(), *np.percentile(drawn, [5, 95])])
""",
        "the interval runs from the 5th to the 95th percentile",
    ),
    (
        "premium",
        """
def premium(n_tokens, n_tokens_base, resamples):
    drawn = n_tokens[resamples].sum(axis=0) / n_tokens_base[resamples].sum(axis=0)
    return np.array([n_tokens.sum() / n_tokens_base.sum(), *np.percentile(drawn, [2.5, 97.5])])
""",
        "sums along the draws in place of the texts",
    ),
    (
        "premium",
        """
def premium(n_tokens, n_tokens_base, resamples):
    drawn = n_tokens[resamples].sum(axis=1) / n_tokens_base.sum()
    return np.array([n_tokens.sum() / n_tokens_base.sum(), *np.percentile(drawn, [2.5, 97.5])])
""",
        "resamples one language only; the base stays that of all texts",
    ),
    (
        "premium",
        """
def premium(n_tokens, n_tokens_base, resamples):
    drawn = n_tokens[resamples].sum(axis=1) / n_tokens_base[resamples].sum(axis=1)
    return np.array([drawn.mean(), *np.percentile(drawn, [2.5, 97.5])])
""",
        "the mean of the draws in place of the premium of all texts",
    ),
    (
        "premium",
        """
def premium(n_tokens, n_tokens_base, resamples):
    drawn = n_tokens[resamples].sum(axis=1) / n_tokens_base[resamples].sum(axis=1)
    middle, spread = n_tokens.sum() / n_tokens_base.sum(), 1.96 * drawn.std()
    return np.array([middle, middle - spread, middle + spread])
""",
        "an interval of 1.96 standard deviations, in place of percentiles",
    ),
    # --- apply_merge -----------------------------------------------------------------------------
    (
        "apply_merge",
        """
def apply_merge(words, word_counts, pair_counts, words_with, pair):
    for i in list(words_with[pair]):
        for old in pairwise(words[i]):
            pair_counts[old] -= 1
            words_with[old].discard(i)
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
        for new in pairwise(words[i]):
            pair_counts[new] += 1
            words_with.setdefault(new, set()).add(i)
""",
        "each pair counts once, however often its word occurs",
    ),
    (
        "apply_merge",
        """
def apply_merge(words, word_counts, pair_counts, words_with, pair):
    for i in list(words_with[pair]):
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
        for new in pairwise(words[i]):
            pair_counts[new] += word_counts[i]
            words_with.setdefault(new, set()).add(i)
    pair_counts[pair] = 0
    words_with[pair] = set()
""",
        "never takes the old pairs of the words out of the books",
    ),
    (
        "apply_merge",
        """
def apply_merge(words, word_counts, pair_counts, words_with, pair):
    for i in list(words_with[pair]):
        for old in pairwise(words[i]):
            pair_counts[old] -= word_counts[i]
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
        for new in pairwise(words[i]):
            pair_counts[new] += word_counts[i]
            words_with.setdefault(new, set()).add(i)
    words_with[pair] = set()
""",
        "old pairs keep a word in `words_with` that no longer holds them",
    ),
    (
        "apply_merge",
        """
def apply_merge(words, word_counts, pair_counts, words_with, pair):
    for i in list(words_with[pair]):
        for old in set(pairwise(words[i])):
            pair_counts[old] -= word_counts[i]
            words_with[old].discard(i)
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
        for new in set(pairwise(words[i])):
            pair_counts[new] += word_counts[i]
            words_with.setdefault(new, set()).add(i)
""",
        "a pair that stands twice in a word is taken out and entered once only",
    ),
    (
        "apply_merge",
        """
def apply_merge(words, word_counts, pair_counts, words_with, pair):
    for i in words_with[pair]:
        for old in pairwise(words[i]):
            pair_counts[old] -= word_counts[i]
            words_with[old].discard(i)
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
        for new in pairwise(words[i]):
            pair_counts[new] += word_counts[i]
            words_with.setdefault(new, set()).add(i)
""",
        "the set changes while the loop walks through it: a RuntimeError",
    ),
    (
        "apply_merge",
        """
def apply_merge(words, word_counts, pair_counts, words_with, pair):
    joined = pair[0] + pair[1]
    for i in list(words_with[pair]):
        old, new, j = words[i], [], 0
        while j < len(old):
            if j + 1 < len(old) and (old[j], old[j + 1]) == pair:
                if new:
                    pair_counts[new[-1], old[j]] -= word_counts[i]
                    pair_counts[new[-1], joined] += word_counts[i]
                    words_with.setdefault((new[-1], joined), set()).add(i)
                if j + 2 < len(old):
                    pair_counts[old[j + 1], old[j + 2]] -= word_counts[i]
                    pair_counts[joined, old[j + 2]] += word_counts[i]
                    words_with.setdefault((joined, old[j + 2]), set()).add(i)
                new.append(joined)
                j += 2
            else:
                new.append(old[j])
                j += 1
        words[i] = new
    pair_counts[pair] = 0
    words_with[pair] = set()
""",
        "never takes a word out of the sets of the pairs beside a merge, and enters it under pairs "
        "that the next merge takes apart",
    ),
    # --- cheaper_offer ---------------------------------------------------------------------------
    (
        "cheaper_offer",
        f"""
def cheaper_offer():{TABLES}
    millions = texts * words * per_word / 1e6
    offer = min(prices, key=prices.get)
    return millions * (1 - share + share * premiums[offer]) * prices[offer]
""",
        "takes the offer with the lower price for a token, and works out what it costs",
    ),
    (
        "cheaper_offer",
        f"""
def cheaper_offer():{TABLES}
    millions = texts * words * per_word / 1e6
    return min(millions * premiums[o] * prices[o] for o in prices)
""",
        "takes all texts to be in the other language",
    ),
    (
        "cheaper_offer",
        f"""
def cheaper_offer():{TABLES}
    millions = texts * words * per_word / 1e6
    return min(millions * (1 + share * premiums[o]) * prices[o] for o in prices)
""",
        "counts the texts in the other language twice, as English ones too",
    ),
    (
        "cheaper_offer",
        f"""
def cheaper_offer():{TABLES}
    millions = texts * words / per_word / 1e6
    return min(millions * (1 - share + share * premiums[o]) * prices[o] for o in prices)
""",
        "divides by the tokens for a word in place of multiplying",
    ),
    (
        "cheaper_offer",
        f"""
def cheaper_offer():{TABLES}
    millions = texts * words * per_word / 1e6
    return millions * min(prices.values())
""",
        "the lower price for English texts only: the premium is forgotten",
    ),
]

RIGHT = [
    (
        "byte_ids",
        """
def byte_ids(text):
    ids = []
    for character in text:
        ids.extend(int(b) for b in np.frombuffer(character.encode("utf-8"), dtype=np.uint8))
    return ids
""",
        "character by character, through NumPy",
    ),
    (
        "count_pairs",
        """
def count_pairs(words):
    counts = {}
    for pieces, n in words:
        for left, right in zip(pieces, pieces[1:], strict=False):
            counts[left, right] = counts.get((left, right), 0) + n
    return counts
""",
        "a plain dict in place of a Counter",
    ),
    (
        "merge_pair",
        """
def merge_pair(pieces, pair, merged):
    out = []
    rest = list(pieces)
    while rest:
        if rest[:2] == list(pair):
            out.append(merged)
            del rest[:2]
        else:
            out.append(rest.pop(0))
    return out
""",
        "eats up a copy from the front",
    ),
    (
        "split_special",
        """
def split_special(text, special_tokens):
    tokens = sorted(set(special_tokens), key=lambda token: -len(token))
    parts, start, i = [], 0, 0
    while i < len(text):
        token = next((t for t in tokens if text.startswith(t, i)), None)
        if token is None:
            i += 1
            continue
        parts += [text[start:i], token]
        i = start = i + len(token)
    return [*parts, text[start:]]
""",
        "looks at every place by hand, without a pattern",
    ),
    (
        "count_words",
        """
def count_words(text, pattern, special_tokens=()):
    compiled, counts = regex.compile(pattern), {}
    for i, part in enumerate(split_special(text, special_tokens)):
        if i % 2 == 0:
            for match in compiled.finditer(part):
                counts[match.group()] = counts.get(match.group(), 0) + 1
    return counts
""",
        "finditer and a plain dict",
    ),
    (
        "train_bpe_naive",
        """
def train_bpe_naive(text, vocab_size, pattern, special_tokens=()):
    left_over = vocab_size - 256 - len(special_tokens)
    if left_over < 0:
        raise ValueError(vocab_size)
    rows = []
    for part in split_special(text, special_tokens)[::2]:
        for match in regex.finditer(pattern, part):
            rows.append([bytes([b]) for b in match.group().encode()])

    def learn(merges):
        counts = Counter(pair for row in rows for pair in zip(row, row[1:], strict=False))
        if len(merges) == left_over or not counts:
            return merges
        most = max(counts.values())
        best = sorted(pair for pair in counts if counts[pair] == most)[-1]
        for row in rows:
            i = 0
            while i < len(row) - 1:
                if (row[i], row[i + 1]) == best:
                    row[i : i + 2] = [best[0] + best[1]]
                i += 1
        return learn([*merges, best])

    return learn([])
""",
        "every occurrence of a word a row of its own, merged in place, by recursion",
    ),
    (
        "encode_word",
        """
def encode_word(word, ranks):
    ids = [ranks[bytes([b])] for b in word if bytes([b]) in ranks]
    spelled = {i: token for token, i in ranks.items()}
    while len(ids) > 1:
        joined = [spelled[a] + spelled[b] for a, b in zip(ids, ids[1:], strict=False)]
        costs = [ranks.get(token, math.inf) for token in joined]
        lowest = int(np.argmin(costs))
        if costs[lowest] == math.inf:
            break
        ids = ids[:lowest] + [ranks[joined[lowest]]] + ids[lowest + 2 :]
    return ids
""",
        "works on ids and spells them again, with NumPy's argmin",
    ),
    (
        "encode",
        """
def encode(text, ranks, pattern, special_tokens):
    def of(part):
        if part in special_tokens:
            return [special_tokens[part]]
        matches = regex.finditer(pattern, part)
        return sum((encode_word(bytes(m[0], "utf-8"), ranks) for m in matches), [])

    return sum(map(of, split_special(text, list(special_tokens))), [])
""",
        "asks the table whether a part is special, in place of counting places",
    ),
    (
        "decode",
        """
def decode(ids, ranks, special_tokens):
    table = {i: token for token, i in ranks.items()}
    names = {i: name for name, i in special_tokens.items()}
    text, waiting = "", bytearray()
    for i in ids:
        if i in names:
            text += bytes(waiting).decode(errors="replace") + names[i]
            waiting.clear()
            continue
        if i not in table:
            raise ValueError(i)
        waiting += table[i]
    return text + waiting.decode("utf-8", "replace")
""",
        "makes text of the bytes between special tokens, which comes to the same",
    ),
    (
        "encode_message",
        """
def encode_message(role, content, ranks, pattern, special_tokens):
    nothing = dict()
    ids = encode(chr(10).join([role, content]), ranks, pattern, nothing)
    ids.insert(0, special_tokens["<|im_start|>"])
    ids.append(special_tokens["<|im_end|>"])
    ids.extend(encode(chr(10), ranks, pattern, nothing))
    return ids
""",
        "grows one list in place",
    ),
    (
        "bits_per_byte",
        """
def bits_per_byte(nats, text):
    n_bytes = sum(len(character.encode()) for character in text)
    if n_bytes == 0:
        raise ValueError("a text without bytes")
    return float(np.sum(np.asarray(nats, dtype=float) * np.log2(np.e)) / n_bytes)
""",
        "log2(e) in place of 1 / ln 2, byte counts character by character",
    ),
    (
        "premium",
        """
def premium(n_tokens, n_tokens_base, resamples):
    n_draws, n_texts = resamples.shape
    times = np.zeros((n_draws, len(n_tokens)))
    for draw in range(n_draws):
        for text in resamples[draw]:
            times[draw, text] += 1
    drawn = np.einsum("dt,t->d", times, n_tokens) / np.einsum("dt,t->d", times, n_tokens_base)
    low, high = np.quantile(drawn, 0.025), np.quantile(drawn, 0.975)
    return np.array([np.sum(n_tokens) / np.sum(n_tokens_base), low, high])
""",
        "counts how often each text is drawn, then einsum; quantile in place of percentile",
    ),
    (
        "apply_merge",
        """
def apply_merge(words, word_counts, pair_counts, words_with, pair):
    for i in sorted(words_with[pair]):
        before, n = list(words[i]), word_counts[i]
        after = merge_pair(before, pair, b"".join(pair))
        change = Counter()
        for new in zip(after, after[1:], strict=False):
            change[new] += n
        for old in zip(before, before[1:], strict=False):
            change[old] -= n
        for each, difference in change.items():
            pair_counts[each] += difference
        for each in set(zip(before, before[1:], strict=False)):
            words_with[each].discard(i)
        for each in set(zip(after, after[1:], strict=False)):
            words_with.setdefault(each, set()).add(i)
        words[i][:] = after
    del pair_counts[pair]
    words_with.pop(pair)
""",
        "adds up the changes first, changes the word's own list, and deletes the merged pair",
    ),
    (
        "cheaper_offer",
        f"""
def cheaper_offer():{TABLES}
    best = float("inf")
    for offer in prices:
        tokens = 0.0
        for part, factor in ((share, premiums[offer]), (1 - share, 1)):
            tokens += texts * part * words * per_word * factor
        best = min(best, tokens * prices[offer] / 1_000_000)
    return best
""",
        "adds up both parts of the texts, offer by offer",
    ),
]
