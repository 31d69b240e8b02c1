"""The attentions of a model, in groups: those of a single stack, of an encoder, a decoder, between both, of either tower."""

from dataclasses import dataclass

from models.config import LayerConfig, ModelConfig


@dataclass(frozen=True)
class Group:
    """Attentions that read the same places. name: "self" of a single stack; "encoder", "decoder", "cross"; "text", "vision".

    config: that of the stack. queries and keys name the sequences that rows and columns stand for, as in
    `models.inspection.inputs.Inputs`.
    """

    name: str
    config: ModelConfig
    n_layers: int
    queries: str
    keys: str
    path_of_layers: str
    part: str = "attn"

    def path(self, layer: int) -> str:
        """Where the attention of a layer is in the model, and in the names of its taps."""
        return f"{self.path_of_layers}layers.{layer}.{self.part}"

    def paths(self) -> list[str]:
        """That of every layer."""
        return [self.path(layer) for layer in range(self.n_layers)]

    def layer(self, index: int) -> LayerConfig:
        """What the layer is, where layers differ."""
        return self.config.encoder_layer(index) if self.name == "encoder" else self.config.layer(index)


def groups_of(config: ModelConfig) -> list[Group]:
    """Every group of a model, in the order of computing."""
    n_layers = config.n_layers
    if config.structure == "encoder_decoder":
        return [
            Group("encoder", config, config.n_encoder_layers, "source", "source", "encoder."),
            Group("decoder", config, n_layers, "text", "text", "decoder."),
            Group("cross", config, n_layers, "text", "source", "decoder.", "cross_attn"),
        ]
    if config.structure == "two_towers":
        tower = config.vision_tower
        return [
            Group("text", config, n_layers, "text", "text", "text."),
            Group("vision", tower, tower.n_layers, "image", "image", "vision."),
        ]
    sequence = "text" if config.image is None else "image"
    return [Group("self", config, n_layers, sequence, sequence, "")]
