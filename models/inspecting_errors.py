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
    "before_empty_list": "Give a word to ask with, and a list of words with commas between them.",
    "before_long_list": "The list has {n_entries} entries; at most {limit} are looked over here.",
    # The maps of attention
    "attention_no_token": "There is no token to look at. Type at least one word.",
    "attention_no_tokenizer": "This model came without a tokenizer, so no text can be given to it. Choose another model.",
    "attention_no_head": "There is no head {head} in layer {layer} of {group}. There are: {known}.",
    "attention_too_long": (
        "The weights asked for are {count} numbers; at most {limit} are answered at once. Ask for a layer and a head, "
        'or for format="safetensors".'
    ),
    "attention_written": "What was written is given as a list of token ids, whole numbers from 0 on.",
    "attention_too_many_patches": (
        "A picture has {n_places} places for this model; the weights of all its heads are more than are looked at here. "
        "Choose fewer layers or larger patches."
    ),
}
