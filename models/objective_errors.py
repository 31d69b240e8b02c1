"""What a user can ask in vain of the page that shows objectives, as sentences of `models.errors.MESSAGES`."""

OBJECTIVES: dict[str, str] = {
    "mask_none_left": "No position is left to predict; draw at least one.",
    "mask_fates": (
        '{value} does not set fates; write {{7: "mask"}} and the like, with mask, random, keep, leave, or how many times '
        "the dice are thrown again."
    ),
    "mask_position": "Position {position} holds no text that could be masked; text is at {places}.",
    "mask_two_alike": "Choose two different positions.",
    "fill_mask_none": "The text has no [MASK]; write [MASK] where a word is to be filled in.",
    "fill_mask_too_long": (
        "The text has {n_tokens} tokens with its marks; this model reads at most {max_seq_len}. Shorten it."
    ),
    # Models that a visitor brings
    "brought_source": (
        "{name} cannot be a model: give the name of a repository on the Hugging Face hub, such as bert-base-uncased, or the "
        "path of a folder on this machine."
    ),
    "brought_folder_closed": "This page is served to other machines too, so folders are not opened; give a hub name.",
    "brought_no_masks": "{name} does not fill in masked words; give a BERT with its head for masked words.",
    "brought_full": "{limit} models have been brought here already, which is all that are kept; use one of them.",
}
