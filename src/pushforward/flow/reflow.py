"""Rectified flow: a flow learned anew from its own pairs, and its last distillation."""

import copy
import hashlib
import json
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.config import Partial
from pushforward.core import Cond, Incompatible, InvalidInput, generator_from, leaves, map_state, require
from pushforward.couplings import Paired
from pushforward.data import Arrays, Identity
from pushforward.flow.flow import Flow
from pushforward.metrics import curvature
from pushforward.objectives import CRectifiedFlow, FlowMatching, Grid
from pushforward.solvers import Euler
from pushforward.solvers.grids import Uniform
from pushforward.training import Feed, atomic_write, train

__all__ = ["couples", "distil", "reflow", "straightness"]

SHARD = 8192  # rows of a file: what a killed run has to make again at most


@torch.no_grad()
def couples(
    flow: Flow,
    n: int,
    *,
    folder: File | str | None = None,
    cond: Any = None,
    steps: int | None = None,
    solver: Any = None,
    seed: int = 0,
    shard: int = SHARD,
) -> tuple[Tensor, Tensor, Cond]:
    r"""Pairs of a flow: source rows, where it takes them, and what it was told, in model units.

    Every shard is a function of (seed, its number) alone. With a `folder` it is written down when it is made, whole or
    not at all, and what is there is not made again.

    Args:
        flow: A fitted flow.
        n: Number of pairs, >= 1.
        folder: Where shards `pairs-00000.safetensors`, ... are kept; None keeps them in memory.
        cond: Conditions of the pairs, as for `Flow.sample`; None takes all classes in turn, or those of the data.
        steps: Steps of the solver; None the flow's own.
        solver: Follows the flow; None its own.
        seed: Of the sources.
        shard: Rows of a file, >= 1.

    Raises: `InvalidInput` for a folder with other pairs, or those of another model.
    """
    require(n >= 1, f"n is {n}, expected at least one pair")
    require(shard >= 1, f"shard is {shard}, expected at least one row")
    place = None if folder is None else File(folder)
    if place is not None:
        _claim(place, {"n": n, "seed": seed, "shard": shard, "model": _fingerprint(flow.net_)})
    told = _conditions(flow, cond, n, seed)
    parts: list[dict[str, Tensor]] = []
    for k in range(-(-n // shard)):
        rows = slice(k * shard, min(n, (k + 1) * shard))
        file = None if place is None else place / f"pairs-{k:05d}.safetensors"
        if file is not None and file.exists():
            parts.append(_read(file))
            continue
        given = map_state(lambda c, rows=rows: c[rows], told)
        x0 = flow.source(rows.stop - rows.start, generator=generator_from(seed, "reflow", k, device=flow.device))
        x1 = flow._follow(x0, given, steps=steps, solver=solver).x
        assert isinstance(x1, Tensor)
        part = {"x0": x0.cpu(), "x1": x1.cpu()} | ({} if given is None else {"cond": leaves(given)[0].cpu()})
        if file is not None:
            _write(file, part)
        parts.append(part)
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return joined["x0"], joined["x1"], joined.get("cond")


def reflow(
    flow: Flow,
    pairs: int = 20_000,
    *,
    folder: File | str | None = None,
    training_steps: int | None = None,
    cond: Any = None,
    steps: int | None = None,
    solver: Any = None,
    seed: int = 0,
    progress: bool = False,
) -> Flow:
    r"""One round of rectified flow: the network goes on learning, from the pairs that it makes.

    .. math:: \min_\theta\ \mathrm E\, \big\lVert v_\theta(x_t, t) - (x_1' - x_0) \big\rVert^2, \qquad
              x_1' = X_{0,1}(x_0)

    The marginals stay, no convex cost of the pairs grows, and the paths are straighter, so that fewer steps do. Errors
    of the flow that makes the pairs stay, too. `straightness` says how far a round has come.

    Source: Liu, Gong & Liu, Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow (ICLR
        2023), https://arxiv.org/abs/2209.03003.

    Args:
        flow: A fitted flow; it stays as it is.
        pairs: How many it makes.
        folder: Run folder: pairs in `pairs/`, checkpoints, metrics and the model. A killed round goes on from there.
        training_steps: Updates; None the flow's own number.
        cond: Conditions of the pairs, see `couples`.
        steps: Steps of the solver that makes the pairs.
        solver: That solver.
        seed: Of pairs and training.
        progress: Show a progress bar.

    Returns: The new flow; saved in `folder` if there is one.
    Raises: `Incompatible` for a flow whose objective is neither `FlowMatching` nor `CRectifiedFlow`, with which the
        rounds lower one convex cost.

    Example:
        >>> flow = pf.Flow("moons").fit(torch.randn(100, 2), steps=5)
        >>> straighter = reflow(flow, 50, training_steps=5)
    """
    objective = _objective(flow)
    making = {"cond": cond, "steps": steps, "solver": solver}
    return _learn(
        flow, objective, pairs, folder=folder, training_steps=training_steps, seed=seed, progress=progress, **making
    )


def distil(
    flow: Flow,
    pairs: int = 20_000,
    *,
    calls: int = 1,
    folder: File | str | None = None,
    training_steps: int | None = None,
    cond: Any = None,
    steps: int | None = None,
    solver: Any = None,
    seed: int = 0,
    progress: bool = False,
) -> Flow:
    r"""The last step of rectified flow: the velocity is learned at the times of `calls` Euler steps alone.

    .. math:: \min_\theta\ \mathrm E\, \big\lVert v_\theta(x_t, t) - (x_1' - x_0) \big\rVert^2, \qquad
              t \in \{0, \tfrac1K, \dots, \tfrac{K - 1}{K}\}

    Sample with `solver="Euler", steps=calls`, which the new flow does unless told otherwise. It knows no other times.

    Source and arguments: as for `reflow`.
    """
    require(calls >= 1, f"calls is {calls}, expected at least one step")
    objective = replace(_objective(flow), times=Grid(calls))
    making = {"cond": cond, "steps": steps, "solver": solver}
    found = _learn(
        flow, objective, pairs, folder=folder, training_steps=training_steps, seed=seed, progress=progress, **making
    )
    sampling = replace(found.config_.sampling, solver=Euler(), steps=calls, grid=Uniform())
    found.config_ = replace(found.config_, sampling=sampling)
    if folder is not None:
        found.save(folder)
    return found


@torch.no_grad()
def straightness(flow: Flow, n: int = 1000, *, cond: Any = None, steps: int = 100, seed: int = 0) -> float:
    """`metrics.curvature` of a flow, over `n` of its sources, in squared model units: 0 where one step is exact."""
    x0 = flow.source(n, generator=generator_from(seed, "straightness", device=flow.device))
    return curvature(flow.field_, x0, steps=steps, cond=_conditions(flow, cond, n, seed))


def _objective(flow: Flow) -> Any:
    """That of a flow whose pairs can be learned from."""
    objective = flow.objective_
    if not isinstance(objective, (FlowMatching, CRectifiedFlow)):
        raise Incompatible(
            f"reflow learns a velocity from pairs by FlowMatching or CRectifiedFlow, this flow has "
            f"{type(objective).__name__}; fit one of those"
        )
    return objective


def _learn(
    flow: Flow,
    objective: Any,
    pairs: int,
    *,
    folder: File | str | None,
    training_steps: int | None,
    seed: int,
    progress: bool,
    **making: Any,
) -> Flow:
    place = None if folder is None else File(folder)
    x0, x1, cond = couples(flow, pairs, folder=None if place is None else place / "pairs", seed=seed, **making)
    config = replace(flow.config_, objective=_written(flow.config_.objective, objective), coupling=Paired())
    if training_steps is not None:
        config = replace(config, training=replace(config.training, steps=training_steps))
    feed = Feed(Arrays(x1, cond), Paired(), Arrays(x0), config.path.space, Identity())
    net: nn.Module = copy.deepcopy(flow.net_)
    trained = train(
        net, objective, feed, config.training, seed=seed, folder=place, resume=place is not None, progress=progress
    )
    found = copy.copy(flow)._adopt(config, flow.frame_, trained.net, objective)
    found.history_ = trained.history
    if place is not None:
        found.save(place)
    return found


def _written(part: Any, objective: Any) -> Any:
    """The configuration's objective with the times of `objective`."""
    if not isinstance(part, Partial):
        return objective
    same = objective.times == part(path=objective.path).times
    return part if same else replace(part, fields={**part.fields, "times": objective.times})


def _conditions(flow: Flow, cond: Any, n: int, seed: int) -> Cond:
    """What the pairs are told: what was asked for, all classes in turn, or conditions of the training data."""
    frame = flow.frame_
    if cond is None and frame.features is not None:
        _, known = flow.dataset().train.take(n, seed)
        assert known is not None
        rows = torch.arange(n) % len(leaves(known)[0])
        cond = leaves(known)[0][rows]
    return flow.condition(cond, n)


def _fingerprint(net: nn.Module) -> str:
    """Of the weights: pairs are those of one model."""
    digest = hashlib.blake2b(digest_size=8)
    for value in net.state_dict().values():
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _claim(place: File, plan: dict[str, Any]) -> None:
    """Raise `InvalidInput` if the folder holds pairs of another plan; else write the plan down."""
    file = place / "pairs.json"
    if not file.exists():
        atomic_write(file, json.dumps(plan).encode())
        return
    try:
        found = json.loads(file.read_text())
    except ValueError:
        raise InvalidInput(f"{file} is damaged; delete {place} to make its pairs again") from None
    require(found == plan, f"{place} holds pairs of {found}, asked for {plan}; choose another folder")


def _write(file: File, part: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    contiguous = {name: value.contiguous() for name, value in part.items()}
    atomic_write(file, lambda temporary: save_file(contiguous, temporary))


def _read(file: File) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise InvalidInput(f"{file} is damaged ({error}); delete it, and it is made again") from None
