"""Files of tensors: what goes in comes out, nothing half-written has a name, and damage of any kind is seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from manifoldconv.errors import StorageError
from manifoldconv.storage.files import PART, read_about, read_file, write_file

TENSORS = {
    "empty": torch.empty(0, 3, dtype=torch.float64),
    "flags": torch.tensor([True, False, True]),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "number": torch.tensor(7, dtype=torch.int32),
    "wide": torch.arange(1000, dtype=torch.float64).reshape(10, 100),
    "turned": torch.arange(6, dtype=torch.int64).reshape(2, 3).T,
}
CONTENT = {"name": "Möbius", "shape": [1, 2], "nothing": None, "third": 1 / 3}


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "some.safetensors"
    write_file(place, "example", TENSORS, CONTENT)
    return place


def test_what_goes_in_comes_out(path):
    stored = read_file(path, "example")
    assert (stored.kind, stored.content) == ("example", CONTENT)
    assert stored.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert stored.tensors[name].dtype == tensor.dtype
        assert torch.equal(stored.tensors[name], tensor)
        assert stored.tensors[name].data_ptr() % tensor.element_size() == 0
    assert read_about(path) == ("example", CONTENT)


def test_the_layout_is_that_of_safetensors(path):
    """Read here by the published description alone: https://github.com/huggingface/safetensors#format."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    assert all(isinstance(value, str) for value in header.pop("__metadata__").values())
    assert raw[8:9] == b"{"
    end = 0
    for entry in sorted(header.values(), key=lambda entry: entry["data_offsets"]):
        assert entry["data_offsets"][0] == end  # without gaps
        end = entry["data_offsets"][1]
    assert end == len(raw) - 8 - length
    start, stop = header["wide"]["data_offsets"]
    numbers = torch.frombuffer(bytearray(raw[8 + length + start : 8 + length + stop]), dtype=torch.float64)
    assert torch.equal(numbers.reshape(header["wide"]["shape"]), TENSORS["wide"])


def test_tensors_lie_in_the_file_and_what_is_done_to_them_stays_out_of_it(path):
    before = path.read_bytes()
    first = read_file(path).tensors["wide"]
    first.zero_()
    assert path.read_bytes() == before
    assert torch.equal(read_file(path).tensors["wide"], TENSORS["wide"])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of what is mapped")
def test_files_are_mapped(path):
    held = read_file(path, verify=False)
    assert str(path) in Path("/proc/self/maps").read_text()
    del held
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_a_file_that_is_replaced_keeps_its_readers(path):
    mapped = read_file(path).tensors["wide"]
    assert write_file(path, "example", {"wide": torch.zeros(3)}, {})
    path.unlink()
    assert torch.equal(mapped, TENSORS["wide"])


def test_a_file_can_be_kept_from_being_replaced(path):
    before = path.read_bytes()
    assert not write_file(path, "example", {"wide": torch.zeros(3)}, {}, replace=False)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert write_file(path.with_name("other"), "example", {}, {}, replace=False)


def damaged(raw):
    """Every kind of damage, by name: what the file holds then."""
    length = int.from_bytes(raw[:8], "little")
    return {
        "empty": b"",
        "a few bytes": raw[:5],
        "cut in the header": raw[: 8 + length // 2],
        "cut in the tensors": raw[:-1],
        "something behind it": raw + b"\0",
        "one bit of a tensor": raw[:-100] + bytes([raw[-100] ^ 1]) + raw[-99:],
        "the length of the header": b"\xff" * 8 + raw[8:],
        "one letter of the header": raw.replace(b"example", b"exumple", 1),
        "a shape": raw.replace(b"[10, 100]", b"[100, 10]", 1),
        "zeros": bytes(len(raw)),
        "a text": b"solid teapot\nfacet normal 0 0 1\n" * 100,
        "a zip": b"PK\x03\x04" + bytes(1000),
        "other JSON": (2).to_bytes(8, "little") + b"[]",
        "a file of another program": (2).to_bytes(8, "little") + b"{}",
        "another version": raw.replace(b'"version": "1"', b'"version": "9"', 1),
    }


@pytest.mark.parametrize("kind", damaged(bytes(200)))
def test_damage_is_seen(path, kind):
    path.write_bytes(damaged(path.read_bytes())[kind])
    with pytest.raises(StorageError, match=str(path)):
        read_file(path)


def test_every_bit_counts(tmp_path):
    """One bit flipped anywhere in a small file is found (but for spaces behind the header that stay spaces)."""
    path = tmp_path / "small"
    write_file(path, "example", {"a": torch.arange(3)}, {"b": 1})
    raw = path.read_bytes()
    for place in range(len(raw)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 4]) + raw[place + 1 :])
        with pytest.raises(StorageError):
            read_file(path)


def test_checksums_can_be_left_out_and_the_header_not(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    read_file(path, verify=False)
    path.write_bytes(raw[:-8])
    with pytest.raises(StorageError, match="asks for"):
        read_file(path, verify=False)


def test_another_kind_and_no_file(path, tmp_path):
    with pytest.raises(StorageError, match="kind 'example'; expected 'pullback'"):
        read_file(path, "pullback")
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")


def test_what_cannot_be_stored_leaves_nothing_behind(path, tmp_path, monkeypatch):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="complex128"):
        write_file(path, "example", {"z": torch.zeros(1, dtype=torch.complex128)}, {})
    with pytest.raises(ValueError, match="JSON"):
        write_file(path, "example", {}, {"x": float("nan")})

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, "example", {}, {})
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


KILLED = """
import os, signal, sys, torch
from manifoldconv.storage.files import write_file
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
write_file(sys.argv[1], "example", {"a": torch.zeros(100_000)}, {})
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_writer_that_is_killed_leaves_the_old_file(path):
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_bytes() == before
    assert [one.suffix for one in path.parent.iterdir() if one != path] == [PART]


TWO_WRITERS = """
import sys, torch
from manifoldconv.storage.files import read_file, write_file
path, number = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
seen = set()
for turn in range(60):
    write_file(path, "example", {"a": torch.full((20_000 + 5_000 * number,), number)}, {"number": number})
    stored = read_file(path)
    held = stored.content["number"]
    assert stored.tensors["a"].tolist() == [held] * (20_000 + 5_000 * held)
    seen.add(held)
print(sorted(seen))
"""


def test_two_processes_write_one_name_at_once(path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_WRITERS, str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        out, err = writer.communicate(timeout=120)
        assert writer.returncode == 0, err
        assert out.strip() == "[0, 1]"  # each has read what the other wrote
    assert [one.name for one in path.parent.iterdir()] == [path.name]
