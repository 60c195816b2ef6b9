"""Public image sets: local copies, downloads with checksums, and what is said when neither works."""

import gzip
import hashlib
import io
import struct
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.data import CIFAR10, MNIST, FashionMNIST
from pushforward.data.loaders import cifar10, fashion_mnist, mnist
from pushforward.data.loaders.download import download
from pushforward.data.loaders.idx import read_idx


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx(array):
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    shapes = {"x_train": (12, 28, 28), "y_train": (12,), "x_test": (4, 28, 28), "y_test": (4,)}
    return {key: rng.integers(0, 10 if key[0] == "y" else 256, shape).astype(np.uint8) for key, shape in shapes.items()}


@pytest.fixture
def source(tmp_path):
    """A folder that stands for the official site, and its file:// address."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def server(source):
    """The same folder over HTTP on this machine; counts what is asked of it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(source))) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield source, f"http://127.0.0.1:{running.server_port}/", asked
        running.shutdown()


@pytest.mark.parametrize(("loader", "module"), [(MNIST, mnist), (FashionMNIST, fashion_mnist)])
def test_downloads_once_and_reads_the_official_format(loader, module, images, server, monkeypatch):
    folder, url, asked = server
    sums = {}
    for file, array in zip(module._MD5, images.values(), strict=True):
        (folder / file).write_bytes(idx(array))
        sums[file] = md5((folder / file).read_bytes())
    monkeypatch.setattr(module, "_URL", url)
    monkeypatch.setattr(module, "_MD5", sums)
    data = loader().load()
    x, label = data.train.take(99)
    assert torch.equal(x, torch.tensor(images["x_train"][:, None], dtype=torch.float32))
    assert label.tolist() == images["y_train"].tolist()
    assert len(data.test) == 4
    assert (data.shape, data.classes, len(data.class_names)) == ((1, 28, 28), 10, 10)
    y = data.transform.forward(torch.tensor([[0.0, 255.0]]))
    assert torch.allclose(y, torch.tensor([[-1.0, 1.0]]))

    before = len(asked)
    unlabelled = loader(labels=False).load()
    assert len(asked) == before == 4
    assert (unlabelled.train.take(2)[1], unlabelled.classes) == (None, None)


@pytest.mark.parametrize(("loader", "file"), [(MNIST, "mnist"), (FashionMNIST, "fashion_mnist_12k")])
def test_a_local_copy_is_preferred(loader, file, images, tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    np.savez(tmp_path / "images" / f"{file}.npz", **images)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    data = loader().load()
    assert (len(data.train), len(data.test), data.name) == (12, 4, file)
    assert torch.equal(data.test.take(9)[0], torch.tensor(images["x_test"][:, None], dtype=torch.float32))


def test_a_damaged_local_copy_is_named(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    np.savez(tmp_path / "images" / "mnist.npz", x=np.zeros(3))
    with pytest.raises(InvalidInput, match=r"mnist\.npz cannot be read .*expected an npz with x_train, y_train"):
        MNIST().load()
    (tmp_path / "images" / "mnist.npz").write_bytes(b"PK\3\4 cut short")
    with pytest.raises(InvalidInput, match=r"mnist\.npz cannot be read"):
        MNIST().load()


def records(n, seed):
    return np.random.default_rng(seed).integers(0, 10, (n, 3073)).astype(np.uint8)


def test_cifar10_reads_the_binary_archive(source, monkeypatch):
    batches = {f"data_batch_{k}.bin": records(3, k) for k in range(1, 6)} | {"test_batch.bin": records(2, 9)}
    with tarfile.open(source / "cifar-10-binary.tar.gz", "w:gz") as archive:
        # the order in the archive is not the order of the set
        for name, content in [*sorted(batches.items(), reverse=True), ("readme.html", np.zeros(5, np.uint8))]:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = content.nbytes
            archive.addfile(member, io.BytesIO(content.tobytes()))
    monkeypatch.setattr(cifar10, "_URL", (source / "cifar-10-binary.tar.gz").as_uri())
    monkeypatch.setattr(cifar10, "_MD5", md5((source / "cifar-10-binary.tar.gz").read_bytes()))
    data = CIFAR10().load()
    x, label = data.train.take(99)
    assert (len(data.train), len(data.test), data.shape, data.name) == (15, 2, (3, 32, 32), "cifar10")
    row = batches["data_batch_2.bin"][1]
    assert label[4] == row[0]
    assert x[4, 2, 31, 5] == row[1 + 2 * 1024 + 31 * 32 + 5]
    assert data.test.take(9)[1].tolist() == batches["test_batch.bin"][:, 0].tolist()


def test_a_wrong_checksum_leaves_nothing_behind(source, cache):
    (source / "file.gz").write_bytes(b"not what it was")
    with pytest.raises(InvalidInput, match=r"has md5 .*, expected 0123.*damaged; try again, or set PUSHFORWARD_DATA"):
        download((source / "file.gz").as_uri(), "0123", "set", instead="images/set.npz")
    assert list(cache.rglob("*.*")) == []


def test_a_damaged_cache_is_fetched_again(source, cache):
    (source / "file.gz").write_bytes(b"right")
    path = download((source / "file.gz").as_uri(), md5(b"right"), "set", instead="")
    assert [file.name for file in cache.rglob("*.*")] == ["file.gz"]
    path.write_bytes(b"rotten")
    assert download((source / "file.gz").as_uri(), md5(b"right"), "set", instead="").read_bytes() == b"right"


@pytest.mark.parametrize("loader", [MNIST, FashionMNIST, CIFAR10])
def test_offline_is_one_sentence_that_helps(loader, cache, monkeypatch):
    for module in (mnist, fashion_mnist, cifar10):
        monkeypatch.setattr(module, "_URL", "http://127.0.0.1:9/")  # nobody listens on the discard port
    with pytest.raises(
        InvalidInput, match=r"is not in .* gave: .*set PUSHFORWARD_DATA to a folder with images/"
    ) as caught:
        loader().load()
    assert "\n" not in str(caught.value)
    assert str(cache) in str(caught.value)


def test_a_cut_connection_is_told(source, cache):
    with pytest.raises(InvalidInput, match="gave: "):
        download((source / "missing.gz").as_uri(), "0", "set", instead="images/set.npz")
    assert list(cache.rglob("*.part")) == []


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x0d\x01\0\0\0\x01\0", b"\0\0\x08\x02\0\0", b"\0\0\x08\x01\0\0\0\x05ab"]
)
def test_what_is_no_idx_file_is_refused(content, tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(InvalidInput, match="is not an idx file of bytes"):
        read_idx(path)


def test_real_mnist_is_the_official_one(shared_data):
    data = MNIST().load()
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    images = data.train.x.numpy()
    official = struct.pack(">HBB3I", 0, 8, 3, 60_000, 28, 28) + images.tobytes()
    # SHA-256 of the unpacked train-images-idx3-ubyte
    assert hashlib.sha256(official).hexdigest() == "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"


def test_real_partial_sets_say_so(shared_data):
    fashion, cifar = FashionMNIST().load(), CIFAR10().load()
    assert (fashion.name, len(fashion.train), len(fashion.test)) == ("fashion_mnist_12k", 10_000, 2_000)
    assert (cifar.name, len(cifar.train), len(cifar.test)) == ("cifar10_first4000", 3_500, 500)
    assert (fashion.shape, cifar.shape) == ((1, 28, 28), (3, 32, 32))
