"""The table of published methods that are done: one entry each, tested against an exact answer."""

import importlib
from dataclasses import dataclass
from typing import Any

__all__ = ["METHODS", "Method"]


@dataclass(frozen=True)
class Method:
    """A published method and where it is.

    Args:
        id: Name that configurations, notes and the sheets of the project share.
        family: What it is a choice of.
        room: Where it lives.
        paper: Title and link.
        summary: What it does, in one line.
        names: Its public names, in the room.
        tests: Where it is held against an exact answer.
        recipe: A recipe that uses it, if there is one.
    """

    id: str
    family: str
    room: str
    paper: str
    summary: str
    names: tuple[str, ...]
    tests: tuple[str, ...]
    recipe: str | None = None

    def plain(self) -> dict[str, Any]:
        """The entry as JSON knows it."""
        keys = ("id", "family", "room", "paper", "recipe", "tests", "summary")
        return {key: list(value) if isinstance(value := getattr(self, key), tuple) else value for key in keys}

    def parts(self) -> list[Any]:
        """The classes and functions themselves, whose docstrings hold the formulas."""
        room = importlib.import_module(f"pushforward.{self.room}")
        return [getattr(room, name) for name in self.names]


METHODS: tuple[Method, ...] = (
    Method(
        id="exact_oracle",
        family="oracle",
        room="oracles",
        paper="Stochastic Interpolants: A Unifying Framework, https://arxiv.org/abs/2303.08797",
        summary="Gaussian mixtures whose velocity, score, ends, density, flow map and posteriors are known exactly",
        names=("GaussianMixture", "Along"),
        tests=("tests/oracles",),
    ),
    Method(
        id="gaussian_paths",
        family="path",
        room="paths",
        paper="Flow Matching for Generative Modeling, https://arxiv.org/abs/2210.02747",
        summary="Affine paths x_t = alpha x1 + sigma x0 with straight, polynomial, cosine, VP and VE schedules",
        names=(
            "Affine",
            "CondOT",
            "Polynomial",
            "Cosine",
            "LinearVP",
            "VariancePreserving",
            "VarianceExploding",
        ),
        tests=("tests/paths/test_schedules.py", "tests/paths/test_affine.py"),
        recipe="moons",
    ),
    Method(
        id="prediction_conversions",
        family="head",
        room="fields",
        paper="Flow Matching Guide and Code, https://arxiv.org/abs/2412.06264",
        summary="Networks that say the velocity, the data, the noise or the score, all read as one velocity",
        names=("Velocity", "Endpoint", "Noise", "Score", "NetField", "NetEstimator"),
        tests=("tests/fields/test_heads.py",),
        recipe="moons",
    ),
    Method(
        id="scheduler_change",
        family="path",
        room="paths",
        paper="Bespoke Solvers for Generative Flow Models, https://arxiv.org/abs/2310.19075",
        summary="Sample a trained field on another schedule, by equal signal-to-noise ratio",
        names=("Rescheduled",),
        tests=("tests/paths/test_affine.py", "tests/paths/test_rescheduled_exact.py"),
    ),
    Method(
        id="minibatch_ot_cfm",
        family="coupling",
        room="couplings",
        paper="Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport, "
        "https://arxiv.org/abs/2302.00482; Multisample Flow Matching, https://arxiv.org/abs/2304.14772",
        summary="Pair noise and data of a batch by exact or entropic optimal transport",
        names=("ExactOT", "EntropicOT"),
        tests=("tests/couplings",),
        recipe="8gaussians_to_moons",
    ),
    Method(
        id="car_flow",
        family="coupling",
        room="couplings",
        paper="CAR-Flow: Condition-Aware Reparameterization Aligns Source and Target for Better Flow Matching, "
        "https://arxiv.org/abs/2509.19300",
        summary="Learned shifts of source and target by the condition, seen through the data's own coordinates",
        names=("CARFlow",),
        tests=("tests/couplings/test_car_flow.py", "tests/objectives/test_joint.py"),
    ),
    Method(
        id="variational_noise_coupling",
        family="coupling",
        room="couplings",
        paper="Training Consistency Models with Variational Noise Coupling, https://arxiv.org/abs/2502.18197",
        summary="An encoder, held to N(0, I) by its divergence, chooses the noise of every row of data",
        names=("VariationalNoise",),
        tests=("tests/couplings/test_variational_noise.py", "tests/objectives/test_joint.py"),
        recipe="digits_vct",
    ),
    Method(
        id="learned_coupling",
        family="objective",
        room="objectives",
        paper="Minimizing Trajectory Curvature of ODE-based Generative Models, https://arxiv.org/abs/2301.12003",
        summary="A coupling trained with the network by the same loss, plus its penalty",
        names=("Joint",),
        tests=("tests/objectives/test_joint.py", "tests/couplings/test_variational_noise.py"),
        recipe="digits_vct",
    ),
    Method(
        id="crossflow",
        family="coupling",
        room="couplings",
        paper="Flowing from Words to Pixels: A Noise-Free Framework for Cross-Modality Evolution, "
        "https://arxiv.org/abs/2412.15213",
        summary="The condition, through a variational encoder, is the source; the network is told an indicator alone",
        names=("CrossFlow",),
        tests=("tests/couplings/test_cross_flow.py", "tests/objectives/test_joint.py"),
        recipe="digits_crossflow",
    ),
    Method(
        id="cfm_regression",
        family="objective",
        room="objectives",
        paper="Flow Matching for Generative Modeling, https://arxiv.org/abs/2210.02747; "
        "Scaling Rectified Flow Transformers, https://arxiv.org/abs/2403.03206",
        summary="Regression onto the motion of pairs, with laws of time and weights",
        names=(
            "FlowMatching",
            "Uniform",
            "LogitNormal",
            "ModeSD3",
            "Beta",
            "NoiseLoss",
            "EndpointLoss",
            "Likelihood",
            "MinSNR",
        ),
        tests=("tests/objectives",),
        recipe="moons",
    ),
    Method(
        id="guided_flows_cfg",
        family="guidance",
        room="guidance",
        paper="Guided Flows for Generative Modeling and Decision Making, https://arxiv.org/abs/2311.13443",
        summary="Classifier-free guidance: extrapolate from the unconditional to the conditional field",
        names=("ClassifierFree",),
        tests=("tests/guidance",),
        recipe="digits",
    ),
    Method(
        id="cfg_zero_star",
        family="guidance",
        room="guidance",
        paper="CFG-Zero*: Improved Classifier-Free Guidance for Flow Matching Models, https://arxiv.org/abs/2503.18886",
        summary="Classifier-free guidance with a fitted scale of the unconditional field and a quiet start",
        names=("CFGZeroStar",),
        tests=("tests/guidance",),
    ),
    Method(
        id="autoguidance",
        family="guidance",
        room="guidance",
        paper="Guiding a Diffusion Model with a Bad Version of Itself, https://arxiv.org/abs/2406.02507",
        summary="Extrapolate from a worse model of the same task to the good one",
        names=("Autoguidance",),
        tests=("tests/guidance",),
    ),
    Method(
        id="interval_guidance",
        family="guidance",
        room="guidance",
        paper="Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion Models, "
        "https://arxiv.org/abs/2404.07724",
        summary="Guide in a window of time, and follow the plain field outside",
        names=("Interval",),
        tests=("tests/guidance",),
    ),
)
