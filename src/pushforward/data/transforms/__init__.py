"""Maps from data units to model units, with their inverses and log-determinants.

A transform is fitted once and then fixed, acts on rows one by one, and is saved with the run. What is learned together
with the model is no transform.
"""

from pushforward.data.transforms.affine_map import AffineMap
from pushforward.data.transforms.base import Transform, model_shape
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
from pushforward.data.transforms.saved import describe_transform, rebuild_transform
from pushforward.data.transforms.simplex_log_ratio import SimplexLogRatio
from pushforward.data.transforms.standardise import Standardise

__all__ = [
    "AffineMap",
    "Bounded",
    "Clip",
    "Compose",
    "Dequantise",
    "Identity",
    "Logit",
    "MirrorBall",
    "MirrorBox",
    "MirrorPolytope",
    "Positive",
    "SimplexLogRatio",
    "Standardise",
    "Transform",
    "describe_transform",
    "model_shape",
    "rebuild_transform",
]
