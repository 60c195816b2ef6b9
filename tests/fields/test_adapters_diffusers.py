"""Foreign networks made of the exact mixture give the exact field of CondOT back."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import pushforward as pf
from pushforward.core import Coeffs, Incompatible, InvalidInput
from pushforward.fields.adapters import from_diffusers
from pushforward.guidance import ClassifierFree
from pushforward.oracles import reference_mixture
from pushforward.paths import Affine, CondOT
from pushforward.solvers import RK4, solve

T = 1000


def squared_cosine():
    """abar of Nichol & Dhariwal, each beta at most 0.999."""
    bar = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + 0.008) / 1.008 * torch.pi / 2) ** 2
    return (1 - (1 - bar[1:] / bar[:-1]).clamp(max=0.999)).cumprod(0)


TABLES = {
    "linear": (1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64)).cumprod(0),
    "scaled linear": (1 - torch.linspace(0.00085**0.5, 0.012**0.5, T, dtype=torch.float64) ** 2).cumprod(0),
    "squared cosine": squared_cosine(),
    "linear in float32": (1 - torch.linspace(1e-4, 0.02, T)).cumprod(0),
}
PREDICTIONS = ["epsilon", "sample", "v_prediction"]
each_table = pytest.mark.parametrize("abar", TABLES.values(), ids=TABLES)
each_prediction = pytest.mark.parametrize("prediction", PREDICTIONS)


def ddpm(abar, prediction="epsilon", **config):
    return SimpleNamespace(alphas_cumprod=abar, config=SimpleNamespace(prediction_type=prediction, **config))


class Table:
    """The training process at real timesteps, interpolated by numpy: all that `along` asks of a path."""

    latent = None

    def __init__(self, abar, whole):
        abar = abar.double().numpy()
        self.alpha, self.sigma, self.whole = np.sqrt(abar), np.sqrt(1 - abar), whole

    def coeffs(self, timestep):
        n = timestep.numpy()
        if self.whole:
            assert np.abs(n - n.round()).max() < 1e-6
            alpha, sigma = (c[n.round().astype(int)] for c in (self.alpha, self.sigma))
        else:
            ratio = np.exp(np.interp(n, np.arange(len(self.alpha)), np.log(self.alpha / self.sigma)))
            alpha, sigma = ratio / np.hypot(1, ratio), 1 / np.hypot(1, ratio)
        return Coeffs(*map(torch.as_tensor, (alpha, sigma, 0 * alpha, 0 * sigma)))


class Perfect:
    """What a perfectly trained diffusion network would say."""

    def __init__(self, abar, prediction, whole=False):
        self.path, self.prediction = Table(abar, whole), prediction
        self.exact = reference_mixture().along(self.path)

    def __call__(self, sample, timestep):
        noise, data = self.exact.noise(sample, timestep), self.exact.endpoint(sample, timestep)
        c = self.path.coeffs(timestep.double())
        v = c.alpha[:, None] * noise - c.sigma[:, None] * data
        answer = {"epsilon": noise, "sample": data, "v_prediction": v}[self.prediction]
        return SimpleNamespace(sample=answer.to(sample.dtype))


class FlowMatchEulerDiscreteScheduler(SimpleNamespace):
    """As that of diffusers, by which it is known: a name and a config."""

    def __init__(self, **config):
        super().__init__(config=SimpleNamespace(num_train_timesteps=T, shift=3.0, **config))


def condot():
    return reference_mixture().along(Affine(CondOT()))


def visited(t, seed=0):
    """States that CondOT visits at `t`."""
    return condot().sample(len(t), t, generator=torch.Generator().manual_seed(seed))


def times_of(abar):
    alpha, sigma = abar.double().sqrt(), (1 - abar.double()).sqrt()
    return alpha / (alpha + sigma)


@each_prediction
@each_table
def test_at_the_timesteps_of_training_the_field_is_exact(abar, prediction):
    """The network knows whole timesteps only."""
    t = times_of(abar)
    field = from_diffusers(Perfect(abar, prediction, whole=True), ddpm(abar, prediction))
    x = visited(t)
    torch.testing.assert_close(field(x, t), condot()(x, t), rtol=1e-10, atol=1e-10)


@each_prediction
@each_table
def test_between_them_it_is_exact_for_a_network_that_knows_real_timesteps(abar, prediction):
    last, first = times_of(abar)[[-1, 0]]
    t = last + (first - last) * torch.rand(500, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    field = from_diffusers(Perfect(abar, prediction), ddpm(abar, prediction))
    x = visited(t)
    torch.testing.assert_close(field(x, t), condot()(x, t), rtol=1e-10, atol=1e-10)


@each_prediction
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_states_keep_their_precision_and_times_never_fall_below_float32(prediction, dtype):
    """Inside [0.1, 0.9] no formula divides by less than 0.1, so that an answer loses one digit and a half."""
    asked = []

    def network(sample, timestep):
        asked.append((sample.dtype, timestep.dtype))
        return Perfect(TABLES["linear"], prediction)(sample, timestep)

    t = torch.linspace(0.1, 0.9, 100)
    x = visited(t.double()).to(dtype)
    v = from_diffusers(network, ddpm(TABLES["linear"], prediction))(x, t.to(dtype))
    assert v.dtype == dtype
    assert asked == [(dtype, torch.float32)]
    loss = 30 * torch.finfo(dtype).eps
    torch.testing.assert_close(v.double(), condot()(x.double(), t.to(dtype).double()), rtol=loss, atol=4 * loss)


@each_prediction
def test_beyond_the_table_time_is_held(prediction):
    abar = TABLES["linear"]
    field = from_diffusers(Perfect(abar, prediction), ddpm(abar, prediction))
    x, zero = visited(torch.full((20,), 0.5, dtype=torch.float64)), torch.zeros(20, dtype=torch.float64)
    for t, held in ((zero, times_of(abar)[-1]), (zero + 1, times_of(abar)[0])):
        torch.testing.assert_close(field(x, t), condot()(x, held), rtol=1e-10, atol=1e-10)


def test_a_table_may_end_in_pure_noise():
    """abar = 0 is held at 1e-12, t = 1e-6: the field moves by that times its time derivative."""
    roots = TABLES["scaled linear"].sqrt()
    abar = (
        (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    ) ** 2  # Lin et al., common noise schedules are flawed
    assert abar[-1] == 0
    field = from_diffusers(Perfect(abar, "v_prediction", whole=True), ddpm(abar, "v_prediction"))
    x, zero = visited(torch.zeros(20, dtype=torch.float64)), torch.zeros(20, dtype=torch.float64)
    h = 1e-6
    slope = ((condot()(x, zero + h) - condot()(x, zero)) / h).abs().max()
    torch.testing.assert_close(field(x, zero), condot()(x, zero), rtol=0, atol=float(2 * h * slope))


@each_prediction
def test_followed_from_noise_it_arrives_where_the_exact_field_does(prediction):
    """Held times cost t^2 / 2 |dv/dt| at each end, 7e-5 for linear betas; the flow stretches it less than tenfold."""
    abar = TABLES["linear"]
    x0 = visited(torch.zeros(50, dtype=torch.float64))
    grid = torch.linspace(0, 1, 51, dtype=torch.float64)
    field = from_diffusers(Perfect(abar, prediction), ddpm(abar, prediction))
    arrived, wanted = (solve(f, x0, grid, solver=RK4()).x for f in (field, condot()))
    torch.testing.assert_close(arrived, wanted, rtol=0, atol=2e-3)


def straight(sample, timestep):
    """A perfect flow matching network: noise - data at timestep 1000 (noise level)."""
    return (-condot()(sample, 1 - timestep / T),)


@pytest.mark.parametrize(
    "scheduler",
    [
        FlowMatchEulerDiscreteScheduler(invert_sigmas=False),
        ddpm(TABLES["linear"], "flow_prediction", num_train_timesteps=T, use_flow_sigmas=True),
    ],
    ids=["flow matching", "multistep with flow_prediction"],
)
def test_flow_matching_networks_are_turned_round(scheduler):
    t = torch.linspace(0, 1, 50, dtype=torch.float64)
    x = visited(t)
    torch.testing.assert_close(from_diffusers(straight, scheduler)(x, t), condot()(x, t), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "scheduler",
    [ddpm(TABLES["linear"]), FlowMatchEulerDiscreteScheduler()],
    ids=["diffusion", "flow matching"],
)
class TestTheCall:
    x, t = torch.ones(3, 2), torch.tensor([0.2, 0.5, 0.7])

    def test_labels_and_mappings_reach_the_network(self, scheduler):
        def network(sample, timestep, encoder_hidden_states=None, class_labels=None):
            assert (encoder_hidden_states is None) != (class_labels is None)
            given = encoder_hidden_states if class_labels is None else class_labels[:, None]
            return sample * given

        field, labels = from_diffusers(network, scheduler), torch.tensor([1, 2, 3])
        alone = from_diffusers(lambda sample, timestep: sample * labels[:, None], scheduler)(self.x, self.t)
        torch.testing.assert_close(field(self.x, self.t, labels), alone, rtol=0, atol=0)
        mapping = {"encoder_hidden_states": labels[:, None]}
        torch.testing.assert_close(field(self.x, self.t, mapping), alone, rtol=0, atol=0)

    def test_guidance_takes_the_null_of_the_network(self, scheduler):
        field = from_diffusers(
            lambda x, n, class_labels: x * torch.tensor([1.0, 2, 5])[class_labels][:, None], scheduler
        )
        cond = torch.tensor([0, 1, 0])
        guided = ClassifierFree(field, 3.0, null=torch.tensor([2]))(self.x, self.t, cond)
        weak, strong = field(self.x, self.t, torch.full((3,), 2)), field(self.x, self.t, cond)
        torch.testing.assert_close(guided, weak + 3 * (strong - weak))

    def test_answers_may_be_tensors_tuples_or_objects(self, scheduler):
        plain = from_diffusers(lambda x, n: 2 * x, scheduler)(self.x, self.t)
        for wrap in (lambda y: (y, None), lambda y: SimpleNamespace(sample=y)):
            torch.testing.assert_close(from_diffusers(lambda x, n, w=wrap: w(2 * x), scheduler)(self.x, self.t), plain)

    def test_the_timestep_goes_by_name_where_it_has_one(self, scheduler):
        class Transformer(torch.nn.Module):
            def forward(self, hidden_states, encoder_hidden_states=None, timestep=None):
                assert encoder_hidden_states is None
                return hidden_states * timestep[:, None]

        by_place = from_diffusers(lambda x, n: x * n[:, None], scheduler)(self.x, self.t)
        torch.testing.assert_close(from_diffusers(Transformer(), scheduler)(self.x, self.t), by_place)

    def test_rows_do_not_see_their_neighbours(self, scheduler):
        field = from_diffusers(lambda x, n: x.sin() * n[:, None].cos(), scheduler)
        together = field(self.x, self.t)
        alone = torch.cat([field(self.x[k : k + 1], self.t[k : k + 1]) for k in range(3)])
        torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)

    def test_states_of_several_leaves_are_refused(self, scheduler):
        with pytest.raises(InvalidInput, match="one tensor"):
            from_diffusers(lambda x, n: x, scheduler)({"a": self.x}, self.t)


def test_learned_variances_are_dropped():
    images, t = torch.randn(3, 4, 2, 2), torch.tensor([0.2, 0.5, 0.7])
    with_variance = from_diffusers(lambda x, n: torch.cat([x.sin(), x + 7], 1), ddpm(TABLES["linear"]))
    without = from_diffusers(lambda x, n: x.sin(), ddpm(TABLES["linear"]))
    torch.testing.assert_close(with_variance(images, t), without(images, t), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("scheduler", "error", "match"),
    [
        (ddpm(TABLES["linear"], "epsilom"), Incompatible, "did you mean epsilon"),
        (ddpm(TABLES["linear"], None), Incompatible, "prediction_type=None"),
        (ddpm(TABLES["linear"], "v_prediction", timestep_type="continuous"), Incompatible, "continuous"),
        (ddpm(TABLES["linear"].flip(0)), InvalidInput, "not fall"),
        (ddpm(TABLES["linear"][:1]), InvalidInput, r"\[1\]"),
        (SimpleNamespace(config=SimpleNamespace(prediction_type="epsilon", sigma_max=80.0)), Incompatible, "neither"),
        (SimpleNamespace(config=SimpleNamespace(num_train_timesteps=T, shift=1.0)), Incompatible, "neither"),
        (FlowMatchEulerDiscreteScheduler(invert_sigmas=True), Incompatible, "invert_sigmas"),
    ],
)
def test_what_is_not_understood_is_refused(scheduler, error, match):
    with pytest.raises(error, match=match):
        from_diffusers(lambda x, n: x, scheduler)


def test_it_is_reached_from_the_package():
    assert pf.adapters.from_diffusers is from_diffusers


def tiny_unet(diffusers):
    torch.manual_seed(0)
    return diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        num_class_embeds=5,
    ).eval()


@each_prediction
@torch.no_grad()
def test_a_real_unet_sees_the_data_where_its_own_scheduler_does(prediction):
    """`DDIMScheduler.step` gives the denoiser D at whole timesteps, and v = (D - x) / (1 - t)."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    scheduler = diffusers.DDIMScheduler(prediction_type=prediction, clip_sample=False)
    unet, labels = tiny_unet(diffusers), torch.tensor([0, 3])
    field = from_diffusers(unet, scheduler)
    scheduler.set_timesteps(T)
    z = torch.randn(2, 3, 8, 8)
    for n in (30, 400, 800):
        alpha = scheduler.alphas_cumprod[n].double().sqrt()
        t = alpha / (alpha + (1 - alpha**2).sqrt())
        x = z * torch.hypot(t, 1 - t)
        data = scheduler.step(unet(z, n, class_labels=labels).sample, n, z).pred_original_sample
        v = field(x.float(), t.float().repeat(2), labels)
        torch.testing.assert_close(v, ((data - x) / (1 - t)).float(), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_a_real_flow_is_followed_as_by_its_own_scheduler():
    """The steps of FlowMatchEulerDiscreteScheduler are Euler's with our field on its grid, backwards."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    unet, labels = tiny_unet(diffusers), torch.tensor([0, 3])
    x = start = torch.randn(2, 3, 8, 8)
    scheduler.set_timesteps(5)
    for n in scheduler.timesteps:
        x = scheduler.step(unet(x, n, class_labels=labels).sample, n, x).prev_sample
    field = from_diffusers(unet, scheduler)
    ours = solve(field, start, 1 - scheduler.sigmas, solver=pf.solvers.Euler(), cond=labels).x
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)
