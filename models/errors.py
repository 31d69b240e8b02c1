"""What a user can do wrong, as sentences.

Every refusal of user input is an `InputError`: a `ValueError` with a code and the values that belong to it. The English
sentence is the template of `MESSAGES`; the playground fills a template of the visitor's language with the same values.
"""

MESSAGES: dict[str, str] = {
    # Configuration: one field
    "not_a_choice": "{field} = {value} is not known; allowed: {allowed}.",
    "not_an_integer": "{field} = {value} must be a whole number.",
    "not_a_number": "{field} = {value} must be a number.",
    "not_a_flag": "{field} = {value} must be true or false.",
    "out_of_range": "{field} = {value} is out of range; allowed: {low} to {high}.",
    "unknown_field": "{field} is no field of a model configuration; known fields: {allowed}.",
    "missing_field": "{field} is missing.",
    # Configuration: combinations
    "heads_do_not_divide": (
        "d_model = {d_model} cannot be divided among n_heads = {n_heads}; "
        "choose n_heads that divides {d_model}, or set d_head yourself."
    ),
    "mha_needs_all_kv_heads": (
        "Multi-head attention (mha) gives every query head its own key-value head: n_kv_heads must be {n_heads}, not "
        "{n_kv_heads}. For fewer, choose gqa or mqa."
    ),
    "mqa_needs_one_kv_head": (
        "Multi-query attention (mqa) shares one key-value head: n_kv_heads must be 1, not {n_kv_heads}. "
        "For more, choose gqa."
    ),
    "gqa_needs_groups": (
        "Grouped-query attention (gqa) needs n_kv_heads that divides n_heads = {n_heads} and lies between 1 and it; "
        "{n_kv_heads} does not. Allowed: {allowed}."
    ),
    "rotary_dim_too_large": (
        "rotary_dim = {rotary_dim} is more than a head has: d_head = {d_head}; choose an even number up to {d_head}."
    ),
    "rotary_dim_odd": "Rotary positions turn pairs of dimensions: rotary_dim = {rotary_dim} must be even.",
    "sinusoidal_needs_even_width": "Sinusoidal positions come in sine-cosine pairs: d_model = {d_model} must be even.",
    "only_for_rotary": "{field} belongs to rotary positions; with position = {position} leave it out.",
    "sliding_needs_window": "mask_pattern contains sliding: give window, the number of tokens that a query may look back.",
    "window_needs_sliding": "window = {window} has no effect unless mask_pattern contains sliding; leave it out.",
    "mask_pattern_empty": "mask_pattern is empty; it needs at least one of: {allowed}.",
    "mask_pattern_too_long": "mask_pattern has {length} entries; it repeats along the depth, so give at most {limit}.",
    "norm_bias_needs_layernorm": "RMSNorm has no bias; take norm out of biases, or choose layernorm.",
    "qk_norm_needs_rmsnorm": "Query-key norm is an RMSNorm over d_head; it goes with norm = rmsnorm, not {norm}.",
    "llama3_frequencies": (
        "llama3 scaling needs low_freq_factor below high_freq_factor; got {low_freq_factor} and {high_freq_factor}."
    ),
    # Forms
    "number_empty": "{field} is empty; give a number from {low} to {high}.",
    "not_an_object": "{field} must be an object of field names and values.",
    "not_a_text": "{field} = {value} must be a text.",
    # Presets
    "unknown_preset": "No preset is called {name}; nearest names: {similar}.",
    # Running
    "prompt_empty": "There is no token to start from; give at least one.",
    "prompt_too_long": "The prompt has {n_tokens} tokens; this model reads at most {max_seq_len}.",
    "token_out_of_range": "Token {token_id} is outside the vocabulary of {vocab_size} tokens.",
    "input_too_long": "The input reaches position {n_tokens}; this model has positions for {max_seq_len}.",
    "cache_full": "The cache holds {capacity} tokens; {n_tokens} do not fit.",
    "batch_shape": "{field} has the shape {value}; expected {expected}.",
    "unknown_tap": "No tap is called {name}; there are for example: {known}.",
    # Tokenizers
    "text_surrogate": "Character {position} of the text is half of a surrogate pair, which is no character; remove it.",
    "tokenizer_size": "A byte-level tokenizer needs at least {minimum} ids; {vocab_size} is too few.",
    "tokenizer_missing": "{folder} has no tokenizer: expected tokenizer.json, or vocab.json with merges.txt.",
    "tokenizer_broken": "{file} is not a tokenizer that can be read: {reason}",
    "tokenizer_spelling": "The vocabulary entry {token} has the character {character}, which spells no byte.",
    "tokenizer_kind": "{file} is a {kind} tokenizer without byte-level pieces; byte-level BPE can be read.",
    # Training
    "recipe_unknown": "No recipe is called {name}; there are: {known}. The path of a .toml file will do, too.",
    "recipe_unread": "{file} is not a recipe that can be read: {reason}",
    "recipe_field": "{field} = {value} cannot be: it must be {allowed}.",
    "corpus_folder_missing": "The corpus folder {folder} does not exist. The recipe wants these files in it: {wanted}.",
    "corpus_files_missing": "The corpus folder {folder} lacks {missing}. The recipe wants: {wanted}.",
    "corpus_no_text": "The corpus folder {folder} holds no .txt file. The recipe wants: {wanted}.",
    "corpus_empty": "{file} holds no document for training.",
    "corpus_too_short": "The corpora yield {available} training tokens; the recipe asks for {wanted}. Raise the passes.",
    "corpus_not_held_out": (
        "Of {documents} documents none could be held out to measure the loss on. Give more documents, or separate those "
        "of a file by lines that read <|endoftext|>."
    ),
    "checkpoint_differs": "The checkpoint {file} belongs to another training: {field} differs. Remove it to start anew.",
    # Weights: reading and writing model folders
    "weights_no_folder": "{folder} is neither a shipped model nor a folder nor the id of a model on the hub.",
    "weights_no_config": "The folder {folder} holds no config.json, so it is not known which model its weights are for.",
    "weights_bad_json": "{file} cannot be read as a JSON object: {reason}",
    "weights_unknown_type": "{folder}: model_type = {model_type} is not one that this core reads; it reads: {known}.",
    "weights_unsupported": "{model_type} with {field} = {value} is not built here; allowed: {allowed}.",
    "weights_quantized": "The weights in {folder} are quantized; give a folder with plain fp32, bf16 or fp16 weights.",
    "weights_no_tensors": (
        "The folder {folder} holds no weights: neither model.safetensors nor model.safetensors.index.json is there."
    ),
    "weights_pickle": (
        "{file} is a pickle, which can run any program when it is opened, so it is not read. "
        "Convert it to safetensors first, for example with save_pretrained of transformers."
    ),
    "weights_no_shard": "{index} lists {file}, which is not in the folder; the download may be incomplete.",
    "weights_damaged": "{file} is damaged or incomplete; copy or download it again. ({reason})",
    "weights_mismatch": (
        "The weights do not fit the configuration. Missing: {missing}. Unknown: {unknown}. "
        "Wrong shape (found ≠ expected): {misshapen}."
    ),
    "weights_no_hub": (
        "{name} is neither a shipped model nor a folder. To fetch it from the Hugging Face hub, install huggingface_hub."
    ),
    "weights_hub_failed": "{name} is no shipped model or folder, and the Hugging Face hub did not give it: {reason}",
    "weights_not_exportable": "{architecture}, the nearest class of transformers, cannot hold this model: {losses}.",
    # Weights: GGUF files, their cache, and models that installed packages bring
    "gguf_no_package": "{file} is a GGUF file. To read it, install the package that knows the format: {command}",
    "gguf_damaged": "{file} is not a whole GGUF file; copy or download it again. ({reason})",
    "gguf_architecture": "{file} holds the architecture {architecture}; of GGUF files this core reads: {known}.",
    "gguf_unsupported": "{file} has {field} = {value}, which is not built here; allowed: {allowed}.",
    "gguf_quantization": (
        "{tensor} in {file} is stored as {kind}, which the gguf package cannot turn into numbers; "
        "take a file with another quantisation, such as Q8_0."
    ),
    "gguf_tokenizer": "The tokenizer in {file} is of the kind {kind}; these can be read: {known}.",
    "cache_not_writable": (
        "The converted weights cannot be kept in {folder} ({reason}). "
        "Set LINEAGE_CACHE to a folder that has room and may be written."
    ),
    "model_not_installed": "{name} comes in a package that is not installed. Install it with: {command}",
    "chat_marks_missing": "The tokenizer {name} lacks the special tokens {marks}, with which a chat is written.",
    # Playground: what it refuses to hold
    "model_too_large": "This model has {size} parameters; this machine builds at most {limit}.",
    "model_too_deep": "This model has {n_layers} layers; this machine builds at most {limit}.",
    "model_too_wide": (
        "Reading {n_tokens} tokens with this model takes {size} of memory beside its weights; this machine gives {limit}. "
        "Fewer or narrower heads and a smaller d_model or d_ff need less."
    ),
    "vocabulary_too_small": (
        "vocab_size = {vocab_size} is less than the smallest tokenizer here needs; choose {smallest} or more."
    ),
    "design_too_long": "The description of the model has {length} characters; at most {limit} are read.",
    "design_not_readable": "The part {part} of the model's description is not of the form field=value.",
    "busy": "The machine is busy with other visitors; try again in a moment.",
}


QUOTED = ("field", "value", "name", "part")  # parameters that may repeat what a user wrote …
MAX_QUOTED = 80  # … and so many characters of it


class InputError(ValueError):
    """A value that a user gave and the project cannot take; `str(error)` is one sentence in English.

    `code` is a key of `MESSAGES`, `params` fills its template. `params["field"]`, where there is one, names the
    configuration field concerned. Long quotations of what the user gave are clipped.
    """

    def __init__(self, code: str, **params):
        self.code = code
        self.params = {name: _clipped(value) if name in QUOTED else value for name, value in params.items()}
        super().__init__(MESSAGES[code].format(**self.params))

    def __reduce__(self):
        return _rebuild, (self.code, self.params)


def _clipped(value: object) -> object:
    text = str(value)
    return value if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"


def _rebuild(code: str, params: dict) -> InputError:
    return InputError(code, **params)
