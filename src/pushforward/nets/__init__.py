"""Reference networks `net(x, t, cond)` that answer with something shaped like `x`, and the embeddings they share.

Those of symbols answer with logits, one for every symbol that data may have.

Networks know no flows: paths, heads and losses live in higher rooms, and what an answer means (velocity, endpoint,
noise) is not said here. Anything that is trained by another rule than these, or wraps another network, belongs
elsewhere.
"""

from pushforward.nets.corner_net import CornerNet
from pushforward.nets.dit import DiT
from pushforward.nets.egnn import EGNN
from pushforward.nets.embeddings import ConditionEmbedding, Context, TimeEmbedding
from pushforward.nets.event_gru import EventGRU
from pushforward.nets.flattened import Flattened
from pushforward.nets.graph_transformer import GraphTransformer, as_matrix, as_pairs, walk_features
from pushforward.nets.hash_grid import HashGrid
from pushforward.nets.joined import Joined
from pushforward.nets.mlp import MLP
from pushforward.nets.motion_net import MotionNet
from pushforward.nets.residual_mlp import ResidualMLP
from pushforward.nets.selu import SELU
from pushforward.nets.set_transformer import SetTransformer
from pushforward.nets.simplex_input import SimplexInput
from pushforward.nets.token_classifier import TokenClassifier
from pushforward.nets.token_cnn import TokenCNN
from pushforward.nets.token_embedding import TokenEmbedding
from pushforward.nets.token_transformer import TokenTransformer
from pushforward.nets.transition_net import TransitionNet
from pushforward.nets.unet import UNet

__all__ = [
    "EGNN",
    "MLP",
    "SELU",
    "ConditionEmbedding",
    "Context",
    "CornerNet",
    "DiT",
    "EventGRU",
    "Flattened",
    "GraphTransformer",
    "HashGrid",
    "Joined",
    "MotionNet",
    "ResidualMLP",
    "SetTransformer",
    "SimplexInput",
    "TimeEmbedding",
    "TokenCNN",
    "TokenClassifier",
    "TokenEmbedding",
    "TokenTransformer",
    "TransitionNet",
    "UNet",
    "as_matrix",
    "as_pairs",
    "walk_features",
]
