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
        id="stochastic_interpolant",
        family="head",
        room="fields",
        paper="Stochastic Interpolants: A Unifying Framework, https://arxiv.org/abs/2303.08797",
        summary="Velocity, latent noise and score of x_t = alpha x1 + sigma x0 + gamma z, learned together or apart",
        names=("FlowAndScore", "LatentNoise", "NetScore", "FlowSDE"),
        tests=("tests/fields/test_latent_heads.py", "tests/fields/test_bridges.py", "tests/paths/test_affine.py"),
        recipe="bridge",
    ),
    Method(
        id="sb_cfm_sf2m",
        family="head",
        room="fields",
        paper="Simulation-free Schroedinger bridges via score and flow matching, https://arxiv.org/abs/2307.03672; "
        "Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport, "
        "https://arxiv.org/abs/2302.00482",
        summary="Schroedinger bridges: entropic pairs, Brownian bridges between them, velocity and score from one net",
        names=("FlowAndScore",),
        tests=("tests/fields/test_bridges.py", "tests/flow/test_bridges.py"),
        recipe="bridge",
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
        id="spectral_premetric",
        family="path",
        room="paths",
        paper="Flow Matching on General Geometries, https://arxiv.org/abs/2302.03660",
        summary="Descend a distance made of Laplace-Beltrami eigenfunctions: meshes, where no geodesic is at hand",
        names=("Premetric",),
        tests=(
            "tests/paths/test_premetric.py",
            "tests/spaces/test_mesh.py",
            "tests/spaces/test_spectral_distance.py",
        ),
    ),
    Method(
        id="manifold",
        family="space",
        room="spaces",
        paper="Flow Matching on General Geometries, https://arxiv.org/abs/2302.03660",
        summary="Spheres, tori, hyperbolic space, positive matrices, rotations and their products, in closed form",
        names=(
            "Euclidean",
            "Sphere",
            "Torus",
            "Lorentz",
            "Poincare",
            "SPD",
            "LogEuclidean",
            "SO3",
            "IGSO3",
            "Product",
            "SE3",
        ),
        tests=("tests/spaces",),
    ),
    Method(
        id="pfgmpp",
        family="path",
        room="spaces",
        paper="PFGM++: Unlocking the Potential of Physics-Inspired Generative Models, https://arxiv.org/abs/2302.04265",
        summary="Student-t noise on a variance-exploding path: from Poisson flow (D = 1) to diffusion (D to infinity)",
        names=("StudentT", "Euclidean"),
        tests=("tests/spaces/test_student_t.py",),
    ),
    Method(
        id="reflected_flow_matching",
        family="path",
        room="spaces",
        paper="Reflected Flow Matching, https://arxiv.org/abs/2405.16577",
        summary="Straight paths within a convex domain, whose walls throw back what learning and steps get wrong",
        names=("Domain", "Box", "Polytope", "Simplex", "Ball"),
        tests=("tests/spaces/test_domains.py",),
    ),
    Method(
        id="mirror_flow_matching",
        family="path",
        room="data",
        paper="Mirror Flow Matching with Heavy-Tailed Priors for Generative Modeling on Convex Domains, "
        "https://arxiv.org/abs/2510.08929",
        summary="Gradients of regularised barriers take box, polytope and ball to flat space, for flows from StudentT",
        names=("MirrorBox", "MirrorPolytope", "MirrorBall"),
        tests=("tests/data/test_domain_transforms.py", "tests/data/test_transforms.py", "tests/flow/test_domains.py"),
    ),
    Method(
        id="bijector_box_positive",
        family="path",
        room="data",
        paper="Density estimation using Real NVP, https://arxiv.org/abs/1605.08803",
        summary="Logarithm, softplus, logit and log-ratios take positive data, boxes and the simplex to flat space",
        names=("Positive", "Bounded", "SimplexLogRatio"),
        tests=("tests/data/test_domain_transforms.py", "tests/data/test_transforms.py", "tests/flow/test_domains.py"),
    ),
    Method(
        id="diff2flow",
        family="path",
        room="fields.adapters",
        paper="Diff2Flow: Training Flow Matching Models via Diffusion Model Alignment, https://arxiv.org/abs/2506.02221",
        summary="Velocities of CondOT from diffusion networks of discrete time; `Rescheduled` takes them to any path",
        names=("from_diffusers",),
        tests=("tests/paths/test_rescheduled_exact.py", "tests/fields/test_adapters_diffusers.py"),
    ),
    Method(
        id="kinetic_optimal_path",
        family="path",
        room="paths",
        paper="On Kinetic Optimal Probability Paths for Generative Models, https://arxiv.org/abs/2306.06626",
        summary="The schedule of least kinetic energy for a data set, its energy beside that of straight lines",
        names=("KineticOptimal", "data_separation"),
        tests=("tests/paths/test_kinetic_optimal.py", "tests/paths/test_schedules.py"),
    ),
    Method(
        id="multimarginal_interpolant",
        family="path",
        room="objectives",
        paper="Multimarginal Generative Modeling with Stochastic Interpolants, https://arxiv.org/abs/2310.03695",
        summary="K marginals on a simplex or a time axis: one network for all transports; search for cheaper curves",
        names=("Multimarginal", "CurveEnergy"),
        tests=(
            "tests/objectives/test_multimarginal.py",
            "tests/objectives/test_curve_energy.py",
            "tests/fields/test_corner_field.py",
            "tests/paths/test_curves.py",
            "tests/paths/test_multi_affine.py",
            "tests/oracles/test_independent_gaussians.py",
        ),
    ),
    Method(
        id="exact_ot",
        family="transport",
        room="transport",
        paper="Auction algorithms for network flow problems: a tutorial introduction, https://doi.org/10.1007/BF00247653",
        summary="Least-cost matchings and plans with their dual certificates, from a matrix or from coordinates",
        names=("auction", "assignment", "point_auction", "exact_plan"),
        tests=("tests/transport/test_assignment.py", "tests/transport/test_exact.py"),
        recipe="8gaussians_to_moons",
    ),
    Method(
        id="minibatch_ot_cfm",
        family="coupling",
        room="couplings",
        paper="Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport, "
        "https://arxiv.org/abs/2302.00482; Multisample Flow Matching, https://arxiv.org/abs/2304.14772",
        summary="Pair noise and data of a batch by exact or entropic optimal transport, or by a stable matching",
        names=("ExactOT", "EntropicOT", "StableMatching", "Barycentric"),
        tests=("tests/couplings",),
        recipe="8gaussians_to_moons",
    ),
    Method(
        id="partial_ot",
        family="transport",
        room="transport",
        paper="Partial Optimal Transport with Applications on Positive-Unlabeled Learning, "
        "https://arxiv.org/abs/2002.08276",
        summary="Exact transport of a given part of the mass at least cost, with its dual certificate",
        names=("partial", "partial_assignment"),
        tests=("tests/transport/test_partial.py",),
    ),
    Method(
        id="unbalanced_ot",
        family="transport",
        room="transport",
        paper="Scaling Algorithms for Unbalanced Transport Problems, https://arxiv.org/abs/1607.05816",
        summary="Entropic transport with Kullback-Leibler penalties on one or both marginals",
        names=("unbalanced", "semi_relaxed"),
        tests=("tests/transport/test_unbalanced.py",),
    ),
    Method(
        id="ti_sinkhorn",
        family="transport",
        room="transport",
        paper="Faster Unbalanced Optimal Transport: Translation Invariant Sinkhorn and 1-D Frank-Wolfe, "
        "https://arxiv.org/abs/2201.00730",
        summary="Unbalanced Sinkhorn whose number of sweeps does not grow with the strength of the marginals",
        names=("unbalanced",),
        tests=("tests/transport/test_unbalanced.py",),
    ),
    Method(
        id="partial_minibatch_ot",
        family="coupling",
        room="couplings",
        paper="Improving Mini-batch Optimal Transport via Partial Transportation, https://arxiv.org/abs/2108.09645",
        summary="m-POT: pair the share of a batch that matches well, and give the rest no weight",
        names=("PartialOT",),
        tests=("tests/couplings/test_partial.py", "tests/bench/test_outliers.py"),
    ),
    Method(
        id="bomb_ot",
        family="coupling",
        room="couplings",
        paper="On Transportation of Mini-batches: A Hierarchical Approach, https://arxiv.org/abs/2102.05912",
        summary="BoMb-OT: transport between mini-batches decides which of them transport within",
        names=("BombOT",),
        tests=("tests/couplings/test_bomb.py",),
    ),
    Method(
        id="uot_fm",
        family="coupling",
        room="couplings",
        paper="Unbalancedness in Neural Monge Maps Improves Unpaired Domain Translation, "
        "https://arxiv.org/abs/2311.15100; Joint Velocity-Growth Flow Matching for Single-Cell Dynamics Modeling, "
        "https://arxiv.org/abs/2505.13413, for the semi-relaxed plan",
        summary="Pairs from an unbalanced plan: what has no sensible counterpart counts for less",
        names=("UnbalancedOT", "SemiRelaxed"),
        tests=("tests/couplings/test_unbalanced.py", "tests/bench/test_outliers.py"),
    ),
    Method(
        id="log_sinkhorn",
        family="transport",
        room="transport",
        paper="Sinkhorn Distances, https://arxiv.org/abs/1306.0895; Overrelaxed Sinkhorn-Knopp Algorithm, "
        "https://arxiv.org/abs/1711.01851",
        summary="Entropic plans, potentials and values by over-relaxed scaling of an absorbed kernel",
        names=("entropic_ot", "sinkhorn", "Entropic", "point_entropic_ot"),
        tests=(
            "tests/transport/test_sinkhorn.py",
            "tests/transport/test_entropic_ot.py",
            "tests/transport/test_point_entropic_ot.py",
        ),
    ),
    Method(
        id="rounding",
        family="transport",
        room="transport",
        paper="Near-linear time approximation algorithms for optimal transport via Sinkhorn iteration, "
        "https://arxiv.org/abs/1705.09634",
        summary="A plan with exact marginals from one that is off, moving at most twice as much",
        names=("rounded",),
        tests=("tests/transport/test_rounded.py",),
    ),
    Method(
        id="sinkhorn_divergence",
        family="transport",
        room="transport",
        paper="Interpolating between Optimal Transport and MMD using Sinkhorn Divergences, "
        "https://arxiv.org/abs/1810.08278",
        summary="Entropic transport without its bias, differentiable, also from coordinates in O(n) memory",
        names=("sinkhorn_divergence",),
        tests=("tests/transport/test_sinkhorn_divergence.py",),
    ),
    Method(
        id="sinkhorn_newton_sparse",
        family="transport",
        room="transport",
        paper="Accelerating Sinkhorn Algorithm with Sparse Newton Iterations, https://arxiv.org/abs/2401.12253",
        summary="A few sweeps, then Newton steps that keep the large entries of the plan in the Hessian",
        names=("sinkhorn_newton_sparse",),
        tests=("tests/transport/test_sinkhorn_newton_sparse.py",),
    ),
    Method(
        id="sinkhorn_implicit_diff",
        family="transport",
        room="transport",
        paper="Re-basin via implicit Sinkhorn differentiation, https://arxiv.org/abs/2212.12042; A Unified Framework "
        "for Implicit Sinkhorn Differentiation, https://arxiv.org/abs/2205.06688",
        summary="Derivatives of the entropic plan from one linear system at the optimum, without unrolling",
        names=("entropic_ot",),
        tests=("tests/transport/test_implicit.py",),
    ),
    Method(
        id="sliced_w_control_variates",
        family="metric",
        room="metrics",
        paper="Sliced Wasserstein Estimation with Control Variates, https://arxiv.org/abs/2305.00402",
        summary="Sliced Wasserstein distances whose error is corrected by Gaussians of the same moments",
        names=("LowerBound", "UpperBound", "sliced_wasserstein"),
        tests=("tests/metrics/test_control_variates.py",),
    ),
    Method(
        id="c2ot",
        family="coupling",
        room="couplings",
        paper="The Curse of Conditions: Analyzing and Improving Optimal Transport for Conditional Flow-Based "
        "Generation, https://arxiv.org/abs/2503.10636",
        summary="Optimal transport that leaves every condition its own share of the whole source",
        names=("ConditionalOT",),
        tests=("tests/couplings/test_conditional.py", "tests/couplings/test_laws.py"),
    ),
    Method(
        id="weighted_cfm",
        family="coupling",
        room="couplings",
        paper="Weighted Conditional Flow Matching, https://arxiv.org/abs/2507.22270",
        summary="Independent pairs, each counted by a Gibbs kernel of its distance",
        names=("WeightedCFM",),
        tests=("tests/couplings/test_weighted.py", "tests/couplings/test_laws.py"),
    ),
    Method(
        id="immiscible_assignment",
        family="coupling",
        room="couplings",
        paper="Immiscible Diffusion: Accelerating Diffusion Training with Noise Assignment, "
        "https://arxiv.org/abs/2406.12303",
        summary="Assignment of noises to data with distances rounded to half precision",
        names=("Immiscible",),
        tests=("tests/couplings/test_immiscible.py", "tests/couplings/test_laws.py"),
    ),
    Method(
        id="immiscible_knn",
        family="coupling",
        room="couplings",
        paper="Improved Immiscible Diffusion, https://arxiv.org/abs/2505.18521",
        summary="Every data row takes the nearest of k noises",
        names=("NearestNoise",),
        tests=("tests/couplings/test_nearest.py", "tests/couplings/test_laws.py"),
    ),
    Method(
        id="data_dependent_coupling",
        family="coupling",
        room="couplings",
        paper="Stochastic Interpolants with Data-Dependent Couplings, https://arxiv.org/abs/2310.03725",
        summary="Sources drawn given the data, by a function of the user",
        names=("DataDependent",),
        tests=("tests/couplings/test_data_dependent.py", "tests/couplings/test_laws.py"),
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
        id="symmetrical_fm",
        family="coupling",
        room="couplings",
        paper="Symmetrical Flow Matching: Unified Image Generation, Segmentation, and Classification with Score-Based "
        "Generative Models, https://arxiv.org/abs/2506.10634",
        summary="Data and labels in opposite directions: one flow that generates forwards and recognises backwards",
        names=("Symmetrical",),
        tests=("tests/couplings/test_symmetrical.py", "tests/inference/test_symmetrical.py"),
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
            "VelocityLoss",
            "NoiseLoss",
            "EndpointLoss",
            "Likelihood",
            "MinSNR",
            "VLoss",
        ),
        tests=("tests/objectives",),
        recipe="moons",
    ),
    Method(
        id="re_mean_flow",
        family="objective",
        room="objectives",
        paper="Flow Straighter and Faster: Efficient One-Step Generative Modeling via MeanFlow on Rectified "
        "Trajectories, https://arxiv.org/abs/2511.23342",
        summary="MeanFlow on the pairs of a trained flow, the longest left out by `couplings.Truncated`",
        names=("ReMeanFlow", "UShaped"),
        tests=("tests/objectives/test_flow_maps.py", "tests/couplings/test_truncated.py"),
    ),
    Method(
        id="dispersive_loss",
        family="objective",
        room="objectives",
        paper="DM1: MeanFlow with Dispersive Regularization for 1-Step Robotic Manipulation, "
        "https://arxiv.org/abs/2510.07865; Diffuse and Disperse, https://arxiv.org/abs/2506.09027",
        summary="Any objective, and a repulsion of a layer's features: InfoNCE, a hinge or covariance",
        names=("Dispersive",),
        tests=("tests/objectives/test_dispersive.py",),
    ),
    Method(
        id="constant_acceleration_flow",
        family="objective",
        room="objectives",
        paper="Constant Acceleration Flow, https://arxiv.org/abs/2411.00322",
        summary="An initial velocity, and an acceleration that is told it, on the pairs of a trained flow",
        names=("ConstantAccelerationFlow",),
        tests=("tests/objectives/test_constant_acceleration_flow.py",),
    ),
    Method(
        id="transition_matching",
        family="objective",
        room="objectives",
        paper="Transition Matching: Scalable and Flexible Generative Modeling, https://arxiv.org/abs/2506.23589",
        summary="DTM: a head's small flow draws x1 - x0 given x_t, so that any number of steps keeps the marginals",
        names=("DifferenceTransitionMatching",),
        tests=("tests/objectives/test_transition_matching.py",),
    ),
    Method(
        id="neural_flow_diffusion",
        family="objective",
        room="objectives",
        paper="Neural Flow Diffusion Models: Learnable Forward Process for Improved Diffusion Modelling, "
        "https://arxiv.org/abs/2404.12940",
        summary="A Gaussian forward process learned with its denoiser on a bound of the likelihood, straight if wanted",
        names=("NeuralFlowDiffusion", "NeuralPath", "NeuralDiffusion", "Volatility"),
        tests=("tests/objectives/test_neural_flow_diffusion.py", "tests/objectives/test_neural_path.py"),
    ),
    Method(
        id="diffusion_ode_mle",
        family="objective",
        room="objectives",
        paper="Improved Techniques for Maximum Likelihood Estimation for Diffusion ODEs, https://arxiv.org/abs/2305.03935",
        summary="Times in proportion to the likelihood weight between two noise levels, and a loss on the divergence; "
        "densities are taken at the end of those levels, with truncated-normal dequantisation",
        names=("Importance", "VLoss", "Likelihood", "SecondOrder"),
        tests=(
            "tests/objectives/test_second_order.py",
            "tests/objectives/test_times.py",
            "tests/inference/test_bits_per_dim.py",
        ),
    ),
    Method(
        id="cnf_likelihood",
        family="likelihood",
        room="inference",
        paper="Neural Ordinary Differential Equations, https://arxiv.org/abs/1806.07366; FFJORD, "
        "https://arxiv.org/abs/1810.01367",
        summary="Log-densities along a flow, for the field of every head, with the error that random probes make",
        names=("log_prob", "likelihood", "sample_with_log_prob", "Extrapolated"),
        tests=("tests/inference/test_likelihood.py", "tests/inference/test_likelihood_heads.py"),
    ),
    Method(
        id="trace_estimators",
        family="likelihood",
        room="core",
        paper="FFJORD, https://arxiv.org/abs/1810.01367; Hutch++: Optimal Stochastic Trace Estimation, "
        "https://arxiv.org/abs/2010.09649",
        summary="Divergences by forward mode: exact, by random probes, and exact on a sketch with probes on the rest",
        names=("Exact", "Hutchinson", "HutchPlusPlus"),
        tests=("tests/core/test_autodiff.py", "tests/inference/test_likelihood.py"),
    ),
    Method(
        id="dequantisation",
        family="likelihood",
        room="inference.dequantisation",
        paper="A note on the evaluation of generative models, https://arxiv.org/abs/1511.01844; Flow++, "
        "https://arxiv.org/abs/1902.00275; Improved Techniques for Maximum Likelihood Estimation for Diffusion ODEs, "
        "https://arxiv.org/abs/2305.03935",
        summary="Bits per dimension from a density: uniform, truncated-normal or learned noise within the cells",
        names=("Uniform", "TruncatedNormal", "Variational"),
        tests=("tests/inference/test_bits_per_dim.py",),
    ),
    Method(
        id="mean_flow",
        family="flow map",
        room="objectives",
        paper="Mean Flows for One-step Generative Modeling, https://arxiv.org/abs/2505.13447",
        summary="Mean velocities learned from data by their differential identity: one network call from noise to data",
        names=("MeanFlow", "FlowMapMatching"),
        tests=("tests/objectives/test_flow_maps.py", "tests/flow/test_jumps.py"),
    ),
    Method(
        id="split_mean_flow",
        family="flow map",
        room="objectives",
        paper="SplitMeanFlow: Interval Splitting Consistency in Few-Step Generative Modeling, "
        "https://arxiv.org/abs/2507.16884",
        summary="Mean velocities by the additivity of the integral, without a derivative",
        names=("SplitMeanFlow",),
        tests=("tests/objectives/test_flow_maps.py",),
    ),
    Method(
        id="alpha_flow",
        family="flow map",
        room="objectives",
        paper="AlphaFlow: Understanding and Improving MeanFlow Models, https://arxiv.org/abs/2510.20771",
        summary="From trajectory flow matching to MeanFlow, on a curriculum",
        names=("AlphaFlow",),
        tests=("tests/objectives/test_flow_maps.py",),
    ),
    Method(
        id="modular_mean_flow",
        family="flow map",
        room="objectives",
        paper="Modular MeanFlow: Towards Stable and Scalable One-Step Generative Modeling, "
        "https://arxiv.org/abs/2508.17426",
        summary="MeanFlow with a rising share of the gradient through the derivative",
        names=("ModularMeanFlow",),
        tests=("tests/objectives/test_flow_maps.py",),
    ),
    Method(
        id="shortcut",
        family="flow map",
        room="objectives",
        paper="One Step Diffusion via Shortcut Models, https://arxiv.org/abs/2410.12557",
        summary="Steps of dyadic lengths, each learned from two of half the length",
        names=("Shortcut",),
        tests=("tests/objectives/test_flow_maps.py",),
        recipe="digits_one_step",
    ),
    Method(
        id="consistency_fm",
        family="flow map",
        room="objectives",
        paper="Consistency Flow Matching: Defining Straight Flows with Velocity Consistency, "
        "https://arxiv.org/abs/2407.02398",
        summary="Straight flows in a few segments, whose ends neighbouring times agree on",
        names=("ConsistencyFM",),
        tests=("tests/objectives/test_flow_maps.py",),
    ),
    Method(
        id="consistency_training",
        family="flow map",
        room="objectives",
        paper="Consistency Models, https://arxiv.org/abs/2303.01469; Consistency Models Made Easy, "
        "https://arxiv.org/abs/2406.14548",
        summary="Jumps to the data that agree between times which move together; with VariationalNoise it is VCT",
        names=("ConsistencyTraining",),
        tests=("tests/objectives/test_flow_maps.py", "tests/flow/test_jumps.py"),
    ),
    Method(
        id="align_your_flow",
        family="flow map",
        room="objectives",
        paper="Align Your Flow: Scaling Continuous-Time Flow Map Distillation, https://arxiv.org/abs/2506.14603",
        summary="A velocity distilled into its flow map by the Eulerian or the Lagrangian rule, tangents normalised",
        names=("AlignYourFlow",),
        tests=("tests/objectives/test_flow_maps.py",),
    ),
    Method(
        id="rectified_flow",
        family="rectification",
        room="flow",
        paper="Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow, "
        "https://arxiv.org/abs/2209.03003",
        summary="A flow learned anew from its own pairs, which are stored in shards, and distilled to a few steps",
        names=("reflow", "couples", "distil", "straightness"),
        tests=("tests/flow/test_reflow.py",),
    ),
    Method(
        id="c_rectified_flow",
        family="rectification",
        room="objectives",
        paper="Rectified Flow: A Marginal Preserving Approach to Optimal Transport, https://arxiv.org/abs/2209.14577",
        summary="Rectified flow whose velocity is a gradient, so that every round lowers one convex cost",
        names=("CRectifiedFlow", "Quadratic", "Power"),
        tests=("tests/objectives/test_c_rectified_flow.py",),
    ),
    Method(
        id="flow_sde_conversion",
        family="sampler",
        room="fields",
        paper="Stochastic Interpolants: A Unifying Framework, https://arxiv.org/abs/2303.08797; Inference-Time Scaling "
        "for Flow Models via Stochastic Generation and Rollover Budget Forcing, https://arxiv.org/abs/2503.19385",
        summary="A flow with noise of any level, forwards or backwards, whose marginals stay those of the flow",
        names=("FlowSDE", "Memoryless", "PowerLaw"),
        tests=(
            "tests/fields/test_flow_sde.py",
            "tests/fields/test_noise_levels.py",
            "tests/solvers/test_stochastic.py",
        ),
    ),
    Method(
        id="interpolant_conversion",
        family="sampler",
        room="fields",
        paper="Inference-Time Scaling for Flow Models via Stochastic Generation and Rollover Budget Forcing, "
        "https://arxiv.org/abs/2503.19385",
        summary="A field trained on one affine path, followed with noise on another, by equal signal-to-noise ratio",
        names=("converted",),
        tests=("tests/fields/test_converted.py", "tests/paths/test_rescheduled_exact.py"),
    ),
    Method(
        id="gaussian_pf_solution",
        family="sampler",
        room="inference",
        paper="Diffusion Models Generate Images Like Painters, https://arxiv.org/abs/2303.02490",
        summary="The flow of the data's mean and covariance in closed form, in place of the first steps of any field",
        names=("GaussianFlow", "Skip", "skip_errors"),
        tests=("tests/inference/test_gaussian_flow.py", "tests/inference/test_skip.py"),
    ),
    Method(
        id="adams_bashforth",
        family="solver",
        room="solvers",
        paper="Solving Ordinary Differential Equations I, https://doi.org/10.1007/978-3-540-78862-1",
        summary="Multistep methods of order 2 to 4 for steps of any length, one evaluation a step, or with a corrector",
        names=("AdamsBashforth", "AdamsBashforthMoulton"),
        tests=("tests/solvers/test_adams.py", "tests/solvers/test_laws.py"),
    ),
    Method(
        id="dpm_solver_pp",
        family="solver",
        room="solvers",
        paper="DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models, "
        "https://arxiv.org/abs/2211.01095",
        summary="Exponential multistep methods of the data prediction (2M, 3M) on any affine path, whatever the head",
        names=("DPMSolverPP",),
        tests=("tests/solvers/test_exponential.py", "tests/solvers/test_laws.py"),
    ),
    Method(
        id="unipc",
        family="solver",
        room="solvers",
        paper="UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models, "
        "https://arxiv.org/abs/2302.04867",
        summary="Exponential predictor and corrector of the data prediction with one evaluation a step",
        names=("UniPC",),
        tests=("tests/solvers/test_exponential.py", "tests/solvers/test_laws.py"),
    ),
    Method(
        id="ddim",
        family="solver",
        room="solvers",
        paper="Denoising Diffusion Implicit Models, https://arxiv.org/abs/2010.02502",
        summary="Both ends put together again, with a churn that keeps the marginals; at 1 the ancestral step of DDPM",
        names=("DDIM",),
        tests=("tests/solvers/test_ddim.py",),
    ),
    Method(
        id="time_grids",
        family="solver",
        room="solvers.grids",
        paper="Elucidating the Design Space of Diffusion-Based Generative Models, https://arxiv.org/abs/2206.00364; "
        "DPM-Solver, https://arxiv.org/abs/2206.00927",
        summary="Steps equal in time, in log SNR, in EDM's levels, or placed where a pilot batch had its errors",
        names=("Uniform", "LogSNR", "EDM", "Placed", "by_error"),
        tests=("tests/solvers/test_grids.py",),
    ),
    Method(
        id="discrete_flow_matching",
        family="objective",
        room="objectives",
        paper="Discrete Flow Matching, https://arxiv.org/abs/2407.15595",
        summary="Tokens that jump from mask, uniform or paired sources to data; trained by cross-entropy or the bound, "
        "sampled by exact jumps, with corrector, temperature and order of unmasking",
        names=("DiscreteFlowMatching",),
        tests=(
            "tests/paths/test_mixture.py",
            "tests/solvers/test_tokens.py",
            "tests/objectives/test_discrete_flow_matching.py",
            "tests/oracles/test_token_law.py",
        ),
    ),
    Method(
        id="discrete_elbo",
        family="likelihood",
        room="inference",
        paper="Flow Matching with General Discrete Paths: A Kinetic-Optimal Perspective, "
        "https://arxiv.org/abs/2412.03487; Discrete Flow Matching, https://arxiv.org/abs/2407.15595",
        summary="A lower bound of the log-likelihood of tokens, unbiased to the end of time; tight under the mask",
        names=("elbo",),
        tests=("tests/inference/test_elbo.py",),
    ),
    Method(
        id="intensity_free_tpp",
        family="objective",
        room="objectives",
        paper="Intensity-Free Learning of Temporal Point Processes, https://arxiv.org/abs/1909.12127",
        summary="Point processes by the law of the next waiting time: log-normal mixtures or flows over a recurrent "
        "history, with exact likelihood and draws",
        names=("IntensityFree",),
        tests=(
            "tests/objectives/test_intensity_free.py",
            "tests/fields/test_waiting_laws.py",
            "tests/oracles/test_point_processes.py",
        ),
    ),
    Method(
        id="layout_flow",
        family="objective",
        room="objectives",
        paper="LayoutFlow: Flow Matching for Layout Generation, https://arxiv.org/abs/2403.18187",
        summary="Layouts of labelled boxes by one flow for several tasks: from nothing, from labels or sizes, "
        "completed or refined, with what is given left as it is",
        names=("LayoutFlow",),
        tests=("tests/objectives/test_layout_flow.py", "tests/metrics/test_layouts.py", "tests/data/test_layouts.py"),
    ),
    Method(
        id="catflow",
        family="head",
        room="fields",
        paper="Variational Flow Matching for Graph Generation, https://arxiv.org/abs/2406.04843",
        summary="Flow matching of one-hot vectors in flat space by the cross-entropy of their classes; graphs by an "
        "equivariant transformer",
        names=("OneHot",),
        tests=("tests/fields/test_one_hot.py", "tests/nets/test_graphs.py", "tests/metrics/test_graph_statistics.py"),
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
