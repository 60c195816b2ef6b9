"""The trainer on symbols: integers travel through feed, coupling and loss."""

import torch

import pushforward as pf
from pushforward.training import Feed, Training, train


def test_a_network_over_tokens_trains_and_samples():
    path = pf.paths.Mixture(pf.spaces.Tokens(3, mask=True))
    x = torch.arange(300)[:, None].repeat(1, 4) % 3  # four equal symbols
    torch.manual_seed(0)
    net = pf.nets.TokenTransformer(3, mask=True, width=16, depth=1, heads=2)
    objective = pf.objectives.DiscreteFlowMatching(path)
    feed = Feed(pf.data.Arrays(x), space=path.space)
    trained = train(net, objective, feed, Training(steps=100, batch_size=64, learning_rate=1e-2, workers=0))
    field = objective.field(trained.net)
    start, gen = torch.full((200, 4), 3), torch.Generator().manual_seed(0)
    solver = pf.solvers.Unmask(path, noise=float("inf"))
    drawn = pf.solve(field, start, torch.linspace(0, 1, 5), solver=solver, generator=gen).x
    # independent symbols agree in 1 of 27 rows
    assert (drawn == drawn[:, :1]).all(1).double().mean() > 0.8
    bound = pf.inference.elbo(field, x[:100], generator=gen)
    assert -bound.mean() < 2 * torch.log(torch.tensor(3.0))  # guessing has 4 log 3; the truth is log 3
