"""Shapes written in annotations are enforced while the tests run; doctests find torch and pf."""

import sys
import types

import pytest
import torch
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

checker = types.ModuleType("checker")  # the hook wants a name to import
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a fine float
sys.modules["checker"] = checker
install_import_hook("pushforward", "checker.check")
torch.set_num_threads(1)  # two threads wait for each other on a shared machine


@pytest.fixture(autouse=True)
def _names(doctest_namespace: dict[str, object]) -> None:
    import pushforward as pf  # noqa: PLC0415

    torch.manual_seed(0)
    doctest_namespace.update(torch=torch, pf=pf)
