"""Where the Gaussian formula may replace the first steps: the error it reports, and how `Flow` takes it."""

import pytest
import torch

from pushforward import Flow
from pushforward.core import Incompatible, InvalidInput, span_of
from pushforward.fields import FlowSDE
from pushforward.guidance import ClassifierFree
from pushforward.inference import GaussianFlow, Skip, skip_errors
from pushforward.oracles import GaussianMixture, reference_mixture
from pushforward.paths import Affine, Cosine
from pushforward.solvers import RK4, EulerMaruyama, Heun, solve

TIMES = [0.05, 0.1, 0.2, 0.3, 0.5]


def matched(mixture, path=None):
    """The exact field, and the Gaussian of the mixture's own moments."""
    weights, means = mixture.weights, mixture.means
    mean = weights @ means
    gap = means - mean
    within = mixture.covariances + gap[:, :, None] * gap[:, None, :]
    exact = mixture.along(Affine() if path is None else path)
    return exact, GaussianFlow.from_moments(mean, (weights[:, None, None] * within).sum(0), exact.path)


def noise(n):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_reference_mixture_has_the_known_errors():
    """Moments and root mean squares as published, to two digits: 2.2 is 2.15 to 2.25, and 20000 rows leave 0.5 %."""
    exact, gaussian = matched(reference_mixture())
    torch.testing.assert_close(gaussian.means[0], torch.tensor([0.8, -0.05]).double())
    torch.testing.assert_close(gaussian.variances[0], torch.tensor([0.3107, 4.1118]).double(), rtol=0, atol=5e-5)
    found = skip_errors(exact, gaussian, noise(20000), TIMES, solver=RK4(), steps=10)
    published = torch.tensor([2.2e-4, 1.9e-3, 1.7e-2, 6.2e-2, 0.28]).double()
    assert (found.error / published - 1).abs().max() < 0.03
    # the integral of the mismatch leaves out that the field bends what is already lost
    torch.testing.assert_close(found.mismatch, found.error, rtol=0.1, atol=0)
    assert (found.final > found.error).all()  # on the way the saddle between the modes stretches it
    step = noise(20000) + 0.2 * exact(noise(20000), 0.0)
    straight = solve(exact, noise(20000), torch.linspace(0, 0.2, 11).double(), solver=RK4()).x
    euler = (step - straight).square().sum(1).mean().sqrt()
    assert abs(euler / 9.8e-2 - 1) < 0.03
    assert 5 * found.error[2] < euler


def test_the_final_error_is_that_of_the_skip():
    exact, gaussian = matched(reference_mixture(), Affine(Cosine()))
    x0, follow = noise(500), lambda field, x, low: solve(field, x, torch.linspace(low, 1, 101).double(), solver=RK4()).x
    found = skip_errors(exact, gaussian, x0, [0.1, 0.3], solver=RK4(), steps=100)
    late = Skip(exact, gaussian, 0.3)
    assert span_of(late) == (0.3, 1.0)
    gap = follow(late, late.start(x0), 0.3) - follow(exact, x0, 0.0)
    # steps of 0.007 and 0.01 through the same stretch: RK4 leaves 1e-6
    assert abs(gap.square().sum(1).mean().sqrt() - found.final[1]) < 1e-5
    assert found.latest(float(found.final[0]) * 1.01) == 0.1
    assert found.latest(1e-9) == 0.0
    assert found.latest(100.0) == 0.3


def test_of_gaussian_data_everything_may_be_skipped():
    mixture = GaussianMixture([[0.7, -1.2]], [[[0.5, 0.2], [0.2, 0.3]]])
    exact, gaussian = matched(mixture)
    found = skip_errors(exact, gaussian, noise(100), [0.3, 0.9], solver=RK4(), steps=100)
    assert found.error.max() < 1e-6  # RK4's own
    assert found.mismatch.max() < 1e-12
    assert found.latest(1e-6) == 0.9


def test_noise_and_guidance_may_follow():
    """The states at the skip have the field's law where the data are Gaussian, whichever equation goes on from them."""
    exact, gaussian = matched(GaussianMixture([[0.7, -1.2]], [[[0.5, 0.2], [0.2, 0.3]]]))
    late = Skip(ClassifierFree(exact, 1.0), gaussian, 0.4)
    sde = FlowSDE(late, eps=lambda t: (1 - t) ** 2, score=exact.score)
    assert span_of(sde) == (0.4, 1.0)
    x = solve(
        sde,
        late.start(noise(20000)),
        torch.linspace(0.4, 1, 101).double(),
        solver=EulerMaruyama(),
        cond=torch.zeros(20000, dtype=torch.int64),
        generator=torch.Generator().manual_seed(1),
    ).x
    # 1 / sqrt(20000) = 0.007 of the width, three times, and the steps' own 1 / 100
    torch.testing.assert_close(torch.cov(x.mT), exact.mixture.covariances[0], rtol=0, atol=0.02)


@pytest.fixture(scope="module")
def fitted():
    generator = torch.Generator().manual_seed(0)
    rows = 3 + torch.randn(300, 2, generator=generator) * torch.tensor([0.5, 2.0])
    flow = Flow(net={"type": "MLP", "width": 16}, training={"steps": 30, "batch_size": 32}, seed=0).fit(rows)
    return flow, GaussianFlow.of(flow.frame_.transform.forward(rows), flow.config.path)


def test_flow_samples_from_the_skip_on(fitted):
    flow, gaussian = fitted
    late = lambda field: Skip(field, gaussian, 0.25)
    found = flow.trajectory(6, guidance=late, steps=15, generator=torch.Generator().manual_seed(5))
    assert found.times[0] == 0.25
    assert found.nfe == 30  # of Heun
    noise = flow.source(6, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(found.xs[0], gaussian(noise, 0.0, 0.25))
    alone = solve(flow.field_, gaussian(noise, 0.0, 0.25), torch.linspace(0.25, 1, 16), solver=Heun()).x
    torch.testing.assert_close(found.x, alone)
    assert flow.sample(6, guidance=late, solver="EulerMaruyama").isfinite().all()
    x = flow.sample(6, guidance=late)
    again = flow.transport(flow.transport(x, guidance=late, reverse=True), guidance=late)
    torch.testing.assert_close(again, x, rtol=1e-3, atol=1e-3)  # Heun there and back


def test_what_makes_no_sense_is_refused(fitted):
    flow, gaussian = fitted
    with pytest.raises(InvalidInput, match=r"time is 1.0, expected one in \[0, 1\)"):
        Skip(flow.field_, gaussian, 1.0)
    with pytest.raises(Incompatible, match="build the Gaussian on the field's path"):
        Skip(flow.field_, GaussianFlow(Affine(Cosine()), gaussian.means, gaussian.axes, gaussian.variances), 0.1)
    with pytest.raises(InvalidInput, match="expected rising numbers between 0 and 1"):
        skip_errors(flow.field_, gaussian, noise(5).float(), [0.3, 0.2], solver=RK4())
    source = Flow(net={"type": "MLP", "width": 16}, training={"steps": 2, "batch_size": 8}, seed=0)
    source.fit(torch.randn(50, 2), x0=torch.randn(50, 2))
    late = lambda field: Skip(field, gaussian, 0.1)
    with pytest.raises(Incompatible, match="fails from a source of data"):
        source.transport(torch.randn(5, 2), guidance=late)
    paired = Flow(net={"type": "MLP", "width": 16}, training={"steps": 2, "batch_size": 8}, coupling="ExactOT")
    with pytest.raises(Incompatible, match="fails under ExactOT"):
        paired.fit(torch.randn(50, 2)).sample(5, guidance=late)
