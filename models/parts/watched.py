"""What every kind of attention has besides its weights: a place in its stack, and taps where one may look in."""

from torch import Tensor, nn

from models.parts.no_position import NoPosition
from models.taps import Tap


class WatchedAttention(nn.Module):
    """The base of the attentions, which have an `o_proj` of their own.

    index: the layer's place in its stack. scale: what multiplies the scores. position: what turns queries and keys.
    """

    def __init__(self, index: int, scale: float, position: NoPosition | None = None):
        super().__init__()
        self.index, self.scale = index, scale
        if position is not None:
            # The stack owns the position part; attention only uses it, so it is not registered here a second time.
            self._rotate = position.rotate
        self.q, self.k, self.v = Tap("q"), Tap("k"), Tap("v")
        self.scores, self.probs = Tap("scores"), Tap("probs")
        self.head_out, self.out = Tap("head_out"), Tap("out")

    def joined(self, attended: Tensor) -> Tensor:
        """What the heads (B, H, T, d_head) have read, side by side through `o_proj`: (B, T, D)."""
        n_batch, _, n_new, _ = attended.shape
        side_by_side = self.head_out(attended).transpose(1, 2).reshape(n_batch, n_new, -1)  # (B, T, H·d_head)
        return self.out(self.o_proj(side_by_side))
