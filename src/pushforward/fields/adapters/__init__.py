"""Foreign models in, ours out: fields made of other libraries' networks, and our fields in their clothes.

Time and sign conventions are converted here, at the door, and nowhere else. The other libraries are never imported:
their objects are known by the attributes that are read. What is done with a field does not live here.
"""

from pushforward.fields.adapters.diffusers import from_diffusers
from pushforward.fields.adapters.flow_matching import to_flow_matching

__all__ = ["from_diffusers", "to_flow_matching"]
