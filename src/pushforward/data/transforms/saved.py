"""Transforms as plain data, so that a saved run undoes them without the data they were fitted on."""

import inspect
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from pushforward.core import InvalidInput, nearest
from pushforward.data.transforms.affine_map import AffineMap
from pushforward.data.transforms.base import Transform
from pushforward.data.transforms.bounded import Bounded
from pushforward.data.transforms.clip import Clip
from pushforward.data.transforms.compose import Compose
from pushforward.data.transforms.dequantise import Dequantise
from pushforward.data.transforms.identity import Identity
from pushforward.data.transforms.logit import Logit
from pushforward.data.transforms.mirror_ball import MirrorBall
from pushforward.data.transforms.mirror_box import MirrorBox
from pushforward.data.transforms.mirror_polytope import MirrorPolytope
from pushforward.data.transforms.positive import Positive
from pushforward.data.transforms.simplex_log_ratio import SimplexLogRatio
from pushforward.data.transforms.standardise import Standardise

__all__ = ["describe_transform", "rebuild_transform"]

_TYPES = {
    kind.__name__: kind
    for kind in (
        AffineMap,
        Bounded,
        Clip,
        Compose,
        Dequantise,
        Identity,
        Logit,
        MirrorBall,
        MirrorBox,
        MirrorPolytope,
        Positive,
        SimplexLogRatio,
        Standardise,
    )
}


def describe_transform(transform: Transform) -> dict[str, Any]:
    """Type and numbers of a transform as plain data; its tensors are its `state_dict`.

    Example:
        >>> describe_transform(pf.data.Compose([pf.data.Dequantise(256), pf.data.Logit(0.1)]))
        {'type': 'Compose', 'parts': [{'type': 'Dequantise', 'levels': 256}, {'type': 'Logit', 'eps': 0.1}]}
    """
    kind = type(transform)
    if isinstance(transform, Compose):
        return {"type": "Compose", "parts": [describe_transform(cast(Transform, part)) for part in transform.parts]}
    values = {name: getattr(transform, name) for name in inspect.signature(kind).parameters}
    return {"type": kind.__name__} | {name: value for name, value in values.items() if not isinstance(value, Tensor)}


def rebuild_transform(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Transform:
    """The transform that `describe_transform` described, with the tensors of its `state_dict`.

    Example:
        >>> before = pf.data.Standardise.fit(torch.randn(8, 2))
        >>> after = rebuild_transform(describe_transform(before), before.state_dict())
        >>> torch.equal(after.mean, before.mean)
        True
    """
    numbers = {name: value for name, value in description.items() if name != "type"}
    name = description["type"]
    if name not in _TYPES:
        raise InvalidInput(f"unknown transform {name!r}; {nearest(name, _TYPES)}")
    if name == "Compose":
        below = [
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            for prefix in (f"parts.{i}." for i in range(len(numbers["parts"])))
        ]
        return Compose([rebuild_transform(part, own) for part, own in zip(numbers["parts"], below, strict=True)])
    return cast(Transform, cast(type[nn.Module], _TYPES[name])(**numbers, **tensors))
