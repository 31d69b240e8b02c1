"""Translators of two recurrent networks and attention between them: an encoder reads, a decoder writes word by word.

Without attention the decoder had only the encoder's last state to go by, whatever the sentence's length (Sutskever et al.
2014, arXiv:1409.3215); with it, each step looks back at every word that was read.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.forerunners.scores import AdditiveScore, MultiplicativeScore


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig:
    """kind: "bahdanau" or "luong"; attention: False leaves it out, the decoder then reads the whole sentence as the
    encoder's last state at every step (Cho et al. 2014, arXiv:1406.1078). Widths are counts of numbers."""

    kind: str
    n_source: int
    n_target: int
    d_embed: int
    d_state: int
    dropout: float = 0.0
    attention: bool = True

    def to_dict(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Memory:
    """What the encoder leaves: annotations (B, S, 2N or N), the same as the score wants them, which are words (B, S)."""

    annotations: Tensor
    prepared: Tensor | None
    is_word: Tensor


@dataclass(frozen=True)
class Step:
    """One step of the decoder: `asked` (B, N) is the state that asks, energies and weights (B, S), context (B, 2N or N);
    energies and weights are None without attention. read (B, M) is what the word is chosen by."""

    asked: Tensor
    energies: Tensor | None
    weights: Tensor | None
    context: Tensor
    read: Tensor


class _Translator(nn.Module):
    """What both have: word vectors, dropout, and the loop over the words of a translation."""

    def __init__(self, cfg: RecurrentConfig):
        super().__init__()
        self.config = cfg
        self.source_embed = nn.Embedding(cfg.n_source, cfg.d_embed)
        self.target_embed = nn.Embedding(cfg.n_target, cfg.d_embed)
        self.drop = nn.Dropout(cfg.dropout)

    def forward(self, source: Tensor, lengths: Tensor, before: Tensor) -> Tensor:
        """source (B, S) ids padded at the end, lengths (B,); before (B, T): the word before each, as it should be
        ("teacher forcing"). Gives logits (B, T, V)."""
        memory, state = self.encode(source, lengths)
        vectors = self.drop(self.target_embed(before))  # (B, T, M)
        read = []
        for vector in vectors.unbind(1):
            step, state = self.step(vector, state, memory)
            read.append(step.read)
        return self.word(self.drop(torch.stack(read, dim=1)))

    def _read(self, network: nn.Module, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (B, S, ·) of the network at every word, and its last state."""
        vectors = self.drop(self.source_embed(source))  # (B, S, M)
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        outputs, last = network(packed)
        annotations, _ = pad_packed_sequence(outputs, batch_first=True, total_length=source.shape[1])
        return annotations, last

    def _memory(self, annotations: Tensor, lengths: Tensor) -> Memory:
        is_word = torch.arange(annotations.shape[1]) < lengths[:, None]  # (B, S)
        return Memory(annotations, None if self.score is None else self.score.prepare(annotations), is_word)

    def _attend(self, state: Tensor, memory: Memory, last: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Energies, weights and the context that they give; `last` (B, ·) is the context without attention."""
        if self.score is None:
            return None, None, last
        energies = self.score(state, memory.prepared).masked_fill(~memory.is_word, float("-inf"))  # (B, S)
        weights = energies.softmax(dim=-1)
        return energies, weights, (weights[:, None] @ memory.annotations).squeeze(1)


class Bahdanau(_Translator):
    """RNNsearch (Bahdanau et al. 2014, arXiv:1409.0473, appendix A): a bidirectional GRU reads, so that a word's annotation
    knows both sides of it; a GRU writes, whose state *before* a word asks where to look."""

    def __init__(self, cfg: RecurrentConfig):
        super().__init__(cfg)
        n, m = cfg.d_state, cfg.d_embed
        self.encoder = nn.GRU(m, n, batch_first=True, bidirectional=True)
        self.first = nn.Linear(n, n)
        self.score = AdditiveScore(n, 2 * n, n) if cfg.attention else None
        self.cell = nn.GRUCell(m + 2 * n, n)
        self.maxout = nn.Linear(n + m + 2 * n, 2 * m)
        self.word = nn.Linear(m, cfg.n_target)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Memory, tuple[Tensor, Tensor]]:
        """Annotations (B, S, 2N), and the decoder's first state (B, N), from the backward network's at the first word."""
        annotations, last = self._read(self.encoder, source, lengths)
        ends = torch.cat((last[0], last[1]), dim=-1)  # (B, 2N)
        return self._memory(annotations, lengths), (torch.tanh(self.first(last[1])), ends)

    def step(self, vector: Tensor, state: tuple, memory: Memory) -> tuple[Step, tuple]:
        """The word after the one with `vector` (B, M)."""
        before, ends = state
        energies, weights, context = self._attend(before, memory, ends)
        read = self.maxout(torch.cat((before, vector, context), dim=-1))  # (B, 2M)
        read = read.unflatten(-1, (-1, 2)).amax(dim=-1)  # of each pair the larger: (B, M)
        after = self.cell(torch.cat((vector, context), dim=-1), before)
        return Step(before, energies, weights, context, read), (after, ends)


class Luong(_Translator):
    """Global attention with input feeding (Luong et al. 2015, arXiv:1508.04025, sections 3.1 and 3.3): LSTMs; the state
    *after* a word was read asks, and what attention gave is fed to the next step."""

    def __init__(self, cfg: RecurrentConfig):
        super().__init__(cfg)
        n, m = cfg.d_state, cfg.d_embed
        self.encoder = nn.LSTM(m, n, batch_first=True)
        self.score = MultiplicativeScore(n, n) if cfg.attention else None
        self.cell = nn.LSTMCell(m + n, n)
        self.joined = nn.Linear(2 * n, m, bias=False)
        self.fed = nn.Linear(m, n, bias=False)
        self.word = nn.Linear(m, cfg.n_target)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Memory, tuple]:
        """Annotations (B, S, N); the decoder goes on from the encoder's last state."""
        annotations, (hidden, cell) = self._read(self.encoder, source, lengths)
        nothing = torch.zeros(source.shape[0], self.config.d_embed)
        return self._memory(annotations, lengths), (hidden[0], cell[0], nothing, hidden[0])

    def step(self, vector: Tensor, state: tuple, memory: Memory) -> tuple[Step, tuple]:
        """The word after the one with `vector` (B, M)."""
        hidden, cell, fed, end = state
        hidden, cell = self.cell(torch.cat((vector, self.fed(fed)), dim=-1), (hidden, cell))
        energies, weights, context = self._attend(hidden, memory, end)
        attentional = torch.tanh(self.joined(torch.cat((context, hidden), dim=-1)))  # (B, M)
        return Step(hidden, energies, weights, context, attentional), (hidden, cell, attentional, end)


TRANSLATORS = {"bahdanau": Bahdanau, "luong": Luong}
