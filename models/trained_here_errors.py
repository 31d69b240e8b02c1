"""What can go wrong where a visitor trains a model in the playground, or brings one that was trained there."""

TRAINED_HERE: dict[str, str] = {
    "model_here_gone": (
        "A model that was trained or brought here is kept for a while only, and this one is gone. Train it again, or bring "
        "the file that you downloaded."
    ),
    "train_unknown": "No preset is called {name}; of those that are trained here the nearest names are: {similar}.",
    "train_kind": (
        "A model with structure = {structure} and head = {head} is not trained here. Choose a decoder, a prefix decoder or "
        "an encoder-decoder that writes, or an encoder that fills masks."
    ),
    "train_too_large": "This design has {size} parameters; at most {limit} are trained here.",
    "train_too_deep": "This design has {n_layers} layers; at most {limit} are trained here.",
    "train_too_short": (
        "This design reads max_seq_len = {max_seq_len} tokens at once; to be trained here it must read at least {least}."
    ),
    "train_too_wide": "A step of this design needs {size} of memory; at most {limit} are given here. Make it narrower.",
    "train_vocabulary": (
        "The vocabulary of {vocab_size} ids fits no tokenizer here that this design can learn with; "
        "allowed: {low} to {high}."
    ),
    "train_text_short": "The text has {size} characters; at least {least} are needed to train on it.",
    "train_text_long": "The text has {size} bytes; at most {most} are read here.",
    "train_text_repeats": (
        "This text says the same over and over: what is held out of it to measure the loss on would be known already. "
        "Give one whose parts differ, of {least} characters or more."
    ),
    "train_full": "Too many visitors wait to train already. Try again in a few minutes.",
    "train_gone": "This training is over and forgotten; begin it again.",
    "train_race": "A race is run by {least} to {most} designs, not {count}.",
    "train_no_experts": "This design has no router that sends tokens to experts, so there is no load to watch.",
    "train_balance": "{balance} is no way to balance these experts; allowed: {allowed}.",
    "brought_too_large": "The file has {size}; at most {limit} are taken.",
    "brought_not_a_zip": "This is not a zip file that can be read. Bring the one that was downloaded here.",
    "brought_without": "The zip file lacks {file}. Bring the one that was downloaded here, whole.",
    "brought_foreign": "config.json in the zip file does not describe a model of this project. Bring one downloaded here.",
}
