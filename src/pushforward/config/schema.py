"""A whole run as one mapping: what is written in YAML, with every default in one place."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path as File
from typing import Any, cast

import torch
import yaml
from torch import Tensor, nn

from pushforward.config.build import Partial, build, build_partial, describe
from pushforward.config.register import parts_of
from pushforward.core import (
    AffinePath,
    Cond,
    Coupling,
    Field,
    Incompatible,
    InvalidInput,
    Objective,
    Path,
    ScoreHead,
    Solver,
    State,
    generator_from,
    nearest,
    require,
    span_of,
)
from pushforward.couplings import Barycentric, Independent, LearnedCoupling, Paired
from pushforward.data import Dataset, Loader
from pushforward.fields import FlowSDE, Logits
from pushforward.objectives import FlowMatching
from pushforward.paths import Affine
from pushforward.solvers import ExactJump, Heun, Jump, Stochastic, draws_noise
from pushforward.solvers.grids import Grid, Uniform
from pushforward.spaces import Euclidean, Simplex, Tokens, is_curved
from pushforward.training import Training
from pushforward.transport import Hamming

__all__ = [
    "LATE_NET",
    "Config",
    "Evaluation",
    "Sampling",
    "checked_guidance",
    "named_solver",
    "override",
    "parse",
    "read_yaml",
    "write_yaml",
]


LATE_OBJECTIVE = ("path", "shape", "classes", "features")
LATE_NET = ("shape", "classes", "features", "outputs", "times", "vocab", "mask")
LATE_GUIDANCE = ("field",)
LATE_SOLVER = ("path",)


def _still(x: State, t: Tensor, cond: Cond = None) -> State:
    """A field to ask what can be built around one."""
    return x


@dataclass(frozen=True)
class Sampling:
    """How a run is sampled unless told otherwise.

    Args:
        solver: Follows the field; None for the usual one, `Heun`, or `ExactJump` on tokens. One that steps in the
            coefficients of a path, such as `{type: UniPC, order: 3}`, gets that of the run.
        grid: Where the steps begin and end, e.g. `LogSNR`; adaptive solvers choose for themselves.
        steps: Steps from source to data, >= 1; adaptive solvers choose their own and use this for outputs only.
        guidance: None for none, a number w for classifier-free guidance with that scale, or a part of the guidance room
            without its `field`, e.g. `{type: CFGZeroStar, scale: 2.0}`.
        eps: Noise of stochastic solvers, >= 0, in units of the path's own: eps(t) = eps sigma_t^2, so that it ends
            where the score may diverge; with latent noise eps gamma_t^2, but eps scale^2 / 2 for a `Brownian` one,
            where eps = 1 is the diffusion that the noise is a bridge of. Others do not read it.

    Raises: `InvalidInput` for no steps, and for a guidance that no field could be given to.
    """

    solver: Solver | Partial | None = None
    steps: int = 50
    guidance: float | Partial | None = None
    eps: float = 1.0
    grid: Grid = field(default_factory=Uniform)

    def __post_init__(self) -> None:
        if self.solver is not None:
            object.__setattr__(self, "solver", named_solver(self.solver, "sampling.solver"))
        require(self.steps >= 1, f"sampling.steps: got {self.steps}, expected at least 1")
        require(0 <= self.eps < math.inf, f"sampling.eps: got {self.eps}, expected a finite number >= 0")
        object.__setattr__(self, "guidance", checked_guidance(self.guidance, "sampling.guidance"))


@dataclass(frozen=True)
class Evaluation:
    """What is measured on held-out data.

    Args:
        samples: Number of generated rows, >= 6; the same number from every class where there are classes.
        exact: Rows of the exact Wasserstein distance, whose cost grows like the cube.
        seed: Seed of the draws.
    """

    samples: int = 1000
    exact: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.samples >= 6, f"evaluation.samples: got {self.samples}, expected at least 6")
        require(self.exact >= 2, f"evaluation.exact: got {self.exact}, expected at least 2")


@dataclass(frozen=True)
class Config:
    """A run: what to learn from, which parts, how long, and how to sample and judge it.

    `objective` waits for the path, `net` for the shapes of the data and for what the head asks of it, and `data` until
    someone wants to load it; what is written of them is checked at once. An object in place of a `Partial` is taken as
    it is. With `symbols_of_data` the number of symbols in `path` only stands for one that `on` fills in.

    Raises: `Incompatible` for an objective that makes no sense on the path, or was built on another one, for a head
        that tells no velocity there, and for a stochastic solver where no score is known; `InvalidInput` for a grid
        that was placed over other times than the head's.
    """

    data: Partial | Loader | None = None
    coupling: Coupling = field(default_factory=Independent)
    path: Path = field(default_factory=Affine)
    objective: Partial | Objective = field(default_factory=lambda: Partial(FlowMatching, late=("path",)))
    net: Partial | nn.Module | None = None
    training: Training = field(default_factory=Training)
    sampling: Sampling = field(default_factory=Sampling)
    evaluation: Evaluation = field(default_factory=Evaluation)
    seed: int = 0
    recipe: str | None = None
    symbols_of_data: bool = False

    def __post_init__(self) -> None:
        whole = isinstance(self.seed, Integral) and not isinstance(self.seed, bool)
        require(
            whole and -(2**63) <= int(self.seed) < 2**63,
            f"seed: got {self.seed!r}, expected a whole number of at most 18 digits",
        )
        object.__setattr__(self, "seed", int(self.seed))  # numpy's whole numbers cannot be written
        require(not isinstance(self.coupling, nn.Module), _learned(type(self.coupling).__name__), Incompatible)
        own = getattr(self.bound, "path", self.path)
        require(
            own == self.path,
            f"the objective was built on {own}, but path is {self.path}; give one of the two",
            Incompatible,
        )

        head = self._head
        require(
            head is None or not hasattr(head, "moves") or head.moves(self.path),
            f"{type(head).__name__} alone does not tell a velocity on {self.path}, so nothing could be sampled; use "
            "head: FlowAndScore",
            Incompatible,
        )
        learned = getattr(self._objective, "learns_path", False)
        require(
            not learned or self.path == Affine(),
            f"{self._objective.__name__} learns a path of its own, but path is {self.path}; leave path out",
            Incompatible,
        )
        self._check_symbols()
        self._check_sampling(learned)

    def _check_symbols(self) -> None:
        """Refuse what takes symbols for numbers, or numbers for symbols."""
        space, net = getattr(self.path, "space", None), self.net
        reads = not isinstance(net, Partial) or "vocab" in net.late
        if not isinstance(space, Tokens):
            require(
                not (isinstance(net, Partial) and reads) or isinstance(space, Simplex),
                f"{net.part.__name__ if isinstance(net, Partial) else net} reads symbols, and states move on {space}; "
                "use path: {type: Mixture, space: {type: Tokens, mask: true}}, or a net such as ResidualMLP",
                Incompatible,
            )
            return
        require(
            reads,
            f"{net.part.__name__ if isinstance(net, Partial) else net} reads numbers, and states are symbols of "
            f"{space}; use net: TokenTransformer or TokenCNN",
            Incompatible,
        )
        said = "" if self._head is None else f" with {type(self._head).__name__}"
        require(
            isinstance(self._head, Logits),
            f"{self._objective.__name__}{said} tells no way from noise to symbols; use objective: "
            "DiscreteFlowMatching, or head: Logits",
            Incompatible,
        )
        name, cost = type(self.coupling).__name__, getattr(self.coupling, "cost", None)
        require(
            isinstance(self.coupling, (Independent, Paired)) or not space.mask,
            f"all noise is mask, of which {name} can choose none; leave coupling to Independent",
            Incompatible,
        )
        symbolic = isinstance(cost, Hamming) and not isinstance(self.coupling, Barycentric)
        with_cost = "" if cost is None or isinstance(cost, Hamming) else f" with cost {type(cost).__name__}"
        require(
            isinstance(self.coupling, (Independent, Paired)) or symbolic,
            f"{name}{with_cost} computes with numbers, and states are symbols; use coupling: Independent, or {{type: "
            "ExactOT, cost: Hamming}",
            Incompatible,
        )
        guidance = self.sampling.guidance
        require(
            not isinstance(guidance, Partial) or hasattr(guidance.part, "law"),
            f"{getattr(guidance, 'part', type(guidance)).__name__} steers velocities, and symbols have none; set "
            "guidance to a number, whose logarithms of probabilities are steered",
            Incompatible,
        )

    @property
    def usual(self) -> Solver | Partial:
        """The solver that is named, or the usual one of the space."""
        given = self.sampling.solver
        if given is not None:
            return given
        symbols = isinstance(getattr(self.path, "space", None), Tokens)
        return Partial(ExactJump, {}, LATE_SOLVER, "sampling.solver") if symbols else Heun()

    def on(self, data: Dataset) -> "Config":
        """With the number of symbols that the data have, where it was left to them.

        Raises: `InvalidInput` where the data have more symbols than the space, or do not say how many; `Incompatible`
            where one of both is of symbols, and the other of numbers.
        """
        space, x = getattr(self.path, "space", None), data.train.take(1)[0]
        symbols = isinstance(x, Tensor) and not x.is_floating_point() and x.dtype != torch.uint8
        require(
            isinstance(space, Tokens) or data.vocab is None,
            f"the data are symbols 0 to {(data.vocab or 1) - 1}, and states move on {space}; use path: {{type: "
            "Mixture, space: {type: Tokens, mask: true}} and objective: DiscreteFlowMatching",
            Incompatible,
        )
        if not isinstance(space, Tokens):
            return self
        require(
            symbols,
            f"the data are no whole numbers, and states are symbols of {space}; give int64 rows, or texts and a "
            "tokeniser",
            Incompatible,
        )
        require(
            data.vocab is not None or not self.symbols_of_data,
            "path.space.vocab is not set, and the data do not say how many symbols there are; add --set "
            "path.space.vocab=VALUE",
        )
        vocab = data.vocab if self.symbols_of_data and data.vocab is not None else space.vocab
        require(
            (data.vocab or 0) <= vocab,
            f"the data have {data.vocab} symbols, and {space} has room for {space.vocab}; leave path.space.vocab out, "
            f"or set it to {data.vocab}",
        )
        path = replace(cast(Any, self.path), space=replace(space, vocab=vocab))
        return self if path == self.path else replace(self, path=path, symbols_of_data=False)

    def _check_sampling(self, learned: bool) -> None:
        solver = self.followed_by(self.usual)
        if self.sampling.solver is None:
            object.__setattr__(self, "sampling", replace(self.sampling, solver=self.usual))
        elif hasattr(solver, "path"):
            object.__setattr__(self, "sampling", replace(self.sampling, solver=_pathless(solver)))
        if isinstance(solver, Stochastic) and not learned:  # which brings its own noise
            self._check_noised(solver)
            require(
                self.sampling.guidance is None or not self.tells_score,
                f"{type(solver).__name__} needs the score, and guidance steers the velocity alone here; set guidance "
                "to null, or use a solver of flows such as Heun",
                Incompatible,
            )
        if isinstance(solver, Jump):
            self.check_jumps(solver, self.sampling.guidance)
        grid, bound = self.sampling.grid, self.bound
        # a grid that was placed must span what will be followed, where that is known before there is a network
        span = bound.head.span(self.path) if isinstance(bound, FlowMatching) else span_of(grid)
        grid(self.sampling.steps, span=span, path=self.path)

    def check_jumps(self, solver: Jump, guidance: Any) -> None:
        """Raise `Incompatible` where there is no flow map to follow, or something should steer it."""
        require(
            hasattr(self._objective, "flow_map"),
            f"Jump follows a learned flow map, and {self._objective.__name__} learns a velocity; use objective: "
            "MeanFlow, or a solver of flows such as Heun",
            Incompatible,
        )
        require(
            guidance is None,
            "Jump follows the learned flow map, which nothing steers afterwards; learn the guidance with "
            "objective.velocity: Guided, or use a solver of flows such as Heun",
            Incompatible,
        )

    @property
    def jumps(self) -> bool:
        """Whether samples are made by the flow map."""
        solver = self.usual
        return (solver.part if isinstance(solver, Partial) else type(solver)) is Jump

    def followed_by(self, solver: Solver | Partial | str) -> Solver:
        """A solver on the space of this path, and on the path itself if it steps in a path's coefficients.

        Raises: `Incompatible` for one that was built on another path or moves on another space, and for one that churns
            noise where noise and data are not independent.
        """
        found = named_solver(solver, "solver")
        found = found(path=self.path) if isinstance(found, Partial) else found
        own = getattr(found, "path", self.path)
        require(
            own == self.path,
            f"{type(found).__name__} was built on {own}, but path is {self.path}; give one of the two",
            Incompatible,
        )
        found = self._moving(found)
        if draws_noise(found) and not isinstance(found, Stochastic):
            self._require_independent(type(found).__name__)
        return found

    def _moving(self, solver: Solver) -> Solver:
        """The solver, moving on the space of the path where it was told no other than the usual one."""
        space, given = getattr(self.path, "space", None), getattr(solver, "space", None)
        if given is None and isinstance(space, Tokens):  # steps of tokens move by the law of their path
            given = getattr(getattr(solver, "path", None), "space", None)
        if space is None or isinstance(space, Euclidean):
            return solver
        require(
            given == space or isinstance(given, Euclidean),
            f"states move on {space}, and {type(solver).__name__} "
            + ("knows flat space only; use Euler" if given is None else f"on {given}; give both the same space"),
            Incompatible,
        )
        return solver if given == space else replace(cast(Any, solver), space=space)

    def noised(self, field: Field, solver: Stochastic) -> Field:
        """`field` with the noise of `sampling.eps`, for a solver that draws; one that has its own stays as it is.

        Raises: `Incompatible` where no score is known: the head does not tell it, and the velocity does not either
            (noise that is tied to the data, paths that are not affine or have latent noise); and for guided fields
            whose head tells it.
        """
        if hasattr(field, "diffusion"):
            return field
        self._check_noised(solver)
        path: Any = self.path
        if not self.tells_score:
            return FlowSDE(field, lambda t: self.sampling.eps * path.coeffs(t).sigma.square(), path)
        require(
            hasattr(field, "score"),
            f"{type(solver).__name__} needs the score, and {type(field).__name__} guides the velocity alone; use no "
            "guidance, or a solver of flows such as Heun",
            Incompatible,
        )
        level = getattr(path.latent, "level", lambda t: path.latent(t)[0].square())
        return FlowSDE(field, lambda t: self.sampling.eps * level(t))

    def _check_noised(self, solver: Stochastic) -> None:
        if self.tells_score:
            return
        name, path = type(solver).__name__, self.path
        self._require_independent(name)
        if not isinstance(path, AffinePath):
            raise Incompatible(f"{name} needs an affine path, got {type(path).__name__}; use a solver such as Heun")
        FlowSDE(_still, 0.0, path)

    def _require_independent(self, name: str) -> None:
        """Raise `Incompatible` where noise is tied to the data, for a solver that draws more of it."""
        if self.tied is not None:
            learned = isinstance(self.coupling, Independent)  # then the objective ties them, and has no such choice
            advice = "" if learned else "coupling: Independent, latent noise and head: FlowAndScore, or "
            raise Incompatible(
                f"{name} needs the score, which the velocity tells only where noise and data are independent, not "
                f"under {self.tied.__name__}; use {advice}a solver of flows such as Heun"
            )

    @property
    def tied(self) -> type | None:
        """What ties the noise to the data, so that a velocity tells no score; None where they are independent."""
        if not isinstance(self.coupling, Independent):
            return type(self.coupling)
        return self._objective if getattr(self._objective, "ties_noise", False) else None

    @property
    def tells_score(self) -> bool:
        """Whether the trained field has a score, for any source and coupling."""
        return isinstance(self._head, ScoreHead)

    @property
    def _objective(self) -> type:
        return self.bound.part if isinstance(self.bound, Partial) else type(self.bound)

    @property
    def _head(self) -> Any:
        """What the network says; None for an objective that has no head of its own."""
        bound = self.bound
        return getattr(bound, "head", None) if not isinstance(bound, Partial) else None

    @cached_property
    def bound(self) -> Any:
        """The objective on the configuration's path; still a `Partial` when it waits for the data's shapes, too."""
        return self.objective(path=self.path) if isinstance(self.objective, Partial) else self.objective

    def objective_for(self, shape: Any, classes: int | None = None, features: int | None = None) -> Objective:
        """The objective for data of these shapes; weights of its own are new and depend on the seed alone."""
        if not isinstance(self.bound, Partial):
            return self.bound
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator_from(self.seed, "objective weights").initial_seed())
            return self.bound(shape=shape, classes=classes, features=features)

    def _told(self, shape: Any) -> Any:
        """The shape of what the network is told of a state: a curved space may have features of its own."""
        space: Any = self.path.space
        if not is_curved(space) or not hasattr(space, "features"):
            return shape
        one = space.noise(torch.empty(1, *shape), generator=torch.Generator())
        return tuple(space.features(one).shape[1:])

    def net_for(self, shape: Any, classes: int | None = None, features: int | None = None) -> nn.Module:
        """The network for data of these shapes and for what the head asks of it; weights as torch's generator has them.

        Raises: `InvalidInput` when none is named, `Incompatible` when it cannot answer with as many quantities.
        """
        if isinstance(self.net, nn.Module):
            return self.net
        shape = self._told(shape)
        require(self.net is not None, "the configuration names no net; add one, e.g. `net: ResidualMLP`")
        assert self.net is not None
        objective = self.objective_for(shape, classes, features)
        outputs = getattr(objective, "outputs", 1)
        require(
            outputs == 1 or "outputs" in self.net.late,
            f"the head asks for {outputs} quantities at once, but {self.net.part.__name__} has no argument `outputs`; "
            "use another net, such as ResidualMLP",
            Incompatible,
        )
        times = getattr(objective, "network_times", 1)
        require(
            times == 1 or "times" in self.net.late,
            f"{type(objective).__name__} tells its network two times, but {self.net.part.__name__} has no argument "
            "`times`; use another net, such as ResidualMLP",
            Incompatible,
        )
        space = self.path.space
        vocab = space.vocab if isinstance(space, Tokens) else shape[-1]
        mask = isinstance(space, Tokens) and space.mask
        late = {"shape": shape, "outputs": outputs, "times": times, "vocab": vocab, "mask": mask}
        return self.net(classes=classes, features=features, **late)

    def resolved(self) -> dict[str, Any]:
        """The mapping that gives this configuration again, every default written out."""
        found = describe(self, typed=False)
        for section in ("training", "sampling", "evaluation"):
            found[section].pop("type")
        if found.pop("symbols_of_data"):
            found["path"]["space"].pop("vocab")
        return found


def _learned(coupling: str) -> str:
    return (
        f"coupling: {coupling} is learned with the net; write `objective: {{type: Joint, coupling: {coupling}, "
        "objective: FlowMatching}`, and leave coupling to Independent"
    )


def _pathless(solver: Any) -> Any:
    """A solver as it is written down: without the path, whoever gave it."""
    if not (is_dataclass(solver) and hasattr(solver, "path")) or isinstance(solver, type):
        return solver
    given = {f.name: _pathless(getattr(solver, f.name)) for f in fields(solver) if f.name != "path"}
    return Partial(type(solver), given, LATE_SOLVER, "sampling.solver")


def _sized(path: Any) -> tuple[Any, bool]:
    """What is said of a path, and whether it left the number of symbols to the data, for which 2 stands here."""
    space = path.get("space") if isinstance(path, Mapping) else None
    if space != "Tokens" and not (isinstance(space, Mapping) and space.get("type") == "Tokens"):
        return path, False
    said = {"type": "Tokens"} if isinstance(space, str) else dict(cast(Any, space))
    left = said.get("vocab") is None
    return {**path, "space": {**said, "vocab": 2} if left else said}, left


def named_solver(spec: Any, where: str) -> Any:
    """A solver, or the `Partial` of one that waits for its path; names and mappings are built.

    Raises: `InvalidInput` for whatever else.
    """
    if isinstance(spec, (Partial, Solver)):
        return spec
    part = build_partial(spec, Solver, where, LATE_SOLVER)
    return part if part.late or part.nested else part()


def checked_guidance(spec: Any, where: str) -> Any:
    """None, a scale, a part that waits for its field, or a function from field to field.

    Raises: `InvalidInput` for whatever else, and now for what would be refused when the field comes.
    """
    if isinstance(spec, (str, Mapping)):
        spec = build_partial(spec, Field, where, LATE_GUIDANCE)
    if isinstance(spec, Partial):
        spec(field=lambda x, t, cond=None: x)
        return spec
    if isinstance(spec, Real) and not isinstance(spec, bool) and 0 <= float(spec) < math.inf:
        return float(spec)
    require(
        spec is None or callable(spec),
        f"{where}: got {spec!r}, expected a finite scale >= 0 (1 is no guidance), a part such as "
        "{type: CFGZeroStar, scale: 2.0}, or null for none",
    )
    return spec


def parse(spec: Mapping[str, Any]) -> Config:
    """The configuration that a mapping describes.

    Raises: `InvalidInput` for unknown keys, names and fields, each with the nearest valid one, and for wrong values.
    """
    spec = dict(spec)
    spec.pop("version", None)
    spec.pop("summary", None)
    known = Config.__dataclass_fields__.keys() - {"symbols_of_data"}
    for key in spec:
        require(key in known, f"unknown key {key!r} in the configuration; {nearest(str(key), known)}")
    part = spec.get("coupling")
    name = part.get("type") if isinstance(part, Mapping) else part
    require(not isinstance(name, str) or name not in parts_of(LearnedCoupling), _learned(str(name)), Incompatible)
    slots = {"data": (Loader, ()), "objective": (Objective, LATE_OBJECTIVE), "net": (nn.Module, LATE_NET)}
    late: dict[str, Any] = {
        key: build_partial(spec.pop(key), kind, key, names)
        for key, (kind, names) in slots.items()
        if spec.get(key) is not None
    }
    sampling = spec.pop("sampling", None)
    if sampling is not None:
        require(isinstance(sampling, Mapping), f"sampling: got {sampling!r}, expected a mapping of Sampling fields")
        rest = {key: value for key, value in sampling.items() if key not in ("guidance", "solver")}
        parts: dict[str, Any] = {"guidance": checked_guidance(sampling.get("guidance"), "sampling.guidance")}
        if sampling.get("solver") is not None:
            parts["solver"] = named_solver(sampling["solver"], "sampling.solver")
        late["sampling"] = replace(build(rest, Sampling, "sampling"), **parts)
    late.setdefault("sampling", Sampling())  # its usual solver is that of the path below
    if spec.get("path") is not None:  # with the rest, at once: on some paths the usual solver makes no sense
        path, late["symbols_of_data"] = _sized(spec.pop("path"))
        late["path"] = path if isinstance(path, Path) else build(path, Path, "path")
    given = {key: value for key, value in spec.items() if key not in slots}
    return replace(build(given, Config, ""), **late)


def override(spec: Mapping[str, Any], assignments: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` with dotted keys replaced; a part given by name alone becomes a mapping when a field of it is set.

    Example:
        >>> override({"coupling": "EntropicOT"}, {"coupling.epsilon": 0.1})
        {'coupling': {'type': 'EntropicOT', 'epsilon': 0.1}}
    """
    found = {key: (dict(value) if isinstance(value, Mapping) else value) for key, value in spec.items()}
    for dotted, value in assignments.items():
        place = found
        *parents, last = dotted.split(".")
        for parent in parents:
            inner = place.get(parent)
            require(
                inner is None or isinstance(inner, (str, Mapping)),
                f"unknown key {dotted!r}: {parent!r} is {inner!r}, which has no fields; end the key there",
            )
            place[parent] = {"type": inner} if isinstance(inner, str) else dict(inner or {})
            place = place[parent]
        place[last] = value
    return found


def read_yaml(file: File) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises: `InvalidInput` for a missing file, text that is no YAML (with its line), and YAML that is no mapping.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InvalidInput(f"{file}: cannot be read ({reason.lower()}); give the path of a YAML file") from None
    except (yaml.YAMLError, ValueError) as error:  # 2024-99-99 looks like a date, and is none
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InvalidInput(f"{file}{line}: not valid YAML; check indentation, colons and brackets") from None
    if not isinstance(found, dict):
        what = "nothing" if found is None else type(found).__name__
        raise InvalidInput(f"{file}: got {what}, expected a mapping such as `seed: 0`")
    return _named_by_text(found)


def _named_by_text(found: Any) -> Any:
    """With every key a text: `1: 2` is YAML too, and then an unknown key like any other."""
    if isinstance(found, dict):
        return {str(key): _named_by_text(value) for key, value in found.items()}
    return found


def write_yaml(spec: Mapping[str, Any]) -> str:
    """YAML text of a mapping, keys in their own order."""
    return yaml.safe_dump(dict(spec), sort_keys=False, default_flow_style=None, width=120)
