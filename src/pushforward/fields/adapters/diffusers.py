"""Fields from the networks and schedulers of Hugging Face diffusers."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.core import Cond, Field, Incompatible, InvalidInput, State, align, nearest, require

__all__ = ["from_diffusers"]

PREDICTIONS = ("epsilon", "v_prediction", "sample")
PURE = 1e-12  # the least abar and 1 - abar: tables of zero terminal SNR end at 0, whose log ratio is not finite


@dataclass(frozen=True)
class _Network:
    """A diffusers network as a function of state, timestep and condition."""

    model: Callable[..., Any]
    by_name: bool  # SD3 and Flux have `timestep` in fourth place, UNets and DiT in second

    @classmethod
    def of(cls, model: Callable[..., Any]) -> "_Network":
        """Looks once at how the model wants its timestep."""
        signature = inspect.signature(getattr(model, "forward", model))
        return cls(model, "timestep" in signature.parameters)

    def __call__(self, x: Tensor, timestep: Tensor, cond: Cond) -> Tensor:
        extras = {} if cond is None else cond if isinstance(cond, Mapping) else {"class_labels": cond}
        out = self.model(x, timestep=timestep, **extras) if self.by_name else self.model(x, timestep, **extras)
        if isinstance(out, Tensor):
            return out
        return out[0] if isinstance(out, tuple) else out.sample


@dataclass(frozen=True)
class _Flow:
    """Velocity of a network that says noise - data at timestep `steps` (1 - t)."""

    network: _Network
    steps: int

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        x, t = _enter(x, t)
        return -self.network(x, self.steps * (1 - t), cond)


@dataclass(frozen=True, eq=False)
class _Diffusion:
    """Velocity of CondOT from a variance-preserving network; `ratio` is log(sigma / alpha) at timesteps 0, 1, ..."""

    network: _Network
    prediction: str
    ratio: Float[Tensor, " T"]

    def __call__(self, x: State, t: Tensor, cond: Cond = None) -> State:
        x, t = _enter(x, t)
        ratio = self.ratio.to(t)
        t = t.clamp((-ratio[-1]).sigmoid(), (-ratio[0]).sigmoid())
        length = torch.hypot(t, 1 - t)
        z = (x / align(length, x)).to(x.dtype)  # a network in bf16 wants its states in bf16
        out = self.network(z, _lookup(-t.logit(), ratio), cond)
        if out.shape[1] == 2 * x.shape[1]:  # learned variances ride in the second half of the channels
            out = out[:, : x.shape[1]]
        t, length = align(t, x), align(length, x)
        match self.prediction:
            case "epsilon":
                v = (x - out) / t
            case "sample":
                v = (out - x) / (1 - t)
            case _:
                v = ((2 * t - 1) * z - out) / length
        return v.to(x.dtype)


def _enter(x: State, t: Tensor) -> tuple[Tensor, Tensor]:
    """The state, and its times in float32 or better: bf16 cannot tell timestep 998 from 1000."""
    if not isinstance(x, Tensor):
        raise InvalidInput(
            f"a diffusers network got a state with leaves {sorted(x)}, expected one tensor; give x alone"
        )
    return x, t.to(torch.promote_types(t.dtype, torch.float32))


def _lookup(value: Float[Tensor, " b"], table: Float[Tensor, " T"]) -> Float[Tensor, " b"]:
    """Fractional index of `value` in an increasing table."""
    above = torch.searchsorted(table, value).clamp(1, len(table) - 1)
    low, high = table[above - 1], table[above]
    return (above - 1 + (value - low) / (high - low)).clamp(0, len(table) - 1)


def from_diffusers(model: Callable[..., Any], scheduler: Any) -> Field:
    r"""A diffusers network as a velocity field of CondOT, x_t = t x1 + (1 - t) x0 with noise x0 and data x1.

    Diffusion networks know :math:`z_n = \sqrt{\bar\alpha_n}\, x_1 + \sqrt{1 - \bar\alpha_n}\, x_0`. At equal
    signal-to-noise ratio the two states differ by a scale; because a variance-preserving pair has length one,

    .. math:: \sqrt{\bar\alpha_n / (1 - \bar\alpha_n)} = \frac{t}{1-t}, \qquad z = \frac{x}{\ell}, \quad
              \ell = \sqrt{t^2 + (1-t)^2}, \quad \sqrt{\bar\alpha_n} = \frac{t}{\ell},

    and the velocity :math:`v = \mathrm E[x_1 | x_t] - \mathrm E[x_0 | x_t]` becomes (derived; put these into
    x = t D + (1 - t) eps, and for v_prediction into D = alpha z - sigma out, eps = sigma z + alpha out)

    .. math:: v = \frac{x - \epsilon}{t}\ (\text{epsilon}), \qquad v = \frac{D - x}{1 - t}\ (\text{sample}), \qquad
              v = \frac{(2t-1)\,z - \mathrm{out}}{\ell}\ (\text{v\_prediction}).

    The timestep n is interpolated linearly in the log ratio and goes to the network as it is, fractional: the
    sinusoidal embeddings of diffusers take real numbers. Beyond the table time is held, so that all is finite at both
    ends: the field at t = 0 is that of the last timestep (t = 0.006 for DDPM's linear betas, 0.064 for Stable
    Diffusion's), at t = 1 that of the first. A noise predictor's errors are divided by t: start `solve` at a few
    hundredths, not at 0, and use v_prediction where the table ends in pure noise (zero terminal SNR).

    Flow matching networks say noise - data at timestep T (1 - t): v = -out. Their scheduler's `shift` moves the grid
    on which it samples, not the field.

    Source: Salimans & Ho, Progressive Distillation (ICLR 2022), https://arxiv.org/abs/2202.00512 (v_prediction);
        Schusterbauer et al., Diff2Flow (CVPR 2025), https://arxiv.org/abs/2506.02221, which interpolates t instead.

    Args:
        model: `model(x, timestep, ...)`, which gives a tensor, a tuple that starts with one, or an object with
            `.sample`; `timestep` `[B]` float32 or better. Learned variances are dropped. Nothing is moved or switched
            to `eval`. A network with other manners (Flux multiplies timesteps by 1000 itself) needs a small wrapper.
        scheduler: Only `alphas_cumprod` `[T]` and `config.prediction_type` (DDPM, DDIM, PNDM, Euler, DPM-Solver,
            ...) are read, or for flow matching (a FlowMatch... scheduler, or prediction type "flow_prediction")
            `config.num_train_timesteps`. Sampling belongs to `pf.solve`.

    Returns: A field. A tensor `cond` goes to the model as `class_labels`, a mapping as keyword arguments
        (`{"encoder_hidden_states": ...}`). Foreign models have their own null: `ClassifierFree(field, w, null=...)`.

    Raises: `Incompatible` for a scheduler or a prediction type that is none of these; `InvalidInput` for a table that
        does not fall.

    Example:
        >>> from types import SimpleNamespace
        >>> config = SimpleNamespace(prediction_type="epsilon")
        >>> scheduler = SimpleNamespace(config=config, alphas_cumprod=torch.linspace(0.999, 0.001, 1000))
        >>> field = from_diffusers(lambda sample, timestep: torch.zeros_like(sample), scheduler)
        >>> field(torch.ones(1, 2), torch.tensor([0.5]))
        tensor([[2., 2.]])
    """
    config, name = scheduler.config, type(scheduler).__name__
    prediction = getattr(config, "prediction_type", None)
    table = getattr(scheduler, "alphas_cumprod", None)
    # the flow matching schedulers leave the prediction unsaid, and so do flow maps and consistency models: names tell
    if prediction == "flow_prediction" or "FlowMatch" in name:
        require(
            not getattr(config, "invert_sigmas", False),
            f"{name} has invert_sigmas=True, which says data - noise at timestep T t; "
            "write the field yourself: lambda x, t, cond: model(x, T * t).sample",
            Incompatible,
        )
        return _Flow(_Network.of(model), config.num_train_timesteps)
    if table is None:
        raise Incompatible(
            f"{name} has no alphas_cumprod, and neither its name nor its prediction_type speaks of flow matching; "
            "give the DDPMScheduler or FlowMatchEulerDiscreteScheduler of the process that the model was trained on"
        )
    require(
        prediction in PREDICTIONS,
        f"{name} has prediction_type={prediction!r}, which is not understood; {nearest(str(prediction), PREDICTIONS)}",
        Incompatible,
    )
    require(
        getattr(config, "timestep_type", "discrete") == "discrete",
        f"{name} has timestep_type={getattr(config, 'timestep_type', None)!r}, expected 'discrete' timesteps 0..T-1; "
        "write the field yourself",
        Incompatible,
    )
    ratio = -torch.as_tensor(table).double().clamp(PURE, 1 - PURE).logit() / 2
    require(
        ratio.ndim == 1 and len(ratio) > 1 and bool((ratio.diff() > 0).all()),
        f"alphas_cumprod of {name} has shape {list(ratio.shape)} and does not fall at every timestep; expected the "
        "table [T] of the training process, from data to noise: try DDPMScheduler.from_config(scheduler.config)",
    )
    return _Diffusion(_Network.of(model), str(prediction), ratio)
