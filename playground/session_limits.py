"""What an address may say: the sections of tabs, the numbers and their limits, the lengths of texts, the shapes of names."""

import re

from models.account import MAX_BATCH, MAX_RANKS
from playground.lineage import longest

DEFAULT_MODEL = "llama-mini"
TABS = ("generate", "build", "compare", "tokenizers", "objectives", "attention", "experts", "train")
SECTIONS = ("compare", "lineage", "context")
TOKEN_SECTIONS = ("compare", "steps", "train")
TOKEN_STEPS = ("bpe", "wordpiece", "unigram", "encode")
TRAINED = ("byte-bpe", "sp-bpe", "unigram", "wordpiece", "characters")
TOKENIZERS = "byte-bpe-8k,wordpiece-8k,unigram-8k,characters-8k"
TRAIN_SECTIONS = ("one", "race", "experts", "zoo")
TRAIN_TEXTS = ("stories-en", "prose-zh", "own")
TRAIN_SMALL = "llama-mini~max_seq_len=256~d_model=128~n_layers=4~n_heads=4~d_ff=352"
TRAIN_RACE = f"{TRAIN_SMALL}|llama-mini~max_seq_len=256~d_model=128~n_layers=4~n_heads=4~norm=layernorm~d_ff=352"
TRAIN_EXPERTS = (
    "mixtral-mini~max_seq_len=256~d_model=96~n_layers=3~attention=mqa~n_heads=3~n_kv_heads=1~moe.n_experts=8"
    "~moe.n_experts_per_token=1~moe.d_expert=128~moe.router=sigmoid~moe.normalise_weights=false~moe.aux_loss_coef=0"
)
MAX_RACE = 4_000  # characters of the designs of a race, which an address carries
TOKENIZER_NAMES = re.compile(r"[\w.-]{1,64}(,[\w.-]{1,64}){1,5}")
OBJECTIVE_SECTIONS = ("bert", "pairs", "sides")
MODEL_SOURCE = re.compile(r"[\w .:~/\\-]{1,200}")  # a model's name, a hub id or a folder
BLANKS = ("short", "long")
PAIRS_FROM = ("stories", "books", "chinese", "own")
WHAT_PARTS = r"[acefg]\d{1,3}(\.\d{1,3})?"
OFF = re.compile(rf"none|{WHAT_PARTS}(,{WHAT_PARTS}){{0,199}}")  # heads and parts of layers that are silenced
MASK_NAME = re.compile(r"[a-z_]{1,20}")
TOKEN_ID = re.compile(r"\d{1,7}")
PAIR_AT = re.compile(r"\d{1,2}\.\d{1,2}")
FATE_LIST = re.compile(r"\d{1,3}:(mask|random|keep|leave|\d{1,2})(,\d{1,3}:(mask|random|keep|leave|\d{1,2})){0,127}")
MAX_THROWS = 99  # of the dice of one position
MASK_HEAD = re.compile(r"\d{1,3}\.(\d{1,3}|mean)")
LEFT_OUT = re.compile(r"[a-z_]{1,20}(,[a-z_]{1,20}){0,9}")
MASK_WAYS = ("alone", "forward", "backward", "difference")
MASK_TWO = re.compile(r"\d{1,3},\d{1,3}")
WEIGHT_PAIR = re.compile(r"\d{1,3}\.\d{1,3}")
SIGHT_NUMBERS = re.compile(
    r"[a-z]\d{1,3}(-[a-z]\d{1,3}){0,9}"
)  # what masks are drawn with: "n32-w8" is 32 tokens, window 8
FLASH_TILES = re.compile(r"\d{1,3}\.\d{1,3}")
FLASH_ORDERS = ("flash1", "flash2")
PRECISIONS = ("float32", "float64")
ATTENTION_SECTIONS = ("maps", "weight", "flash", "whatif", "before")
EXPERT_SECTIONS = ("board", "steps", "compare", "sizes")
EXPERT_WAYS = ("own", "softmax_topk", "noisy_topk", "switch", "deepseek_v3", "dense", "lora")  # those with losses
EXPERT_MODEL = re.compile(r"[\w.-]{1,64}")
EXPERT_BIAS = re.compile(r"\d{1,3}:-?\d{1,2}(\.\d{1,4})?(,\d{1,3}:-?\d{1,2}(\.\d{1,4})?){0,255}")
ATTENTION_PICTURES = ("scene", "stripes", "disc")
ATTENTION_HEAD = re.compile(r"((self|encoder|decoder|cross|text|vision)\.\d{1,3}\.\d{1,3})?")
ATTENTION_HIDE = re.compile(r"(first|separators)(,(first|separators))?")
# The text that experts begin with.
LILY = (
    "Once upon a time there was a little girl named Lily. She lived in a small house near the forest with her mother "
    'and her 2 brothers. One day, Lily found a red ball under a big tree. "Whose ball is this?" she asked. A small '
    'bird sat on the tree and sang. Lily smiled and said, "Is it your ball, little bird?" The bird was happy. It '
    "flew down and took the ball. Then Lily and the bird played together until the sun went down. In the evening her "
    "mother called her, and Lily ran home. She was very happy."
)
MAX_PROMPT = 100_000  # characters; longer text is cut, and the visitor is told

# Numbers and what they may be; the widgets use the same limits.
LIMITS: dict[str, tuple[float, float]] = {
    "context": (1, 100_000_000),
    "batch": (1, MAX_BATCH),
    "ranks": (1, MAX_RANKS),
    "temperature": (0.0, 2.0),
    "top_k": (0, 200),
    "top_p": (0.05, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (1.0, 2.0),
    "seed": (0, 2**31 - 1),
    "max_new_tokens": (1, 512),
    "step": (0, longest()),
    "kv_batch": (1, 1024),
    "kv_window": (128, 131_072),
    "tok_step": (0, 200),
    "train_size": (512, 8_192),
    "obj_seed": (0, 2**31 - 1),
    "mask_step": (0, 9),
    "mask_share": (1, 60),
    "mask_part": (0, 999),
    "mask_at": (-1, 999),
    "what_place": (-1, 511),
    "what_width": (1, 64),
    "pair_tokens": (16, 128),
    "pair_at": (0, 59),
    "pair_step": (0, 7),
    "side_denoiser": (0, 6),
    "att_part": (0, 9_999),
    "flash_step": (0, 300_000),
    "flash_row": (0, 511),
    "exp_layer": (0, 999),
    "exp_at": (0, 255),
    "exp_chosen": (0, 256),
    "exp_capacity": (0, 256),
    "exp_noise": (0, 400),
    "exp_seed": (0, 2**31 - 1),
    "att_row": (-1, 511),
    "att_step": (0, 512),
    "train_tokens": (10_000, 400_000),
    "train_seed": (0, 2**31 - 1),
}
# How many characters of a text are read.
TEXTS = {
    "text": MAX_PROMPT,
    "tok_text": 2_000,
    "tok_word": 64,
    "obj_text": 20_000,
    "att_text": 20_000,
    "att_second": 20_000,
    "before_text": 200,
    "din_query": 40,
    "din_list": 400,
    "exp_text": 20_000,
    "exp_target": 2_000,
    "mask_fill": 2_000,
    "pair_first": 2_000,
    "pair_second": 2_000,
}
