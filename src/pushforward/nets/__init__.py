"""Reference networks `net(x, t, cond)` that answer with something shaped like `x`, and the embeddings they share.

Networks know no flows: paths, heads and losses live in higher rooms, and what an answer means (velocity, endpoint,
noise) is not said here. Anything that is trained by another rule than these, or wraps another network, belongs
elsewhere.
"""

from pushforward.nets.corner_net import CornerNet
from pushforward.nets.dit import DiT
from pushforward.nets.embeddings import ConditionEmbedding, Context, TimeEmbedding
from pushforward.nets.joined import Joined
from pushforward.nets.mlp import MLP
from pushforward.nets.residual_mlp import ResidualMLP
from pushforward.nets.selu import SELU
from pushforward.nets.unet import UNet

__all__ = [
    "MLP",
    "SELU",
    "ConditionEmbedding",
    "Context",
    "CornerNet",
    "DiT",
    "Joined",
    "ResidualMLP",
    "TimeEmbedding",
    "UNet",
]
