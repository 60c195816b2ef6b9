import pytest
import torch

from pushforward.core import Loss, RunFailed
from pushforward.training.window import Window


def fill(window, losses, norms):
    for loss, norm in zip(losses, norms, strict=True):
        value = torch.tensor(loss)
        window.add(Loss(value, {"fit": value, "half": value / 2}), torch.tensor(norm))
    return window


def test_means():
    window = fill(Window(10), [1.0, 2.0, 6.0], [0.5, 0.5, 2.0])
    assert len(window) == 3
    assert window.means(lambda x: x) == {"loss": 3.0, "terms": {"fit": 3.0, "half": 1.5}, "gradient_norm": 1.0}


@pytest.mark.parametrize(
    ("losses", "norms", "said"),
    [
        ([1.0, float("nan"), float("nan")], [1.0, float("nan"), 1.0], "step 12 has loss nan and gradient norm nan"),
        ([1.0, 1.0, 1.0], [1.0, 1.0, float("inf")], "step 13 has loss 1 and gradient norm inf"),
        ([float("-inf"), 1.0, 1.0], [1.0, 1.0, 1.0], "step 11 has loss -inf"),
    ],
)
def test_the_first_bad_step_is_named(losses, norms, said):
    with pytest.raises(RunFailed, match=f"^{said}"):
        fill(Window(10), losses, norms).means(lambda x: x)


def test_other_processes_are_heard():
    with pytest.raises(RunFailed, match="step 1 "):
        fill(Window(0), [1.0], [1.0]).means(lambda x: x * float("nan"))
