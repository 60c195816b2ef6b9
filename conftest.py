"""Shapes written in annotations are enforced in every eighth test and in doctests, which find torch and pf.

The checks triple what a call costs. Laws meet every part of a room, so that an eighth of them meets it, too.
"""

import sys
import types
import zlib
from collections.abc import Iterator

import pytest
import torch
from beartype import BeartypeConf, beartype
from jaxtyping import config, install_import_hook

enforce = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a fine float
checker = types.ModuleType("checker")  # the hook wants a name to import
checker.check = lambda f: f if config.jaxtyping_disable else enforce(f)  # functions in functions come at every call
sys.modules["checker"] = checker
install_import_hook("pushforward", "checker.check")
import pushforward as pf  # noqa: E402 - after the hook

torch.set_num_threads(1)  # two threads wait for each other on a shared machine

for room in pf._ROOMS:  # before doctests import modules by path, over the functions that bear their names
    getattr(pf, room)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Around a test and the fixtures that it asks for."""
    slow = item.get_closest_marker("story") is not None or item.path.parent.name == "bench"
    eighth = zlib.crc32(item.nodeid.encode()) % 8 == 0
    checked = isinstance(item, pytest.DoctestItem) or (eighth and not slow)
    config.update("jaxtyping_disable", not checked)
    return (yield)


@pytest.fixture(autouse=True)
def _names(doctest_namespace: dict[str, object]) -> None:
    torch.manual_seed(0)
    doctest_namespace.update(torch=torch, pf=pf)
