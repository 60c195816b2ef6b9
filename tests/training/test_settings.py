import math

import pytest

from pushforward.core import InvalidInput
from pushforward.training import Training


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", -5),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", math.inf),
        ("final_learning_rate", -1e-3),
        ("warmup", -1),
        ("weight_decay", -0.1),
        ("betas", (0.9, 1.0)),
        ("gradient_clip", 0.0),
        ("ema", 1.0),
        ("ema", -0.1),
        ("devices", 0),
        ("log_every", 0),
        ("checkpoint_every", 0),
        ("keep_checkpoints", 0),
        ("sample_every", 0),
        ("validate_every", 0),
        ("validation_batches", 0),
        ("workers", -1),
        ("threads", 0),
        ("coupling_batches", 0),
        ("device", "gpu"),
        ("device", "cpu:1"),
        ("device", "cuda:x"),
        ("precision", "float32"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(InvalidInput, match=rf"^training\.{name} is .*(expected|did you mean|known)"):
        Training(**{name: value})


def test_the_nearest_precision_is_named():
    with pytest.raises(InvalidInput, match=r"did you mean bf16-mixed\?"):
        Training(precision="bf16_mixed")


def test_stop_after_needs_validations():
    with pytest.raises(InvalidInput, match="validate_every"):
        Training(stop_after=3)


def test_devices_share_the_batch_equally():
    with pytest.raises(InvalidInput, match=r"use 12$"):
        Training(batch_size=10, devices=4)
    with pytest.raises(InvalidInput, match="drop the number"):
        Training(device="cuda:1", devices=2)


def test_the_rate_warms_up_and_follows_the_cosine():
    settings = Training(steps=110, learning_rate=2.0, final_learning_rate=1.0, warmup=10)
    assert [settings.rate(k) for k in (0, 4, 9)] == pytest.approx([0.2, 1.0, 2.0])
    assert settings.rate(10) == 2.0
    assert settings.rate(60) == pytest.approx(1.5)  # half way
    assert settings.rate(35) + settings.rate(85) == pytest.approx(3.0)  # the cosine is odd about its middle
    assert settings.rate(109) == pytest.approx(1.0, abs=3e-4)  # 1 - cos(pi/100) = 5e-4


def test_without_a_final_rate_it_stays():
    settings = Training(steps=50, learning_rate=0.3, final_learning_rate=None, warmup=2)
    assert [settings.rate(k) for k in (1, 2, 49)] == [0.3] * 3


def test_a_warmup_longer_than_the_run_only_climbs():
    settings = Training(steps=5, learning_rate=1.0, warmup=10)
    assert [settings.rate(k) for k in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_cosine_of_no_length_is_not_asked_for():
    assert Training(steps=5, learning_rate=1.0, warmup=5).rate(4) == 1.0
