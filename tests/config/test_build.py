"""Mappings to parts and back; every mistake in a configuration is one sentence that names the nearest right thing."""

import math

import pytest
import torch
import yaml
from torch import nn

from pushforward import recipes
from pushforward.config import (
    METHODS,
    Config,
    Experiment,
    Partial,
    build,
    build_partial,
    describe,
    guide,
    kinds,
    override,
    parse,
    read_yaml,
    write_yaml,
)
from pushforward.core import Coupling, Incompatible, InvalidInput, Objective, Path, Solver
from pushforward.couplings import EntropicOT, ExactOT
from pushforward.data import Moons, Toy
from pushforward.guidance import ClassifierFree, Interval
from pushforward.objectives import FlowMatching, SecondOrder
from pushforward.paths import Affine, Brownian, CondOT, Cosine
from pushforward.solvers import PI, Dopri5
from pushforward.transport import PNorm


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_written_and_read_back_alike(name):
    config = parse(recipes.load(name))
    resolved = config.resolved()
    again = parse(override(resolved, {}))
    assert again.resolved() == resolved
    assert config.recipe == name
    assert recipes.summary(name).endswith(".")


@pytest.mark.parametrize("name", recipes.names())
def test_resolved_recipes_survive_yaml(name, tmp_path):
    file = tmp_path / "config.yaml"
    resolved = parse(recipes.load(name)).resolved()
    file.write_text(write_yaml(resolved))
    assert read_yaml(file) == resolved


def test_parts_by_name_by_mapping_and_nested():
    assert build("ExactOT", Coupling, "coupling") == ExactOT()
    assert build({"type": "EntropicOT", "epsilon": "1e-1"}, Coupling, "coupling") == EntropicOT(epsilon=0.1)
    coupling = build({"type": "ExactOT", "cost": {"type": "PNorm", "p": 1}}, Coupling, "coupling")
    assert coupling == ExactOT(PNorm(1.0))
    assert build(describe(coupling), Coupling, "coupling") == coupling
    path = build({"type": "Affine", "schedule": "Cosine", "latent": {"type": "Brownian", "scale": 2}}, Path, "path")
    assert path == Affine(Cosine(), Brownian(2.0))
    assert build(describe(path), Path, "path") == path


def test_a_tuple_of_parts_is_a_list_of_names_and_mappings():
    spec = {"type": "FlowMatching", "terms": ["SecondOrder", {"type": "SecondOrder", "strength": 0.2}]}
    objective = build(spec, Objective, "objective")
    assert objective == FlowMatching(terms=(SecondOrder(), SecondOrder(0.2)))
    assert build(describe(objective), Objective, "objective") == objective
    with pytest.raises(InvalidInput, match=r"objective.terms.1: unknown name 'SecndOrder'; did you mean SecondOrder"):
        build({"type": "FlowMatching", "terms": ["SecondOrder", "SecndOrder"]}, Objective, "objective")


def test_every_registered_part_is_a_class_that_its_slot_names():
    for slot, members in kinds().items():
        for name, part in members.items():
            assert part.__name__ == name
            assert isinstance(part, type), slot


NEEDED = {  # what a part cannot do without
    "CFGZeroStar": {"scale": 2.0},
    "ClassifierFree": {"scale": 2.0},
    "Corrected": {"solver": "ExactJump"},
    "Dispersive": {"objective": "FlowMatching", "repulsion": "InfoNCE", "layer": "rest.1"},
    "ImageFolder": {"path": "images", "size": 8},
    "Interval": {"guidance": {"type": "ClassifierFree", "scale": 2.0}, "low": 0.2, "high": 0.8},
    "Joint": {"coupling": "CARFlow", "objective": "FlowMatching"},
    "KineticOptimal": {"speeds": [0.5, 1.0]},
    "Labelled": {"distribution": "Moons"},
    "Mixture": {"space": {"type": "Tokens", "vocab": 4}},
    "NeuralFlowDiffusion": {"process": {"type": "NeuralPath", "mean": "MLP", "scale": "MLP"}},
    "NeuralPath": {"mean": "MLP", "scale": "MLP"},
    "Geodesic": {"space": "Sphere"},
    "GeodesicCost": {"space": "Sphere"},
    "Placed": {"times": [0.0, 0.25, 1.0]},
    "Polytope": {"normals": [[1.0], [-1.0]], "bounds": [1.0, 1.0]},
    "Sequences": {"path": "sequences.csv", "tokeniser": {"type": "Smiles", "symbols": ["C", "O"]}},
    "Table": {"path": "table.csv"},
    "TextFile": {"path": "text.txt"},
    "Tokens": {"vocab": 4},
    "Trigonometric": {"latent": "Brownian"},
}
LATE = ("shape", "classes", "features", "field", "path")


@pytest.mark.parametrize(
    ("slot", "name"), [(slot, name) for slot, members in kinds().items() for name in members], ids=str
)
def test_every_registered_part_is_built_again_from_what_is_written_of_it(slot, name):
    late = tuple(argument for argument in LATE if argument not in NEEDED.get(name, {}))
    first = build_partial({"type": name, **NEEDED.get(name, {})}, slot, "slot", late)
    written = yaml.safe_load(write_yaml(describe(first)))
    again = build_partial(written, slot, "slot", late)
    assert describe(again) == written
    if not first.late and not first.nested:
        assert again() == first()
        assert build(yaml.safe_load(write_yaml(describe(first()))), slot, "slot") == first()


def test_a_dataclass_that_is_no_part_may_name_its_own_type_and_no_other():
    controller = {"type": "PI", **{key: value for key, value in describe(PI()).items() if key != "type"}}
    assert build({"type": "Dopri5", "controller": controller}, Solver, "solver") == Dopri5()
    with pytest.raises(InvalidInput, match=r"solver\.controller\.type"):
        build({"type": "Dopri5", "controller": {**controller, "type": "PID"}}, Solver, "solver")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"copling": "ExactOT"}, "unknown key 'copling'.*did you mean coupling"),
        ({"coupling": "ExcatOT"}, "coupling: unknown name 'ExcatOT'; did you mean ExactOT"),
        ({"coupling": {"type": "EntropicOT", "epsilom": 1}}, "coupling.epsilom.*did you mean epsilon"),
        ({"coupling": {"epsilon": 1}}, "coupling: got .*expected a class name"),
        ({"coupling": 3}, "coupling: got 3"),
        ({"path": {"type": "Affine", "schedule": "CondOt"}}, "path.schedule: unknown name.*CondOT"),
        ({"training": {"steps": "many"}}, "training.steps: got 'many'"),
        ({"training": {"stpes": 3}}, "training.stpes.*did you mean steps"),
        ({"training": {"steps": -5}}, "training.steps is -5"),
        ({"training": 5}, "training: got 5, expected a mapping"),
        ({"net": {"type": "MLP", "shape": [2]}}, "net.shape.*no such field"),
        ({"net": {"type": "MLP", "width": "wide"}}, "net.width: got 'wide'"),
        ({"objective": "FlowMaching"}, "did you mean FlowMatching"),
        ({"sampling": {"steps": 0}}, "sampling.steps: got 0"),
        ({"sampling": {"guidance": {"type": "CFGZero", "scale": 2.0}}}, "sampling.guidance.*CFGZeroStar"),
        ({"sampling": {"guidance": math.nan}}, "sampling.guidance: got nan"),
        ({"sampling": {"guidance": -1}}, "sampling.guidance: got -1"),
        ({"sampling": {"guidance": True}}, "sampling.guidance: got True"),
        ({"sampling": {"guidance": "CFGZeroStar"}}, "sampling.guidance.scale is not set"),
        ({"sampling": {"guidance": {"type": "CFGZeroStar", "scale": -2.0}}}, "CFGZeroStar got scale=-2.0"),
        ({"sampling": {"guidance": {"type": "Interval", "guidance": "Interval", "low": 0, "high": 1}}}, "unknown name"),
        ({"sampling": {"guidance": {"type": "Autoguidance", "scale": 2.0}}}, "unknown name 'Autoguidance'"),
        ({"sampling": 7}, "sampling: got 7"),
        ({"evaluation": {"samples": 5}}, "evaluation.samples: got 5, expected at least 6"),
        ({"seed": "x"}, "seed: got 'x'"),
        ({"seed": 3.5}, r"seed: got 3\.5"),
    ],
)
def test_mistakes_are_told_where_and_how_to_mend_them(spec, message):
    with pytest.raises(InvalidInput, match=message):
        parse(spec)


def test_parts_that_make_no_sense_together_are_refused_when_read():
    spec = {"path": {"type": "Affine", "latent": "Brownian"}, "objective": {"type": "FlowMatching", "head": "Endpoint"}}
    with pytest.raises(Incompatible, match="latent"):
        parse(spec)
    with pytest.raises(Incompatible, match="give one of the two"):
        Config(path=Affine(Cosine()), objective=FlowMatching(Affine(CondOT())))


def test_dotted_keys_replace_values_and_open_parts_given_by_name():
    spec = {"coupling": "EntropicOT", "training": {"steps": 5}}
    found = override(spec, {"coupling.epsilon": 0.2, "training.steps": 7, "seed": 3})
    assert found == {"coupling": {"type": "EntropicOT", "epsilon": 0.2}, "training": {"steps": 7}, "seed": 3}
    assert spec["coupling"] == "EntropicOT"
    assert spec["training"]["steps"] == 5


def test_guidance_is_a_scale_or_a_part_that_waits_for_its_field():
    assert parse({"sampling": {"guidance": 1.5}}).sampling.guidance == 1.5
    part = parse({"sampling": {"guidance": {"type": "CFGZeroStar", "scale": 2.0}}}).sampling.guidance
    assert isinstance(part, Partial)
    assert part(field=lambda x, t, cond=None: x).scale == 2.0


def test_a_guidance_within_a_guidance_waits_for_the_same_field(tmp_path):
    inner = {"type": "ClassifierFree", "scale": 2.0}
    config = parse({"sampling": {"guidance": {"type": "Interval", "guidance": inner, "low": 0.2, "high": 0.8}}})
    field = lambda x, t, cond=None: x
    assert guide(field, config.sampling.guidance) == Interval(ClassifierFree(field, 2.0), 0.2, 0.8)
    (tmp_path / "config.yaml").write_text(write_yaml(config.resolved()))
    again = parse(read_yaml(tmp_path / "config.yaml"))
    assert guide(field, again.sampling.guidance) == guide(field, config.sampling.guidance)


def test_guidance_over_data_without_conditions_is_refused_before_anything_is_trained():
    config = parse({"sampling": {"guidance": 2.0}})
    with pytest.raises(Incompatible, match=r"sampling\.guidance.*the data have none"):
        Experiment(config, Toy(Moons()).load())
    Experiment(config, Toy(Moons(), labels=True).load())


def test_yaml_errors_name_file_and_line(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("seed: 0\npath: [1, 2\n")
    with pytest.raises(InvalidInput, match=r"broken\.yaml, line"):
        read_yaml(broken)
    broken.write_text("- 1\n- 2\n")
    with pytest.raises(InvalidInput, match="expected a mapping"):
        read_yaml(broken)
    with pytest.raises(InvalidInput, match=r"missing\.yaml: cannot be read"):
        read_yaml(tmp_path / "missing.yaml")
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_yaml(broken)


def test_objects_outside_the_register_cannot_be_written():
    with pytest.raises(InvalidInput, match="Linear cannot be written"):
        Config(net=nn.Linear(2, 2)).resolved()
    with pytest.raises(InvalidInput, match="cannot be written"):
        describe(FlowMatching(weight=lambda t: t))


def test_experiments_build_nets_for_the_shapes_of_the_data_and_the_seed_alone():
    config = parse({"data": {"type": "Toy", "labels": True}, "net": {"type": "MLP", "width": 8, "depth": 1}, "seed": 4})
    state = torch.get_rng_state()
    first, second = Experiment.of(config).net(), Experiment.of(config).net()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first(torch.zeros(3, 2), torch.zeros(3), torch.tensor([0, 1, -1])).shape == (3, 2)


def test_what_holds_for_independent_noise_is_not_trained_on_other_pairs():
    spec = {"objective": {"type": "FlowMatching", "terms": ["SecondOrder"]}}
    noise, pairs = Toy(Moons()).load(), Toy(source=Moons(), target=Moons()).load()
    assert Experiment(parse(spec), noise).objective().reads_noise
    for found, data in ((parse(spec | {"coupling": "ExactOT"}), noise), (parse(spec), pairs)):
        with pytest.raises(Incompatible, match="this FlowMatching starts from independent noise"):
            Experiment(found, data).objective()
    plain = {"objective": "FlowMatching"}
    assert Experiment(parse(plain | {"coupling": "ExactOT"}), pairs).objective()


def test_experiments_without_data_or_net_say_so():
    with pytest.raises(InvalidInput, match="names no data"):
        Experiment.of(parse({}))
    with pytest.raises(InvalidInput, match="names no net"):
        Experiment(parse({}), Toy(Moons()).load()).net()
    with pytest.raises(InvalidInput, match=r"data\.path is not set.*--set data\.path"):
        Experiment.of(parse({"data": "Table"}))


def test_the_table_of_methods_points_at_things_that_exist():
    from pathlib import Path as File

    root = File(__file__).parents[2]
    assert len({m.id for m in METHODS}) == len(METHODS)
    for method in METHODS:
        assert all(part.__doc__ for part in method.parts()), method.id
        assert all((root / test).exists() for test in method.tests), method.id
        assert method.recipe is None or method.recipe in recipes.names()
        assert "https://" in method.paper
        assert set(method.plain()) == {"id", "family", "room", "paper", "recipe", "tests", "summary"}
