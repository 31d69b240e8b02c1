"""What a user can ask in vain of what looks inside a model, as sentences of `models.errors.MESSAGES`."""

INSPECTING: dict[str, str] = {
    "no_such_head": "The model has no {head}.",
    "mask_of_images": "A mask can be swapped where one stack reads tokens; this model reads images.",
    "no_position_to_drop": "This model has no position part: it knows the order of its tokens from the mask alone.",
    "order_of_towers": "The positions of two towers are not dropped here; choose a model of one text.",
    "lens_needs_vocabulary": "The logit lens needs a head over a vocabulary, and this model has none.",
    "whatif_says_nothing": "{title} has no head that predicts anything, so there is no answer that could change.",
    "before_no_words": "There is no word to read; write an English sentence.",
    "before_too_long": "The sentence has {n_words} words; at most {limit} are read here.",
}
