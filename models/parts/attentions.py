"""The kinds of attention by name: those that `attention` chooses, and those that a mask brings."""

from models.parts.attention import multi_head
from models.parts.content_attention import lsh, routing
from models.parts.global_attention import longformer
from models.parts.latent_attention import latent

ATTENTIONS = {
    "mha": multi_head,
    "gqa": multi_head,
    "mqa": multi_head,
    "mla": latent,
    "longformer": longformer,
    "lsh": lsh,
    "kmeans": routing,
}
"""Name → factory `(cfg, layer, position)`."""
