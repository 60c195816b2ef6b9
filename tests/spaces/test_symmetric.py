"""Matrix functions where eigenvalues repeat: the power series of log(1 + s a) gives all derivatives at the identity."""

import pytest
import torch

from pushforward.spaces._symmetric import dexp, dlog, expm, exponential, logm, logm1p, sym

F64 = torch.float64
ONE = torch.eye(3, dtype=F64)
close = torch.testing.assert_close


def symmetric(seed, *batch):
    return sym(torch.randn(*batch, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=F64))


def derivatives(f):
    """First, forward mode, and second, forward over forward and reverse over reverse, at 0."""
    zero, unit = torch.zeros((), dtype=F64), torch.ones((), dtype=F64)
    first = lambda s: torch.func.jvp(f, (s,), (unit,))[1]
    _, second = torch.func.jvp(first, (zero,), (unit,))
    s = zero.clone().requires_grad_()
    weight = symmetric(9)
    (once,) = torch.autograd.grad((f(s) * weight).sum(), s, create_graph=True)
    (twice,) = torch.autograd.grad(once, s)
    close(once.detach(), (first(zero) * weight).sum())
    close(twice, (second * weight).sum())
    return first(zero), second


@pytest.mark.parametrize("log", [logm, lambda p: logm1p(p, p - ONE)], ids=["logm", "logm1p"])
def test_logarithm_has_two_derivatives_at_the_identity(log):
    """log(1 + s a) = s a - s^2 a^2 / 2 + ..."""
    a = symmetric(0)
    first, second = derivatives(lambda s: log(ONE + s * a))
    close(first, a)
    close(second, -a @ a)


def test_differential_of_the_logarithm_has_two_derivatives_at_the_identity():
    """The part of log(1 + s a + h u) linear in h: u - s (a u + u a) / 2 + s^2 (a a u + a u a + u a a) / 3."""
    a, u = symmetric(0), symmetric(1)
    first, second = derivatives(lambda s: dlog(p := ONE + s * a, logm(p), u))
    close(first, -(a @ u + u @ a) / 2)
    close(second, 2 / 3 * (a @ a @ u + a @ u @ a + u @ a @ a))


def test_logarithm_undoes_exponential_with_its_derivatives():
    s, u = symmetric(2, 5), symmetric(3, 5)
    close(logm(expm(s)), s)
    p = expm(s)
    close(dlog(p, s, dexp(s, u)), u)
    close(torch.func.jvp(expm, (s,), (u,))[1], dexp(s, u))
    close(torch.func.jvp(logm, (p,), (u,))[1], dlog(p, s, u))


def test_a_single_float32_exponential_is_as_good_as_one_of_many():
    """exp(1/2) alone was off by 2e-5 in torch."""
    x = torch.diag_embed(torch.tensor([[0.5, 0.25]]))
    close(exponential(x).double(), exponential(x.double()), rtol=1e-6, atol=1e-6)
    close(exponential(x[0]).double(), exponential(x[0].double()), rtol=1e-6, atol=1e-6)
