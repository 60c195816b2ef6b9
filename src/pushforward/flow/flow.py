"""The estimator: fit, sample, transport, log_prob, save, load."""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path as File
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from pushforward import __version__, recipes
from pushforward.config import (
    LATE_NET,
    Config,
    Experiment,
    Guidance,
    Partial,
    Sampling,
    build_partial,
    override,
    parse,
    read_yaml,
    write_yaml,
)
from pushforward.core import (
    Cond,
    Coupling,
    Divergence,
    Field,
    Gen,
    Incompatible,
    InvalidInput,
    Objective,
    Path,
    Solver,
    State,
    generator_from,
    leaves,
    map_state,
    require,
)
from pushforward.data import Arrays, Characters, Dataset, Identity, Standardise, Tokeniser, Transform
from pushforward.data.checks import require_finite
from pushforward.flow.follower import Follower
from pushforward.flow.frame import Frame, as_condition
from pushforward.flow.saved import load_model, read_frame, write_model
from pushforward.solvers import Solution
from pushforward.spaces import Euclidean, Tokens, Torus
from pushforward.training import Training, atomic_write, main_process

__all__ = ["Flow", "resolve"]

Array = Tensor | np.ndarray | Sequence[Any]  # and whatever else numpy reads, data frames among it
Spec = str | File | Mapping[str, Any]


def resolve(recipe: Spec) -> dict[str, Any]:
    """The mapping behind a recipe's name, a YAML file's path, or a mapping.

    Raises: `InvalidInput` for unknown recipes and unreadable files.
    """
    if isinstance(recipe, Mapping):
        return dict(recipe)
    text = str(recipe)
    if isinstance(recipe, File) or text.endswith((".yaml", ".yml")) or "/" in text:
        return read_yaml(File(recipe))
    return recipes.load(text)


class Flow(BaseEstimator):
    r"""A flow from a source to data: learn it, sample it, follow it both ways, ask it for densities.

    .. math:: \dot x = v_\theta(x, t), \qquad x_0 \sim \text{source} \ \mapsto\ x_1 \sim \text{data}

    Every part may be an object, or what a configuration may say of it (`"ExactOT"`,
    `{"type": "EntropicOT", "epsilon": 0.1}`); parts that are not given are the recipe's.

    Args:
        recipe: Name of a recipe, path of a YAML file, or a mapping; None for the defaults of each part.
        coupling: Who travels to whom.
        path: How they travel.
        objective: What is minimised; an object brings its own path.
        net: The network. An `nn.Module` of your own, called `net(x, t, cond)`, is copied before it is trained.
        training: `Training(...)`, or a mapping of its fields, which replace the recipe's one by one.
        sampling: `Sampling(...)`, or a mapping of its fields.
        transform: Data units to model units; None standardises the rows given to `fit`, on flat space, and leaves them
            as they are where the path's space is another.
        tokeniser: Makes symbols of the texts given to `fit`; None takes their `Characters`.
        seed: Of everything random; None takes the recipe's.

    After `fit`: `net_` and `objective_` (averaged weights), `field_` (velocity, model units), `frame_` (shapes and
    units), `history_`.

    Raises: `InvalidInput`, `Incompatible` at construction: unknown names, parts that make no sense together.

    Example:
        >>> flow = Flow(net="MLP", training={"steps": 20, "batch_size": 32}, seed=0)
        >>> flow.fit(torch.randn(100, 2)).sample(5).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        recipe: Spec | None = None,
        *,
        coupling: Coupling | str | Mapping[str, Any] | None = None,
        path: Path | str | Mapping[str, Any] | None = None,
        objective: Objective | str | Mapping[str, Any] | None = None,
        net: nn.Module | str | Mapping[str, Any] | None = None,
        training: Training | Mapping[str, Any] | None = None,
        sampling: Sampling | Mapping[str, Any] | None = None,
        transform: Transform | None = None,
        tokeniser: Tokeniser | None = None,
        seed: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.coupling = coupling
        self.path = path
        self.objective = objective
        self.net = net
        self.training = training
        self.sampling = sampling
        self.transform = transform
        self.tokeniser = tokeniser
        self.seed = seed
        self._configure()

    def _configure(self) -> Config:
        """The configuration of recipe and parts together; refuses what makes no sense."""
        spec = {} if self.recipe is None else resolve(self.recipe)
        objects: dict[str, Any] = {}
        for name in ("coupling", "path", "objective", "net", "training", "sampling", "seed"):
            given = getattr(self, name)
            if isinstance(given, Mapping) and name in ("training", "sampling"):
                spec = override(spec, {f"{name}.{key}": value for key, value in given.items()})
            elif isinstance(given, (str, int, Mapping)):
                spec[name] = given
            elif given is not None:
                objects[name] = given
                spec.pop(name, None)
        if hasattr(objects.get("objective"), "path"):
            objects.setdefault("path", objects["objective"].path)
        if "path" in objects:
            spec["path"] = objects["path"]  # what is built from the mapping may be checked against it
        return replace(parse(spec), **objects)

    @property
    def config(self) -> Config:
        """The resolved configuration."""
        return getattr(self, "config_", None) or self._configure()

    def fit(
        self,
        x1: Array | Dataset | None = None,
        x0: Array | None = None,
        cond: Array | None = None,
        *,
        steps: int | None = None,
        folder: File | str | None = None,
        resume: bool = False,
        progress: bool = False,
        on_sample: Callable[["Flow", int], object] | None = None,
    ) -> "Flow":
        """Learn the flow.

        Args:
            x1: Rows `[N, *E]`, or a `Dataset`; None learns from the recipe's own data. On tokens, rows of whole numbers
                or a list of texts.
            x0: Source rows `[M, *E]`, in the same units; None starts from standard normal noise.
            cond: Labels `[N]` (integers from 0) or vectors `[N, F]` of the rows of `x1`.
            steps: Training steps, instead of the configuration's.
            folder: Run folder for checkpoints, metrics and the model; None writes nothing.
            resume: Continue the run in `folder`.
            progress: Show a progress bar.
            on_sample: Called with the flow as it is and the step, every `training.sample_every` steps.

        Raises: `InvalidInput` for rows that are not finite, shapes that do not fit together, and a folder that holds
            another run; `Incompatible` for guidance without conditions, and `Paired` over rows that are no pairs.
        """
        place = None if folder is None else File(folder)
        require(
            place is None or resume or not (place / "model.safetensors").exists(),
            f"{place} holds a finished run; choose another folder, or resume that one",
        )
        config = self._configure()
        if steps is not None:
            config = replace(config, training=replace(config.training, steps=_whole(steps, "steps")))
        if x1 is None:
            require(x0 is None and cond is None, "x0 and cond go with rows x1; give x1 too")
            experiment = Experiment.of(config)
        else:
            data = x1 if isinstance(x1, Dataset) else self._dataset(x1, x0, cond)
            if config.net is None:
                config = replace(config, net=_default_net(config.path.space, data))
            experiment = Experiment(replace(config, data=None), data)
        frame = Frame.of(experiment.dataset)

        def write_config() -> None:
            if place is not None:
                atomic_write(place / "config.yaml", write_yaml(_written(experiment.config)).encode())

        def show(net: nn.Module, step: int) -> None:
            assert on_sample is not None
            flow = copy.copy(self)._adopt(experiment.config, frame, net, objective)
            flow.dataset_ = experiment.dataset
            on_sample(flow, step)

        objective = experiment.objective()
        # modules are the user's own, or new: what is trained is a copy
        objective = copy.deepcopy(objective) if isinstance(objective, nn.Module) else objective
        trained = experiment.train(
            copy.deepcopy(experiment.net()),
            objective,
            folder=place,
            resume=resume,
            progress=progress,
            on_start=write_config,
            on_sample=None if on_sample is None else show,
        )
        self._adopt(experiment.config, frame, trained.net, objective)
        self.dataset_, self.history_ = experiment.dataset, trained.history
        if place is not None and main_process():
            self.save(place)
        return self

    def _dataset(self, x1: Array, x0: Array | None, cond: Array | None) -> Dataset:
        space = self._configure().path.space
        if isinstance(space, Tokens):
            return self._texts(x1, x0, cond)
        require(
            not is_text(x1),
            f"x1 are texts, and states move on {space}; use path: {{type: Mixture, space: {{type: Tokens, mask: "
            "true}} and objective: DiscreteFlowMatching",
        )
        rows = Arrays(_floating(x1, "x1"), None if cond is None else as_condition(cond))
        source = None if x0 is None else Arrays(_floating(x0, "x0"))
        flat = isinstance(space, Euclidean)
        transform = self.transform or (Standardise.fit(_tensor(rows.x)) if flat else Identity())
        for part in (rows, source) if isinstance(transform, Identity) else ():
            require_on(space, None if part is None else _tensor(part.x))
        return Dataset(rows, None, source, transform, classes=_classes(rows))

    def _texts(self, x1: Array, x0: Array | None, cond: Array | None) -> Dataset:
        """Rows of symbols, or of texts and the tokeniser that reads them."""
        config, tokeniser = self._configure(), self.tokeniser
        require(self.transform is None, "symbols have no units; leave transform out, and give a tokeniser for texts")
        if tokeniser is None and is_text(x1):
            lengths = {len(text) for text in x1}
            tokeniser = Characters(padded=len(lengths) > 1).fitted(cast(Sequence[str], x1))
        rows = Arrays(as_symbols(x1, tokeniser, "x1"), None if cond is None else as_condition(cond))
        source = None if x0 is None else Arrays(as_symbols(x0, tokeniser, "x0"))
        space = cast(Tokens, config.path.space)
        if tokeniser is not None:
            space = replace(space, vocab=tokeniser.vocab)
        elif config.symbols_of_data:
            top = max(int(_tensor(part.x).max()) for part in (rows, source) if part is not None)
            space = replace(space, vocab=max(top + 1, 2))
        require_on(replace(space, mask=False), _tensor(rows.x))  # a mask is no symbol of data
        require_on(space, None if source is None else _tensor(source.x))
        return Dataset(rows, None, source, classes=_classes(rows), vocab=space.vocab, tokeniser=tokeniser)

    def _adopt(self, config: Config, frame: Frame, net: nn.Module, objective: Any) -> "Flow":
        self.config_, self.frame_, self.net_ = config, frame, net.eval()
        self.objective_: Any = objective
        if isinstance(objective, nn.Module):
            objective.eval()
        self.field_: Field = self.objective_.field(self.net_)
        return self

    @property
    def _follow(self) -> Follower:
        source = self._fitted().source
        return Follower(self.field_, self.config_, self.objective_, self.net_, noise=not source)

    @property
    def _symbols(self) -> bool:
        """Whether states are symbols."""
        return isinstance(self.config_.path.space, Tokens)

    def _fitted(self) -> Frame:
        require(hasattr(self, "frame_"), "this flow has learned nothing yet; call fit, or Flow.load a run")
        return self.frame_

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.net_.parameters()).device

    def to(self, device: torch.device | str) -> "Flow":
        """Move the network and the transform to a device.

        Raises: `InvalidInput` when this machine has no such device.
        """
        frame = self._fitted()
        try:
            self.net_.to(device)
            if isinstance(self.objective_, nn.Module):
                self.objective_.to(device)
        except (AssertionError, RuntimeError):  # how torch says that it was built without, or never heard of it
            advice = "use cpu, or see `pushforward doctor`"
            raise InvalidInput(f"this machine has no device {str(device)!r}; {advice}") from None
        if isinstance(frame.transform, nn.Module):
            frame.transform.to(device)
        return self

    def _generator(self, generator: Any, stream: str) -> torch.Generator:
        """The generator that was given, or one of the seed's."""
        require(
            generator is None or isinstance(generator, torch.Generator),
            f"generator: got {generator!r}, expected a torch.Generator, e.g. torch.Generator().manual_seed(0), or None",
        )
        return generator or generator_from(self.config_.seed, stream, device=self.device)

    def condition(self, cond: Any, n: int) -> Cond:
        """`cond` for `n` rows, checked, on the network's device; see `sample`."""
        optional = getattr(self.objective_, "cond_drop", 0.0) > 0
        found = self._fitted().condition(cond, n, optional)
        return map_state(lambda c: c.to(self.device), found)

    def source(self, n: int, *, generator: Gen = None) -> Tensor:
        """`n` source rows in model units: noise, or rows of the source that was learned from."""
        frame = self._fitted()
        like = torch.empty(n, *frame.model_shape, dtype=next(self.net_.parameters()).dtype, device=self.device)
        if not frame.source:
            noise = self.config_.path.space.noise(like, generator=generator)
            assert isinstance(noise, Tensor)
            return noise
        seed = int(torch.randint(2**31, (1,), generator=generator, device=getattr(generator, "device", None)))
        source = self.dataset().source
        assert source is not None
        rows = _tensor(source.batch(0, n, seed=seed)[0])
        rows = rows.to(self.device) if self._symbols else rows.to(like)
        return frame.transform.forward(rows, generator=generator)

    def dataset(self) -> Dataset:
        """What was learned from; a loaded flow loads it again.

        Raises: `InvalidInput` for a flow that was fitted to arrays and loaded, since those were not saved with it.
        """
        self._fitted()
        if not hasattr(self, "dataset_"):
            require(
                self.config_.data is not None,
                "this flow was fitted to arrays, which were not saved with it; to sample from a source of rows use "
                "transport(x0), to evaluate give the data",
            )
            self.dataset_ = Experiment.of(self.config_).dataset
        return self.dataset_

    @torch.no_grad()
    def sample(
        self,
        n: int = 1,
        cond: Any = None,
        *,
        steps: int | None = None,
        solver: Solver | str | None = None,
        guidance: Guidance = None,
        generator: Gen = None,
    ) -> Tensor:
        """Draw `n` rows `[n, *E]`, in data units.

        Args:
            n: Number of rows, >= 1.
            cond: One label for all, `n` labels, or `[n, F]` vectors; None takes all classes in turn, or no condition.
            steps: Steps from source to data; None takes the configuration's.
            solver: Follows the field, an object or its name; None takes the configuration's.
            guidance: A scale of classifier-free guidance, what a configuration may say of a guidance, or a function
                from field to field; None takes the configuration's.
            generator: Randomness; None derives it from the seed, so that two calls give the same rows.
        """
        frame = self._fitted()
        path = self.trajectory(n, cond, steps=steps, solver=solver, guidance=guidance, generator=generator, save=False)
        return frame.transform.inverse(path.x)  # pyright: ignore[reportArgumentType]

    @torch.no_grad()
    def trajectory(
        self,
        n: int = 1,
        cond: Any = None,
        *,
        steps: int | None = None,
        solver: Solver | str | None = None,
        guidance: Guidance = None,
        generator: Gen = None,
        save: bool = True,
    ) -> Solution:
        """Like `sample`, with all states on the way, in model units: `xs` `[steps + 1, n, *E]`.

        One more, the last jump, where the head's velocity is singular at t = 1 (`Endpoint`, `Score`, `FlowAndScore`).
        """
        self._fitted()
        n = _whole(n, "n")
        generator = self._generator(generator, "sample")
        found = self.condition(cond, n)
        x0 = self.source(n, generator=generator)
        guidance = self.config_.sampling.guidance if guidance is None else guidance
        steps = _steps(steps)
        return self._follow(x0, found, steps=steps, solver=solver, guidance=guidance, generator=generator, save=save)

    @torch.no_grad()
    def transport(
        self,
        x0: Array,
        cond: Any = None,
        *,
        reverse: bool = False,
        steps: int | None = None,
        solver: Solver | str | None = None,
        guidance: Guidance = None,
    ) -> Tensor:
        """Carry given rows along the flow.

        Args:
            x0: Rows `[N, *E]` of the source: data units where the source is data, standard normal noise otherwise.
                With `reverse`, rows of the data.
            cond: As in `sample`.
            reverse: From the data back to the source.
            steps: As in `sample`.
            solver: As in `sample`.
            guidance: None is no guidance here: a guided flow is no inverse of itself.

        Returns: Rows `[N, *E]` at the other end, in its units.
        """
        frame = self._fitted()
        require(
            not (reverse and self._symbols),
            "symbols jump at random, and jumps have no way back; use sample, or transport from source to data",
            Incompatible,
        )
        units, inward, outward = frame.transform, reverse or frame.source, not reverse or frame.source
        rows = self._rows(x0, frame.shape if inward else frame.model_shape)
        found = self.condition(cond, len(rows))
        x = units.forward(rows) if inward else rows
        steps = _steps(steps)
        generator = self._generator(None, "transport") if self._symbols else None
        x = self._follow(
            x, found, steps=steps, solver=solver, guidance=guidance, generator=generator, reverse=reverse
        ).x
        return units.inverse(x) if outward else x  # pyright: ignore[reportArgumentType, reportReturnType]

    def _rows(self, x: Array, expected: tuple[int, ...]) -> Tensor:
        if self._symbols:
            rows = as_symbols(x, self._fitted().tokeniser, "x", expected[0]).to(self.device)
            require_on(self.config_.path.space, rows)
        else:
            rows = _floating(x, "x").to(self.device, next(self.net_.parameters()).dtype)
        shape = list(rows.shape[1:])
        require(shape == list(expected), f"rows have shape {shape}, expected {list(expected)} as in training")
        require(bool(torch.isfinite(rows).all()), "rows have entries that are not finite; drop or fill them")
        return rows

    @torch.no_grad()
    def log_prob(
        self,
        x: Array,
        cond: Any = None,
        *,
        steps: int | None = None,
        solver: Solver | str | None = None,
        divergence: Divergence | str = "exact",
        generator: Gen = None,
    ) -> Tensor:
        """Log-density `[N]` of rows in data units, in nats.

        Args:
            x: Rows `[N, *E]`.
            cond: As in `sample`.
            steps: As in `sample`.
            solver: As in `sample`.
            divergence: "exact" (d evaluations a step), "hutchinson" (one, unbiased) or a part, as `HutchPlusPlus()`.
            generator: For random probes and dequantisation noise.

        Raises: `InvalidInput` when the source is data, whose density nobody knows; `Incompatible` for symbols, whose
            log-probability is bounded by `elbo`.
        """
        frame = self._fitted()
        require(
            not self._symbols,
            "the log-probability of symbols is not known, only a bound of it; use elbo(x), or score(x)",
            Incompatible,
        )
        require(
            not frame.source, "this flow starts from data, whose density is unknown; log_prob needs a flow from noise"
        )
        rows = self._rows(x, frame.shape)
        generator = self._generator(generator, "log_prob")
        state = generator.get_state()
        y = frame.transform.forward(rows, generator=generator)
        volume = frame.transform.log_det(rows, generator=generator.set_state(state))
        found = self.condition(cond, len(rows))
        density = self._follow.log_prob(
            y, found, steps=_steps(steps), solver=solver, divergence=divergence, generator=generator
        )
        return density + volume

    def elbo(self, x: Array, cond: Any = None, *, strata: int = 16, generator: Gen = None) -> Tensor:
        """A lower bound `[N]` of the log-probability of rows of symbols, in nats a row; an unbiased estimate of it.

        Args:
            x: Rows `[N, *E]` of symbols, or texts.
            cond: As in `sample`.
            strata: Evaluations a row, >= 1. A mean over many rows needs few.
            generator: Randomness; None derives it from the seed.

        Raises: `Incompatible` for flows of numbers, which have `log_prob`; `InvalidInput` when the source is data.
        """
        frame = self._fitted()
        require(self._symbols, "elbo bounds the probability of symbols, and this flow is of numbers; use log_prob(x)")
        require(not frame.source, "this flow starts from data, whose probability is unknown; elbo needs one from noise")
        rows = self._rows(x, frame.shape)
        generator = self._generator(generator, "elbo")
        return self._follow.elbo(rows, self.condition(cond, len(rows)), strata=strata, generator=generator)

    def decode(self, x: Array) -> list[str]:
        """The texts of rows of symbols `[N, L]`.

        Raises: `InvalidInput` where no tokeniser is known: the flow was fitted to numbers.
        """
        tokeniser = self._fitted().tokeniser
        require(
            tokeniser is not None,
            "this flow was fitted to numbers, and knows no texts; fit it to texts, or to a Dataset with a tokeniser",
        )
        assert tokeniser is not None
        return tokeniser.decode(as_symbols(x, tokeniser, "x").cpu())

    def score(self, x: Array, cond: Any = None) -> float:
        """Mean log-density of rows, or bound of it of symbols, in nats: larger is better, as in scikit-learn."""
        return float((self.elbo(x, cond) if self._symbols else self.log_prob(x, cond)).mean())

    def save(self, folder: File | str) -> None:
        """Write `config.yaml` and `model.safetensors`, all that sampling needs.

        Raises: `InvalidInput` when a part is not in the register and so cannot be written, or the disk refuses.
        """
        frame, place = self._fitted(), File(folder)
        atomic_write(place / "config.yaml", write_yaml(_written(self.config_)).encode())
        write_model(place / "model.safetensors", self.net_, self.objective_, frame)

    @classmethod
    def load(cls, folder: File | str) -> "Flow":
        """The flow of a run folder. What another version wrote under `training` is passed over, with a warning.

        Raises: `InvalidInput` when the folder is no run, or its files are damaged.
        """
        place = File(folder)
        require(place.is_dir(), f"{place} is no run folder; train one with `pushforward train RECIPE --out {place}`")
        require((place / "config.yaml").is_file(), f"{place} has no config.yaml; give a folder that `train` wrote")
        flow = cls(_known(read_yaml(place / "config.yaml"), place))
        frame = read_frame(place / "model.safetensors")
        config = flow._configure()
        if not isinstance(config.net, Partial):
            raise InvalidInput(f"{place / 'config.yaml'} names no net; restore the file that train wrote")
        net = config.net_for(frame.model_shape, frame.classes, frame.features)
        objective = config.objective_for(frame.model_shape, frame.classes, frame.features)
        load_model(place / "model.safetensors", net, objective, frame)
        flow._adopt(config, frame, net, objective)
        return flow


def _classes(rows: Arrays) -> int | None:
    """How many labels there are; None where conditions are none."""
    for leaf in [] if rows.cond is None else leaves(rows.cond):
        require_finite(leaf, "cond")
    if not isinstance(rows.cond, Tensor) or rows.cond.is_floating_point():
        return None
    require(bool((rows.cond >= 0).all()), "labels in cond count from 0; got a negative one")
    classes = int(rows.cond.max()) + 1
    require(
        classes <= len(rows),
        f"cond holds labels up to {classes - 1} for {len(rows)} rows, expected 0, 1, ... fewer than rows; "
        "renumber them, or give them as floats [N, 1] to condition on their value",
    )
    return classes


def is_text(x: Any) -> bool:
    """Whether `x` is a list of texts."""
    return not isinstance(x, (Tensor, np.ndarray)) and len(x) > 0 and all(isinstance(text, str) for text in x)


def as_symbols(x: Any, tokeniser: Tokeniser | None, name: str, length: int | None = None) -> Tensor:
    """Rows of symbols `[N, *E]`: whole numbers as they are, texts by the tokeniser."""
    if is_text(x):
        require(tokeniser is not None, f"{name} are texts, and no tokeniser is known; give Flow(tokeniser=...)")
        assert tokeniser is not None
        return tokeniser.encode(x, length)
    try:
        rows = x if isinstance(x, Tensor) else torch.as_tensor(np.asarray(x))
    except (TypeError, ValueError, RuntimeError):
        raise InvalidInput(f"{name} is {type(x).__name__}, expected rows of whole numbers [N, *E], or texts") from None
    require(
        not rows.is_floating_point() and not rows.is_complex() and rows.ndim >= 2,
        f"{name} has shape {list(rows.shape)} and dtype {rows.dtype}, expected whole numbers [N, *E], the numbers of "
        "symbols; give .astype(int), or texts",
    )
    return rows.long()


def _tensor(x: State) -> Tensor:
    """States of a flow are tensors."""
    assert isinstance(x, Tensor)
    return x


def require_on(space: Any, rows: Tensor | None) -> None:
    """Raise `InvalidInput` unless rows lie on a space; those of a torus may be wrapped in any way."""
    if rows is not None and isinstance(space, Tokens):
        for row, *place in ((rows < 0) | (rows >= space.size)).nonzero()[:1].tolist():
            where = ", ".join(map(str, place))
            raise InvalidInput(
                f"rows hold symbol {int(rows[(row, *place)])} at row {row}, index {where} (counted from 0), "
                f"expected 0 to {space.size - 1}; renumber them, or set path.space.vocab"
            )
        return
    if rows is None or not hasattr(space, "project") or isinstance(space, Torus):
        return
    off = float((space.project(rows) - rows).abs().max())
    require(
        off <= 1e-3 * max(1.0, float(rows.abs().max())),
        f"rows are off {space} by up to {off:.3g}; bring them there, as {type(space).__name__}().project(rows) does, "
        "or give a transform",
    )


def _steps(value: Any) -> int | None:
    return None if value is None else _whole(value, "steps")


def _whole(value: Any, name: str) -> int:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    require(whole and int(value) >= 1, f"{name}: got {value!r}, expected at least 1, a whole number")
    return int(value)


def _written(config: Config) -> dict[str, Any]:
    """As `config.yaml` holds it: data are found from every folder."""
    found = {**config.resolved(), "version": __version__}
    if found["data"] is not None and "path" in found["data"]:
        place = File(found["data"]["path"]).expanduser().absolute()
        found["data"]["path"] = str(place) if place.exists() else found["data"]["path"]  # or below PUSHFORWARD_DATA
    return found


def _known(spec: dict[str, Any], place: File) -> dict[str, Any]:
    """`spec` without the settings of training that this version does not know: what is trained needs none."""
    training = spec.get("training")
    if not isinstance(training, Mapping):
        return spec
    known = {key: value for key, value in training.items() if key in Training.__dataclass_fields__}
    dropped = [f"training.{key}" for key in training if key not in known]
    if dropped:
        warnings.warn(f"{place} was trained by another version; passed over {', '.join(dropped)}", stacklevel=3)
    return {**spec, "training": known}


def _default_net(space: Any, data: Dataset) -> Partial:
    """Symbols get a transformer, images a U-Net, everything else a residual MLP."""
    image = isinstance(data.shape, tuple) and len(data.shape) == 3
    name = "TokenTransformer" if isinstance(space, Tokens) else "UNet" if image else "ResidualMLP"
    return build_partial(name, nn.Module, "net", LATE_NET)


def _floating(x: Array, name: str) -> Tensor:
    try:
        rows = x if isinstance(x, Tensor) else torch.as_tensor(np.asarray(x))
    except (TypeError, ValueError, RuntimeError):
        raise InvalidInput(f"{name} is {type(x).__name__}, expected rows of numbers [N, *E]") from None
    require(rows.ndim >= 2, f"{name} has shape {list(rows.shape)}, expected [N, *E]; for one coordinate use [N, 1]")
    return rows if rows.dtype == torch.float32 else rows.to(torch.get_default_dtype())
