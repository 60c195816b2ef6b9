import pytest
import torch

from pushforward.core import InvalidInput
from pushforward.guidance import ClassifierFree
from pushforward.nets import MLP


@pytest.mark.parametrize(("scale", "rows"), [(0.0, 4), (1.0, 4), (2.0, 8)])
def test_one_evaluation_of_as_few_rows_as_needed(gaussians, scale, rows):
    field = gaussians()
    ClassifierFree(field, scale)(torch.ones(4, 1), torch.zeros(4), torch.zeros(4, dtype=torch.int64))
    assert field.rows == [rows]


def test_scale_zero_is_the_unconditional_field_bit_for_bit(gaussians):
    field = gaussians(mean=(0.3, 1.5), variance=(4.0, 1.0))
    x, t, cond = torch.randn(5, 1), torch.rand(5), torch.zeros(5, dtype=torch.int64)
    assert torch.equal(ClassifierFree(field, 0.0)(x, t, cond), field(x, t, torch.full_like(cond, -1)))


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
def test_equal_covariances_move_the_mean_along_the_line(gaussians, pushed, scale):
    """N(m_u, S), N(m_c, S) -> N(m_u + w (m_c - m_u), S), control.md C1 checks 1 and 2."""
    mean, variance = pushed(ClassifierFree(gaussians(mean=(0.2, 1.5), variance=(2.0, 2.0)), scale))
    assert mean == pytest.approx(0.2 + scale * 1.3, abs=1e-8)
    assert variance == pytest.approx(2.0, abs=1e-8)


def test_unequal_variances_give_the_geometric_mean_and_not_the_tilt(gaussians, pushed):
    """S_u = 4, S_c = 1, w = 2: variance S_u^(1-w) S_c^w = 1/4 and mean 2.07026; the tilt has 0.5714 and 1.71429."""
    mean, variance = pushed(ClassifierFree(gaussians(mean=(0.0, 1.5), variance=(4.0, 1.0)), 2.0))
    assert variance == pytest.approx(0.25, abs=1e-8)
    assert mean == pytest.approx(2.07026, abs=5e-6)  # the sheet's digits


def test_velocities_extrapolate_as_scores_do(gaussians):
    """v_w = x / t + (1 - t) / t ((1 - w) s_u + w s_c), with the scores by autodiff of the log-densities."""
    means, variances, w = (-0.4, 1.1), (2.0, 0.5), 2.5
    x = torch.randn(7, 1, dtype=torch.float64, requires_grad=True)
    t = torch.linspace(0.1, 0.95, 7, dtype=torch.float64)
    scores = []
    for mean, variance in zip(means, variances, strict=True):
        std = (t**2 * variance + (1 - t) ** 2).sqrt()[:, None]
        log_prob = torch.distributions.Normal(t[:, None] * mean, std).log_prob(x)
        scores.append(torch.autograd.grad(log_prob.sum(), x)[0])
    tau = t[:, None]
    expected = x.detach() / tau + (1 - tau) / tau * ((1 - w) * scores[0] + w * scores[1])
    guided = ClassifierFree(gaussians(means, variances), w)(x.detach(), t, torch.zeros(7, dtype=torch.int64))
    torch.testing.assert_close(guided, expected, rtol=0, atol=1e-12)


def test_vector_conditions_and_mappings_have_a_null_of_their_own():
    def field(x, t, cond):
        label, vector = cond["label"], cond["vector"]
        absent = vector.isnan().all(1)
        assert torch.equal(absent, label == -1)
        return torch.where(absent[:, None], 1.0, vector)

    cond = {"label": torch.tensor([3, 4]), "vector": torch.tensor([[2.0, 0.0], [1.0, 5.0]])}
    v = ClassifierFree(field, 3.0)(torch.zeros(2, 2), torch.zeros(2), cond)
    assert torch.equal(v, torch.tensor([[4.0, -2.0], [1.0, 13.0]]))  # 1 + 3 (c - 1)


def test_a_negative_prompt_is_the_weak_side():
    field = lambda x, t, cond: cond
    v = ClassifierFree(field, 2.0, null=torch.tensor([[1.0, 1.0]]))(
        torch.zeros(2, 2), torch.zeros(2), torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    )
    assert torch.equal(v, torch.tensor([[5.0, -1.0], [1.0, 1.0]]))


@pytest.mark.parametrize("null", [torch.zeros(1, 3), torch.zeros(3, 2), torch.zeros(1, 2).long()])
def test_a_null_unlike_the_condition_is_refused(null):
    guided = ClassifierFree(lambda x, t, cond: cond, 2.0, null=null)
    with pytest.raises(InvalidInput, match=r"null of shape .* expected one row like the condition, \[1, 2\]"):
        guided(torch.zeros(2, 2), torch.zeros(2), torch.zeros(2, 2))


@pytest.mark.parametrize("sizes", [{"classes": 4}, {"features": 2}])
def test_reference_networks_know_the_null_condition(sizes):
    net, x, t = MLP((2,), **sizes), torch.randn(3, 2), torch.rand(3)
    cond = torch.arange(3) if "classes" in sizes else torch.randn(3, 2)
    expected = 3 * net(x, t, cond) - 2 * net(x, t, None)
    torch.testing.assert_close(ClassifierFree(net, 3.0)(x, t, cond), expected, rtol=1e-5, atol=1e-5)
