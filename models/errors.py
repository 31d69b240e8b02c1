"""What a user can do wrong, as sentences.

Every refusal of user input is an `InputError`: a `ValueError` with a code and the values that belong to it. The English
sentence is the template of `MESSAGES`; the playground fills a template of the visitor's language with the same values.
"""

from models.inspecting_errors import INSPECTING
from models.objective_errors import OBJECTIVES
from models.trained_here_errors import TRAINED_HERE

MESSAGES: dict[str, str] = {
    # Configuration: one field
    "not_a_choice": "{field} = {value} is not known; allowed: {allowed}.",
    "not_an_integer": "{field} = {value} must be a whole number.",
    "not_a_number": "{field} = {value} must be a number.",
    "not_a_flag": "{field} = {value} must be true or false.",
    "out_of_range": "{field} = {value} is out of range; allowed: {low} to {high}.",
    "unknown_field": "{field} is no field of a model configuration; nearest names: {similar}.",
    "missing_field": "{field} is missing.",
    # Configuration: combinations
    "heads_do_not_divide": (
        "d_model = {d_model} cannot be divided among n_heads = {n_heads}; "
        "choose n_heads that divides {d_model}, or set d_head yourself."
    ),
    "mha_needs_all_kv_heads": (
        "Multi-head and latent attention (mha, mla) give every query head its own keys and values: n_kv_heads must be "
        "{n_heads}, not {n_kv_heads}. For fewer, choose gqa or mqa."
    ),
    "mqa_needs_one_kv_head": (
        "Multi-query attention (mqa) shares one key-value head: n_kv_heads must be 1, not {n_kv_heads}. "
        "For more, choose gqa."
    ),
    "gqa_needs_groups": (
        "Grouped-query attention (gqa) needs n_kv_heads that divides n_heads = {n_heads}, more than 1 (that is mqa) and "
        "fewer than {n_heads} (that is mha); it is {n_kv_heads}. Allowed: {allowed}."
    ),
    "gqa_impossible": (
        "Grouped-query attention (gqa) needs n_kv_heads that divides n_heads, more than 1 (that is mqa) and fewer than "
        "n_heads (that is mha), and n_heads = {n_heads} leaves none. Choose mha, mqa, or another n_heads."
    ),
    "rotary_dim_too_large": (
        "rotary_dim = {rotary_dim} is more than a head has: d_head = {d_head}; choose an even number up to {d_head}."
    ),
    "rotary_dim_odd": "Rotary positions turn pairs of dimensions: rotary_dim = {rotary_dim} must be even.",
    "sinusoidal_needs_even_width": "Sinusoidal positions come in sine-cosine pairs: d_model = {d_model} must be even.",
    "only_for_rotary": "{field} belongs to rotary positions; with position = {position} leave it out.",
    "mask_needs_window": "The mask {mask} needs window, the number of tokens that it reaches.",
    "window_without_effect": "window = {window} has no effect unless mask_pattern contains one of: {masks}; leave it out.",
    "mask_pattern_empty": "mask_pattern is empty; it needs at least one of: {allowed}.",
    "mask_pattern_too_long": "mask_pattern has {length} entries; it repeats along the depth, so give at most {limit}.",
    "norm_bias_needs_layernorm": "RMSNorm has no bias; take norm out of biases, or choose layernorm.",
    "qk_norm_needs_rmsnorm": "Query-key norm is an RMSNorm over d_head; it goes with norm = rmsnorm, not {norm}.",
    "llama3_frequencies": (
        "llama3 scaling needs low_freq_factor below high_freq_factor; got {low_freq_factor} and {high_freq_factor}."
    ),
    "yarn_betas": "yarn scaling needs beta_slow below beta_fast; got {beta_slow} and {beta_fast}.",
    "not_a_group": "{field} = {value} must be a table of fields, or be left out.",
    "image_needs_encoder": (
        "A model that reads images is an encoder with learned positions and no vocabulary: structure = encoder, "
        "position = learned, vocab_size = 0."
    ),
    "image_positions": "The image has {needed} positions, its patches and the class token: max_seq_len must be {needed}.",
    "image_without_tokens": "{field} belongs to the tokens of a vocabulary; a model that reads images leaves it out.",
    "patches_do_not_divide": (
        "image_size = {image_size} cannot be cut into patches of {patch_size}; choose a patch_size that divides it."
    ),
    "mla_goes_together": "Latent attention needs both: attention = mla, and the table mla with its ranks and head widths.",
    "mla_needs_rotary": "Latent attention carries positions in its rotary slice: position must be rotary, not {position}.",
    "mla_head_width": (
        "With latent attention a head is qk_nope_head_dim + qk_rope_head_dim = {needed} wide; leave d_head out, or set it "
        "to {needed}, and rotary_dim to qk_rope_head_dim."
    ),
    "mla_without_qk_norm": "Latent attention has norms on its latents instead: leave qk_norm out.",
    "mla_without_biases": "Latent attention has no bias on {biases}; take these out of biases.",
    "too_few_positions": "n_positions = {n_positions} rows are too few for this context; at least {needed} are needed.",
    "offset_needs_table": "position_offset belongs to learned positions; with position = {position} leave it at 0.",
    "relative_distance_too_small": (
        "relative_max_distance = {relative_max_distance} must be more than half of relative_buckets = {relative_buckets}."
    ),
    "relative_buckets_quarters": (
        "Relative positions divide their buckets by direction and by nearness: relative_buckets = {relative_buckets} must "
        "be a multiple of 4."
    ),
    "axial_goes_together": "Axial positions need both axial_shape and axial_dims; other positions need neither.",
    "axial_needs_two": "axial_shape and axial_dims have two numbers each: rows and columns.",
    "axial_sizes": (
        "The two axial_dims must add up to d_model = {d_model}, and axial_shape must have at least {max_seq_len} places."
    ),
    "rotary_2d_quarters": (
        "Two-dimensional rotary positions turn two halves: rotary_dim = {rotary_dim} must be a multiple of 4."
    ),
    "mask_not_in_structure": "{field} contains {value}, which {structure} does not take; allowed: {allowed}.",
    "mask_needs_number": "The mask {mask} needs {field}.",
    "sparse_without_effect": "{field} has no effect unless mask_pattern contains one of: {masks}; leave it out.",
    "mask_needs_plain_attention": (
        "The mask {mask} brings an attention of its own: it goes with attention = mha, without qk_norm, and not with alibi "
        "or relative positions."
    ),
    "buckets_odd": "Hashing splits each direction in two: n_buckets = {n_buckets} must be even.",
    "alpha_needs_deepnorm": "residual_alpha belongs to block = deepnorm; with block = {block} leave it out.",
    "block_without_cross": "The block {block} has no place for cross-attention; choose pre, post, sandwich or deepnorm.",
    "reversible_head": (
        "Reversible layers give two streams, twice d_model wide: the head can be neither tied nor that of masked tokens, "
        "nor predict several tokens."
    ),
    "head_not_in_structure": "head = {value} does not go with {structure}; allowed: {allowed}.",
    "classes_go_together": "head = classification needs n_classes; other heads do without.",
    "needs_vocabulary_head": "{field} belongs to a head over the vocabulary; with head = {head} leave it out.",
    "head_bias_needs_lm": (
        "The entry head of biases is that of head = lm; head = {head} has the same biases with or without it: take it out."
    ),
    "pooler_needs_encoder": "A pooler reads the first token of an encoder; other structures do without.",
    "nsp_needs_pooler": "Next-sentence prediction reads the pooler: set pooler to true.",
    "mtp_needs_decoder": "Multi-token prediction (mtp_depth) needs structure = decoder and head = lm.",
    "embed_norm_of_one_stack": "An encoder-decoder has no norm on its embeddings: leave embed_norm out.",
    "only_for_encoder_decoder": "{field} belongs to encoder_decoder; with structure = {structure} leave it out.",
    "decoder_start": (
        "decoder_start_id belongs to encoder_decoder, and must be a token of its vocabulary of {vocab_size}."
    ),
    "text_end": "text_end_id belongs to two_towers, and must be a token of its vocabulary of {vocab_size}.",
    "encoder_decoder_positions": (
        "An encoder-decoder takes the positions none, learned, sinusoidal, rotary, alibi or relative, and no segments."
    ),
    "encoder_decoder_attention": "Latent attention is built for decoders here; choose mha, gqa or mqa.",
    "towers_go_together": "two_towers needs both vision_tower and d_projection; other structures need neither.",
    "towers_not_reversible": "A tower gives one stream, and reversible layers give two: choose another block.",
    "vision_tower_reads_images": "vision_tower must be an encoder with an image table and head = none.",
    "no_sparse_layer": "With these numbers none of the {n_layers} layers has experts; lower first_dense or every.",
    # Mixtures of experts
    "more_chosen_than_experts": "A token cannot use {chosen} of {n_experts} experts.",
    "switch_takes_one": "The switch router sends a token to one expert: n_experts_per_token must be 1, not {chosen}.",
    "all_experts_used": "Here every token uses every expert: n_experts_per_token must be {n_experts}, not {chosen}.",
    "groups_need_scores": "Groups of experts go with the routers softmax_topk and sigmoid, not with {router}.",
    "groups_do_not_divide": "n_experts = {n_experts} cannot be divided into n_groups = {n_groups}.",
    "groups_too_few": (
        "{n_groups_per_token} of {n_groups} groups hold {reachable} experts; a token that uses {chosen} needs more groups."
    ),
    "groups_of_one": "group_score = top2 adds two experts, but {n_experts} experts in {n_groups} groups leave one in each.",
    "capacity_needs_switch": "capacity belongs to the router switch, not to {router}; leave it out.",
    "selection_bias_needs_sigmoid": "bias_update_rate belongs to the router sigmoid, not to {router}; leave it out.",
    "mixing_needs_dense": "mixing = {mixing} uses all experts: router must be dense, not {router}.",
    "mixing_sees_all": (
        "mixing = {mixing} mixes all tokens of a sequence, later ones too: it needs structure = encoder, not {structure}."
    ),
    "moe_without_effect": "{field} = {value} has no effect with {choice}; leave it out.",
    "loss_needs_routing": "{field} belongs to mixing = routed; with mixing = {mixing} leave it out.",
    "slots_go_together": "mixing = slots needs slots_per_expert; other mixings do without.",
    "lora_goes_together": "expert = lora needs lora_rank; other experts need neither lora_rank nor lora_alpha.",
    "lora_is_routed": "Low-rank experts add their outputs: mixing must be routed, not {mixing}.",
    # Forms
    "number_empty": "{field} is empty; give a number from {low} to {high}.",
    "numbers_not_listed": "{field} = {value} must be whole numbers with commas between them, such as 128, 512.",
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
    "latents_let_go": (
        "A sliding window keeps its last {window} tokens only: of {n_tokens} the cache no longer holds all latents; take a "
        "text of at most {window} tokens."
    ),
    "cache_let_go": (
        "A sliding window has let go of tokens that are needed to go on after the first {n_tokens} of {length}; "
        "go back to 0 and read them again."
    ),
    "argument_without_effect": "This model has no part that reads {field}; leave it out.",
    "batch_shape": "{field} has the shape {value}; expected {expected}.",
    "model_does_not_write": (
        "A model of the structure {structure} with head = {head} does not write text; choose one with head = lm."
    ),
    "unknown_tap": "No tap is called {name}; there are for example: {known}.",
    # Tokenizers
    "text_surrogate": "Character {position} of the text is half of a surrogate pair, which is no character; remove it.",
    "tokenizer_size": "A byte-level tokenizer needs at least {minimum} ids; {vocab_size} is too few.",
    "tokenizer_missing": (
        "{folder} has no tokenizer: expected tokenizer.json, tekken.json, tokenizer.model, vocab.json with merges.txt, "
        "vocab.txt or a .tiktoken file."
    ),
    "tokenizer_broken": "{file} is not a tokenizer that can be read; the library that reads such files says: {reason}",
    "tokenizer_not_text": "{file} is not text in UTF-8: byte {position} cannot be read as such.",
    "tokenizer_not_json": "{file} is not JSON; it cannot be read on from line {line}, column {column}.",
    "tokenizer_shape": "{file} is no tokenizer: something in it is not what it has to be, such as a list or a number.",
    "tokenizer_part": "{file} is no tokenizer: {part} is missing, or not what it has to be there ({kind} in JSON).",
    "tokenizer_empty": "{file} is no tokenizer: its vocabulary is empty.",
    "tokenizer_no_unknown": "{file} is no WordPiece vocabulary: no line reads {unknown}.",
    "tokenizer_merge": "{file} is no list of merges: {merge} is not two tokens with a space between them.",
    "tokenizer_rank": "{file} is no list of ranks: line {line} is not a token in base64 and a number.",
    "tokenizer_ids": "{file} is no tokenizer: its tokens are not numbered one by one.",
    "tokenizer_lacks_byte": "{file} is no byte-level tokenizer: the byte {byte} is no token.",
    "tokenizer_no_model": "{file} is no SentencePiece model, or it is cut off.",
    "tokenizer_spelling": "The vocabulary entry {token} has the character {character}, which spells no byte.",
    "tokenizer_kind": "{file} is a tokenizer of the kind {kind}; these can be read: {known}.",
    "tokenizer_suffix": "{file} is no tokenizer file by its name; these can be read: {known}.",
    "tokenizer_half": (
        "{file} is not a whole tokenizer. A vocab.json needs its merges.txt beside it; give a tokenizer.json instead."
    ),
    "tokenizer_pattern": (
        "{file} has {n_tokens} tokens, and such a file does not say how text is cut before merging. "
        "That is known here for: {known}."
    ),
    "tokenizer_needs": "To read {file}, a package is missing: {command}",
    "tokenizer_too_large": "{file} has {n_bytes} bytes; a tokenizer file may have at most {limit}.",
    "tokenizer_gave_up": "The tokenizer {name} gave up on this text: {reason}",
    "tokenizer_unknown": "No tokenizer is called {name}; there are: {known}.",
    "tokenizer_not_installed": "The tokenizer {name} is not here. This brings it: {command}",
    "tokenizer_no_hub": "To fetch {name} from the Hugging Face hub, install huggingface_hub.",
    "tokenizer_hub_id": "{name} is no name of a repository on the hub; it is written owner/model.",
    "hub_unreachable": "{name} is not on this machine, and the Hugging Face hub cannot be reached; check name and network.",
    "tokenizer_hub_failed": "The Hugging Face hub did not give the tokenizer of {name}: {reason}",
    # Learning a tokenizer, and the steps of its algorithm
    "train_algorithm": "No algorithm that can be learnt here is called {name}; there are: {known}.",
    "train_size": "A vocabulary here has {low} to {high} ids, not {value}.",
    "train_nothing": "There is no text to learn from; give at least a few words.",
    "train_text_too_long": "This text has {n_bytes} bytes; a tokenizer is learnt here from at most {limit}.",
    "train_needs_package": "This algorithm needs a package that is not installed. Install it with: {command}",
    "train_failed": "SentencePiece cannot learn from this text: {reason}",
    "train_no_folder": "The folder of texts {folder} does not exist. The shipped tokenizers want in it: {wanted}.",
    "train_files_missing": "The folder of texts {folder} lacks {missing}. The shipped tokenizers want: {wanted}.",
    "train_no_text": "The folder of texts {folder} holds no .txt file. The shipped tokenizers want: {wanted}.",
    "train_other_algorithm": "The tokenizer {name} works by {algorithm}; these steps are of {wanted}.",
    # Training
    "recipe_unknown": "No recipe is called {name}; there are: {known}. The path of a .toml file will do, too.",
    "recipe_unread": "{file} is not a recipe that can be read: {reason}",
    "recipe_field": "{field} = {value} cannot be: it must be {allowed}.",
    "corpus_folder_missing": "The corpus folder {folder} does not exist. The recipe wants these files in it: {wanted}.",
    "corpus_files_missing": "The corpus folder {folder} lacks {missing}. The recipe wants: {wanted}.",
    "corpus_no_text": "The corpus folder {folder} holds no .txt file. The recipe wants: {wanted}.",
    "corpus_empty": "{file} holds no document for training.",
    "mark_missing": "This objective needs the mark {mark}, which the tokenizer does not have. Choose another tokenizer.",
    "nothing_to_mask": "There is no text to mask, only special tokens. Type at least one word.",
    "text_too_short": "The text has {tokens} tokens; this objective needs at least {minimum}. Type more.",
    "too_few_documents": "There are {documents} documents with sentences; pairs need at least {minimum}.",
    "pair_no_sentence": "There is no sentence with a token in this text. Type a few sentences, each ended by a full stop.",
    "pair_part_empty": "Text {part} has no token. Type at least one word into it.",
    "pair_no_judge": "{model} fills in masked words only; it has no head for sentence pairs. These have one: {able}.",
    "pair_no_language": "The vocabulary of {model} has no words for the held-out texts, which are English and Chinese.",
    "too_few_sentinels": "The text needs {wanted} sentinels; the tokenizer has {available}. Take a shorter text.",
    "device_missing": "There is no device “{device}” here that PyTorch can use. Choose cpu, or auto.",
    "rows_not_divisible": "A batch has {rows} rows, which {processes} processes cannot share evenly. Start as many "
    "processes as divide it.",
    "corpus_too_few_pairs": "The files hold {pairs} pairs of sentences to train on; a batch takes {minimum}. Add more "
    "pairs, or make batch_tokens smaller.",
    "corpus_too_short": "The corpora yield {available} training tokens; the recipe asks for {wanted}. Raise the passes.",
    "corpus_not_held_out": (
        "No text is left to measure the loss on, which must not be learnt from (documents: {documents}). Give more text, "
        "or several documents that differ, with a line <|endoftext|> between them."
    ),
    "checkpoint_differs": "The checkpoint {file} belongs to another training: {field} differs. Remove it to start anew.",
    # Weights: reading and writing model folders
    "weights_no_folder": (
        "{folder} is neither a shipped or installable model, nor a folder or GGUF file, nor the id of a model on the hub."
    ),
    "weights_no_config": "The folder {folder} holds no config.json, so it is not known which model its weights are for.",
    "weights_bad_json": "{file} cannot be read as a JSON object: {reason}",
    "weights_unknown_type": "{folder}: model_type = {model_type} is not one that this core reads; it reads: {known}.",
    "weights_unsupported": "{model_type} with {field} = {value} is not built here; allowed: {allowed}.",
    "weights_class": (
        "The class {architecture} is not read here; of the family {model_type} those are whose names end in: {allowed}."
    ),
    "weights_bad_config": "A setting in {file} has a value that cannot be. ({reason})",
    "weights_two_tables": (
        "The encoder and the decoder in this file read different token tables ({names}); here they share one."
    ),
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
        "{name} is neither a shipped or installable model nor a folder or GGUF file. "
        "To fetch it from the Hugging Face hub, install huggingface_hub."
    ),
    "weights_hub_failed": (
        "{name} is no shipped or installable model, folder or GGUF file, and the Hugging Face hub did not give it: {reason}"
    ),
    "weights_not_exportable": "{architecture}, the nearest class of transformers, cannot hold this model: {losses}.",
    "weights_no_family": "No class of transformers is of this kind (structure = {structure}); there is no folder to write.",
    # Weights: GGUF files, their cache, and models that installed packages bring
    "gguf_no_package": "{file} is a GGUF file. To read it, install the package that knows the format: {command}",
    "file_unreadable": "{file} cannot be read: {reason}.",
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
    "too_deep_to_count": "This model has {n_layers} layers; to be counted here it may have at most {limit}.",
    "vocabulary_too_small": (
        "vocab_size = {vocab_size} is less than the smallest tokenizer here needs; choose {smallest} or more."
    ),
    "design_too_long": "The description of the model has {length} characters; at most {limit} are read.",
    "design_empty": "There is no design here. Begin with the name of a preset, such as llama-mini.",
    "design_not_readable": "The part {part} of the model's description is not of the form field=value.",
    "busy": "The machine is busy with other visitors; try again in a moment.",
    # Playground: experts
    "experts_none": "{model} has no experts, so nothing is routed. These have: {names}.",
    "experts_too_many": "This pass has {scores} router scores; at most {limit} are shown here. Take a shorter text.",
    # Playground: tokenizers
    "token_how_many": "Name {least} to {most} different tokenizers.",
    "token_text_too_long": "That is too long: {size}; at most {limit} can be taken.",
    "token_list_too_long": "The text has {size} characters; of at most {limit} the tokens are listed one by one.",
    "token_text_empty": "There is nothing to read: the text is empty.",
    "token_own_gone": "What was trained or opened here is kept for a while only, and is gone; make it again.",
    "token_piece_lost": "The request did not arrive whole; send it again.",
    "token_training_stopped": "The training was stopped.",
    **INSPECTING,
    **OBJECTIVES,
    **TRAINED_HERE,
    "token_training_failed": "The training failed, for no fault of the text; try another algorithm or size.",
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
