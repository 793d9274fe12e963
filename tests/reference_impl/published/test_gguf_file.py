"""The GGUF reader against the `gguf` package, and against files that are broken."""

import struct

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFEndian, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_impl.published.gguf_file import (
    GGUFError,
    GGUFFile,
    dequantise_q4_1,
    dequantise_q8_0,
)

METADATA = {
    "string": ("string", "Grüße"),
    "uint8": ("uint8", 255),
    "int8": ("int8", -128),
    "uint16": ("uint16", 65535),
    "int16": ("int16", -32768),
    "uint32": ("uint32", 2**32 - 1),
    "int32": ("int32", -(2**31)),
    "uint64": ("uint64", 2**64 - 1),
    "int64": ("int64", -(2**63)),
    "float32": ("float32", 0.5),
    "float64": ("float64", 0.1),
    "bool": ("bool", True),
    "strings": ("array", ["a", "", "ß"]),
    "ints": ("array", [1, -2, 3]),
    "floats": ("array", [0.5, -0.25]),
    "nested": ("array", [[1, 2], [3]]),
}


@pytest.fixture
def small_file(tmp_path):
    """A file with every type of metadata and of tensor, and an alignment that is not 32."""
    path = tmp_path / "small.gguf"
    writer = GGUFWriter(path, arch="llama")
    writer.add_custom_alignment(64)
    for name, (kind, value) in METADATA.items():
        getattr(writer, f"add_{kind}")(name, value)
    numbers = np.random.default_rng(0).standard_normal((3, 5, 64)).astype(np.float32)
    writer.add_tensor("f32", numbers)
    writer.add_tensor("f16", numbers.astype(np.float16))
    for kind in (GGMLQuantizationType.Q4_1, GGMLQuantizationType.Q8_0):
        writer.add_tensor(kind.name, quantize(numbers, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_metadata_is_what_was_written(small_file):
    metadata = GGUFFile(small_file).metadata
    assert metadata["general.architecture"] == "llama"
    assert {name: metadata[name] for name in METADATA} == {
        name: value for name, (_, value) in METADATA.items()
    }


def test_tensors_are_what_the_gguf_package_reads(small_file):
    file = GGUFFile(small_file)
    expected = {tensor.name: tensor for tensor in GGUFReader(small_file).tensors}
    assert file.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        theirs = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        assert torch.equal(file.tensor(name), theirs.view(3, 5, 64))


def test_every_tensor_of_the_real_file_is_equal_bit_for_bit(weights_file, gguf_tensors):
    assert weights_file.tensors.keys() == gguf_tensors.keys()
    for name, expected in gguf_tensors.items():
        assert torch.equal(weights_file.tensor(name), expected), name


halves = st.floats(width=16, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(halves, halves, st.binary(min_size=16, max_size=16)), min_size=1))
def test_q4_1_is_gguf_s_bit_for_bit(blocks):
    raw = [np.array(pair, np.float16).tobytes() + levels for *pair, levels in blocks]
    raw = np.frombuffer(b"".join(raw), np.uint8).reshape(-1, 20).copy()
    expected = dequantize(raw, GGMLQuantizationType.Q4_1)
    actual = dequantise_q4_1(torch.from_numpy(raw)).numpy()
    assert actual.tobytes() == expected.tobytes()


@given(st.lists(st.tuples(halves, st.binary(min_size=32, max_size=32)), min_size=1))
def test_q8_0_is_gguf_s_bit_for_bit(blocks):
    raw = [np.array(scale, np.float16).tobytes() + levels for scale, levels in blocks]
    raw = np.frombuffer(b"".join(raw), np.uint8).reshape(-1, 34).copy()
    expected = dequantize(raw, GGMLQuantizationType.Q8_0)
    actual = dequantise_q8_0(torch.from_numpy(raw)).numpy()
    assert actual.tobytes() == expected.tobytes()


def test_reading_leaves_the_file_as_it_is(small_file):
    before = small_file.read_bytes()
    GGUFFile(small_file).tensor("f32").zero_()
    assert small_file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 a zip archive", b"\0" * 100])
def test_another_kind_of_file_is_named(tmp_path, content):
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(GGUFError, match="other.gguf is not a GGUF file.*give the path"):
        GGUFFile(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_cut_anywhere_is_refused(small_file, data):
    whole = small_file.read_bytes()
    cut = small_file.with_name("cut.gguf")
    n_padding = 64  # at most so many bytes at the end say nothing
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole) - n_padding))])
    with pytest.raises(GGUFError, match="damaged or cut short.*make course|not a GGUF file"):
        GGUFFile(cut)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1500), st.integers(1, 255))
def test_a_wrong_byte_is_refused_or_read_but_never_a_crash(small_file, position, flip):
    damaged = bytearray(small_file.read_bytes())
    damaged[position] ^= flip
    path = small_file.with_name("flipped.gguf")
    path.write_bytes(damaged)
    try:
        file = GGUFFile(path)
        for name in file.tensors:
            file.tensor(name)
    except GGUFError as error:
        assert "flipped.gguf" in str(error)


def test_a_missing_tensor_is_named(small_file):
    with pytest.raises(GGUFError, match="no tensor 'output.weight'.*make course"):
        GGUFFile(small_file).tensor("output.weight")


def test_a_tensor_type_that_is_not_read_is_named(tmp_path):
    path = tmp_path / "q4_0.gguf"
    writer = GGUFWriter(path, arch="llama")
    kind = GGMLQuantizationType.Q4_0
    writer.add_tensor("x", quantize(np.ones((1, 32), np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(GGUFError, match="tensor 'x' has type number 2.*only F32, F16, Q4_1, Q8_0"):
        GGUFFile(path)


def test_an_unknown_version_is_named(small_file):
    content = bytearray(small_file.read_bytes())
    content[4] = 9
    small_file.write_bytes(content)
    with pytest.raises(GGUFError, match="is of GGUF version 9, and versions 2 and 3 are read here"):
        GGUFFile(small_file)


def test_the_first_version_is_not_called_damaged(tmp_path):
    path = tmp_path / "old.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<III", 1, 0, 0))  # version 1 counts in 32 bits
    with pytest.raises(GGUFError, match="GGUF version 1, and versions 2 and 3") as caught:
        GGUFFile(path)
    assert "damaged" not in str(caught.value)


def test_a_big_endian_file_is_named(tmp_path):
    path = tmp_path / "big.gguf"
    writer = GGUFWriter(path, arch="llama", endianess=GGUFEndian.BIG)  # codespell:ignore endianess
    writer.add_tensor("x", np.ones((2, 3), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(GGUFError, match="big-endian .*GGUF version 3.*little-endian") as caught:
        GGUFFile(path)
    assert "damaged" not in str(caught.value)


def string(text):
    return struct.pack("<Q", len(text)) + text


def file_of(path, metadata=(), tensors=()):
    """A GGUF file put together by hand, which no writer would write."""
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    body = header + b"".join(metadata) + b"".join(tensors)
    path.write_bytes(body + bytes(-len(body) % 32 + 64))
    return path


def test_a_name_that_comes_twice_is_refused(tmp_path):
    size = string(b"llama.block_count") + struct.pack("<II", 4, 2)
    with pytest.raises(GGUFError, match="'llama.block_count' twice"):
        GGUFFile(file_of(tmp_path / "pairs.gguf", metadata=[size, size]))
    tensor = string(b"x") + struct.pack("<IQIQ", 1, 4, 0, 0)
    assert GGUFFile(file_of(tmp_path / "one.gguf", tensors=[tensor])).tensor("x").shape == (4,)
    with pytest.raises(GGUFError, match="'x' twice"):
        GGUFFile(file_of(tmp_path / "tensors.gguf", tensors=[tensor, tensor]))


def test_arrays_nested_without_end_are_refused(tmp_path):
    def nested(depth):
        arrays = struct.pack("<IQ", 9, 1) * depth + struct.pack("<IQ", 4, 1) + struct.pack("<I", 7)
        return [string(b"deep") + struct.pack("<I", 9) + arrays]

    value = GGUFFile(file_of(tmp_path / "some.gguf", nested(15))).metadata["deep"]
    for _ in range(15):
        (value,) = value
    assert value == [7]
    for depth in (16, 100_000):
        with pytest.raises(GGUFError, match="arrays within arrays, more than 16 deep"):
            GGUFFile(file_of(tmp_path / "deep.gguf", nested(depth)))


def test_rows_that_do_not_fill_their_blocks_are_refused(tmp_path):
    tensor = string(b"x") + struct.pack("<IQQIQ", 2, 16, 2, 8, 0)  # 2 rows of 16, Q8_0 wants 32
    with pytest.raises(GGUFError, match="tensor 'x' has a shape"):
        GGUFFile(file_of(tmp_path / "rows.gguf", tensors=[tensor]))


def test_tensors_are_float32_under_any_default_dtype(small_file):
    expected = {name: GGUFFile(small_file).tensor(name) for name in GGUFFile(small_file).tensors}
    torch.set_default_dtype(torch.bfloat16)
    try:
        actual = {name: GGUFFile(small_file).tensor(name) for name in expected}
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(actual[name], expected[name]) for name in expected)
