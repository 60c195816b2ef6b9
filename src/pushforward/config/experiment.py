"""The parts of a configuration, put together over the data they are for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any, TypeAlias, cast

import torch
from torch import nn

from pushforward.config.build import Partial
from pushforward.config.schema import Config, checked_guidance
from pushforward.core import AffinePath, Field, Incompatible, Objective, Path, State, align, like, map_state, require
from pushforward.couplings import Independent
from pushforward.couplings.learned import Gaussian
from pushforward.data import Dataset
from pushforward.guidance import ClassifierFree, SimplexClassifierFree
from pushforward.spaces import Tokens
from pushforward.training import Feed, Trained, train

__all__ = ["Experiment", "Guidance", "guide", "start"]

Guidance: TypeAlias = float | str | Mapping[str, Any] | Partial | Callable[[Field], Field] | None


def guide(field: Field, guidance: Guidance, objective: Objective | None = None) -> Field:
    """The guided field: None leaves it alone, a number is classifier-free guidance with that scale.

    Of tokens the logarithms of the probabilities are extrapolated, and so those of the rates, as Nisonoff et al.,
    Unlocking Guidance for Discrete State-Space Diffusion and Flow Models (ICLR 2025), https://arxiv.org/abs/2406.01572,
    do; here the law is normalised again, so that masks are revealed no sooner and no later.

    A name or a mapping is a part of the guidance room without its field, as in a configuration. `objective` is what the
    field was trained with, if known.

    Raises: `InvalidInput` for anything else, and for a scale that is negative or not finite; `Incompatible` where the
        weak side of the guidance was never trained.

    Example:
        >>> field = lambda x, t, cond=None: x
        >>> guide(field, None) is field
        True
    """
    known = checked_guidance(guidance, "guidance")
    if known is None:
        return field
    _require_null(known, objective)
    if isinstance(known, float) and isinstance(getattr(getattr(field, "path", None), "space", None), Tokens):
        return SimplexClassifierFree(field, known, tilt=True)
    if isinstance(known, float):
        return ClassifierFree(field, known)
    return known(field=field) if isinstance(known, Partial) else known(field)


def _require_null(guidance: Any, objective: Any) -> None:
    """Guidance leads away from the null condition, which a network knows only if it has seen it."""
    blind = guidance != 1.0 and isinstance(guidance, (float, Partial)) and getattr(objective, "cond_drop", None) == 0
    require(
        not blind,
        "guidance leads away from the model without a condition, which this one has not learned (cond_drop is 0); "
        "train with objective.cond_drop 0.1, or set guidance to 1 or null",
        Incompatible,
    )


def start(path: Path, x0: State, t: torch.Tensor, *, law: Gaussian | None = None, back: bool = False) -> State:
    """Source draws as states at the first time `t` `[B]` of a path: sigma_t x0.

    That is x0 itself at t = 0, unless the schedule scales its source (variance exploding), and where the path starts
    from data (`Mirror`). Where the source is learned, `law` makes x0 out of noise first. `back` undoes both.
    """
    sigma = path.coeffs(t).sigma if isinstance(path, AffinePath) else None
    sigma = None if sigma is None else torch.where(sigma == 0, 1.0, sigma)

    def there(x: torch.Tensor) -> torch.Tensor:
        x = x if law is None else law.draw(x)
        return x if sigma is None else like(align(sigma, x) * x, x)

    def and_back(x: torch.Tensor) -> torch.Tensor:
        x = x if sigma is None else like(x / align(sigma, x), x)
        return x if law is None else law.noise(x)

    return map_state(and_back if back else there, x0)


@dataclass(frozen=True)
class Experiment:
    """What a run trains: parts and data, with everything that had to wait for the data's shapes now built.

    Args:
        config: The parts.
        dataset: What to learn from; `Experiment.of(config)` loads the one that the configuration names.

    Raises: `Incompatible` for guidance towards conditions that the data do not have, and for symbols where the path is
        one of numbers; `InvalidInput` for more symbols than the path's.
    """

    config: Config
    dataset: Dataset

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", self.config.on(self.dataset))
        guided = isinstance(self.config.sampling.guidance, (float, Partial))
        require(
            not guided or self.dataset.train.take(1)[1] is not None,
            "sampling.guidance steers towards a condition, but the data have none; give cond, or set it to null",
            Incompatible,
        )

    @classmethod
    def of(cls, config: Config) -> "Experiment":
        """The experiment over the configuration's own data."""
        require(config.data is not None, "the configuration names no data; add a `data` section, or give arrays to fit")
        loader = config.data() if isinstance(config.data, Partial) else config.data
        assert loader is not None
        return cls(config, loader.load())

    def net(self) -> nn.Module:
        """A new network for the data's shapes; its first weights depend on the seed alone."""
        data = self.dataset
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return self.config.net_for(data.model_shape, data.classes, data.features)

    def objective(self) -> Objective:
        """What is minimised. One with weights of its own is new, as the net is.

        Raises: `Incompatible` for what asks for independent noise over pairs that do not start from it, for a path that
            starts from data without a source, for guidance away from a null condition that is never shown, and for
            jumps of a map that is not learned.
        """
        data = self.dataset
        found = self.config.objective_for(data.model_shape, data.classes, data.features)
        _require_null(self.config.sampling.guidance, found)
        plain = data.source is None and isinstance(self.config.coupling, Independent)
        require(
            plain or not getattr(found, "reads_noise", False),
            f"this {type(found).__name__} starts from independent noise (as SecondOrder, NeuralFlowDiffusion and "
            "learned sources of noise do); give no source, and coupling: Independent",
            Incompatible,
        )
        path = self.config.path
        moved = not isinstance(path, AffinePath) or bool(path.coeffs(torch.zeros(1, dtype=torch.float64)).sigma > 0)
        require(
            moved or data.source is not None,
            f"{path} starts from data (sigma = 0 at t = 0), so noise has no part in it; give the data as source, too",
            Incompatible,
        )
        if self.config.jumps:
            cast(Any, found).flow_map(nn.Identity())
        return found

    def feed(self) -> Feed:
        """Where pairs come from."""
        data, config = self.dataset, self.config
        span = config.training.coupling_batches
        return Feed(data.train, config.coupling, data.source, config.path.space, data.transform, span)

    def train(
        self,
        net: nn.Module | None = None,
        objective: Objective | None = None,
        *,
        folder: File | None = None,
        resume: bool = False,
        progress: bool = False,
        on_start: Callable[[], object] | None = None,
        on_sample: Callable[[nn.Module, int], object] | None = None,
    ) -> Trained:
        """Train a network and an objective (new ones unless given) as the configuration says; see `training.train`."""
        net = self.net() if net is None else net
        objective = self.objective() if objective is None else objective
        feed, config, test = self.feed(), self.config, self.dataset.test
        return train(
            net,
            objective,
            feed,
            config.training,
            seed=config.seed,
            folder=folder,
            resume=resume,
            validation=None if test is None or config.training.validate_every is None else feed.held_out(test),
            on_start=on_start,
            on_sample=on_sample,
            progress=progress,
        )
