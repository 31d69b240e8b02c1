"""A model whose heads do known things: the first looks exactly one token back, the second at all that it sees alike."""

import torch

import models
from models.tokenizers import bytes_tokenizer

N_PLACES = 64
SHARPNESS = 40.0  # the score of the token before; that of all others is 0


def one_back() -> models.Loaded:
    """A decoder of one layer and two heads that reads bytes. Places are unit vectors, tokens nothing: the first head's
    query of place i is the key of place i − 1; the second has no queries."""
    config = models.preset("gpt2").replace(
        vocab_size=300,
        max_seq_len=N_PLACES,
        n_positions=N_PLACES,
        d_model=N_PLACES,
        d_head=N_PLACES,
        n_heads=2,
        n_kv_heads=2,
        n_layers=1,
        d_ff=16,
        norm="rmsnorm",
        biases=(),
    )
    model = models.build(config)
    with torch.no_grad():
        model.tok_embed.weight.zero_()
        model.position.weight.copy_(torch.eye(N_PLACES))
        q, k, v = model.layers[0].attn.qkv_proj.weight.split([2 * N_PLACES] * 3)
        q.zero_(), k.zero_(), v.normal_(generator=torch.Generator().manual_seed(0))
        # After the norm a place is √D long, and scores are divided by √d_head.
        k[:N_PLACES] = torch.eye(N_PLACES)
        q[:N_PLACES] = torch.eye(N_PLACES).roll(-1, dims=0) * SHARPNESS / N_PLACES**0.5
        q[N_PLACES - 1] = 0.0  # nothing is before the first place
    return models.Loaded(model, bytes_tokenizer(), config, "random")
