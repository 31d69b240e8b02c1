"""Two towers: a text and an image, each read by a transformer of its own, compared in one space."""

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.output import ModelOutput
from models.parts.linear import Linear
from models.taps import name_taps
from models.transformer import Transformer


class TwoTowers(nn.Module):
    """CLIP (Radford et al. 2021, arXiv:2103.00020, section 2.3): the last text token and the image's class token are
    projected to vectors of length 1, whose products, times a trained temperature, say which text fits which image."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        text = config.replace(structure="decoder", vision_tower=None, d_projection=None, text_end_id=None)
        self.text = Transformer(text)
        self.vision = Transformer(config.vision_tower)
        self.text_projection = Linear(config.d_model, config.d_projection, bias=False)
        self.vision_projection = Linear(config.vision_tower.d_model, config.d_projection, bias=False)
        self.logit_scale = nn.Parameter(torch.empty(()))
        name_taps(self)

    @property
    def weight(self) -> Tensor:
        """The text tower's token table, whose type and device are the model's."""
        return self.text.weight

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
    ) -> ModelOutput:
        """input_ids (texts, T) and pixel_values (images, C, height, width) give logits_per_image (images, texts).

        Either may be left out; then only the other's vectors are computed. A text is read at its end-of-text token: the
        first `text_end_id` (its first token, where there is none), or else the one with the highest id.
        """
        text = None if input_ids is None else self.text(input_ids, attention_mask)
        image = None if pixel_values is None else self.vision(pixel_values=pixel_values)
        text_embeds = None if text is None else self._project_text(text.hidden, input_ids)
        image_embeds = None if image is None else self._project_image(image.hidden)
        logits = None
        if text_embeds is not None and image_embeds is not None:
            logits = self.logit_scale.exp() * image_embeds @ text_embeds.T  # (images, texts)
        return ModelOutput(
            text_embeds=text_embeds, image_embeds=image_embeds, logits_per_image=logits, **_routed(text, image)
        )

    def _project_text(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """hidden (B, T, D) of input_ids (B, T) as vectors of length 1, (B, d_projection)."""
        end_id = self.config.text_end_id
        ends = (input_ids if end_id is None else (input_ids == end_id).int()).argmax(dim=-1)  # (B,)
        at_end = hidden[torch.arange(len(ends), device=ends.device), ends]  # (B, D)
        return nn.functional.normalize(self.text_projection(at_end), dim=-1)

    def _project_image(self, hidden: Tensor) -> Tensor:
        """hidden (B, 1 + patches, D) as vectors of length 1, (B, d_projection)."""
        return nn.functional.normalize(self.vision_projection(hidden[:, 0]), dim=-1)


def _routed(*towers: ModelOutput | None) -> dict:
    """What the routers of the towers ask for, in sum, and where their tokens went, as in `ModelOutput`."""
    found = [out for out in towers if out is not None and out.routings]
    if not found:
        return {}
    return {
        "aux_loss": sum(out.aux_loss for out in found),
        "aux_loss_by_layer": sum(out.aux_loss_by_layer for out in found),
        "z_loss": sum(out.z_loss for out in found),
        "routings": tuple(routing for out in found for routing in out.routings),
    }
