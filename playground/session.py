"""What a visitor chose, as plain data, and its way into the page's address and back.

An address is written by strangers: `Session.from_query` never raises. A value that cannot be taken falls back to its
default, one out of range is moved to the nearest allowed, and each such change is listed in `problems`.
"""

from dataclasses import dataclass, fields, replace
from urllib.parse import quote

from models.errors import InputError
from playground.design_strings import Design, as_flag, as_text, as_written, design_string, parse_design
from playground.session_limits import (
    BLANKS,
    DEFAULT_MODEL,
    LILY,
    LIMITS,
    MAX_PROMPT,
    PAIRS_FROM,
    SECTIONS,
    TABS,
    TEXTS,
    TOKENIZERS,
    TRAIN_EXPERTS,
    TRAIN_RACE,
    TRAIN_SMALL,
    TRAINED,
)
from playground.session_readers import READERS, Problem, is_card

__all__ = [
    "BLANKS",
    "DEFAULTS",
    "DEFAULT_MODEL",
    "Design",
    "FIELDS",
    "LIMITS",
    "MAX_PROMPT",
    "PAIRS_FROM",
    "Problem",
    "SECTIONS",
    "Session",
    "TABS",
    "TEXTS",
    "TOKENIZERS",
    "TRAINED",
    "TRAIN_EXPERTS",
    "TRAIN_RACE",
    "TRAIN_SMALL",
    "as_flag",
    "as_text",
    "design_string",
    "is_card",
    "parse_design",
]


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything that is needed to show the same screen again. `model` and `design` are design strings."""

    tab: str = "generate"
    lang: str = "en"
    model: str = DEFAULT_MODEL  # the model in hand
    design: str = DEFAULT_MODEL  # what the form on Build shows
    context: int | None = None  # of Build's KV cache; None: the whole context of the design
    batch: int = 1  # sequences in that cache
    dtype: str = "bf16"  # and its number format
    ranks: int = 8  # devices that training is shared among
    prompt: str = "Once upon a time"
    chat: bool = True  # the prompt is a message, where the model was trained to answer one
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 7
    max_new_tokens: int = 64
    section: str = "compare"  # of the tab of architectures
    left: str = "gpt2"  # the designs that it compares
    right: str = "llama3-8b"
    route: str = "deepseek-v3"  # the lineage, and the step of it that is shown
    step: int = 0
    kv_model: str = "llama3-8b"  # in whose sizes the cache is drawn against the context
    kv_shown: str = "mha,gqa,mqa,mla,sliding"  # the curves
    kv_batch: int = 1
    kv_window: int = 4096
    kv_dtype: str = "bf16"
    weights_dtype: str = "bf16"
    tok_section: str = "compare"  # of the tab of tokenizers
    text: str = "The same sentence can cost one reader twice as much. 同样一句话，有的读者要多花一倍的词元。👩‍💻"
    tokenizers: str = TOKENIZERS  # those that are compared, by name
    tok_steps: str = "bpe"  # what is stepped through, on which text, and how far
    tok_text: str = "low low low low low lower lower newest newest newest newest newest newest widest widest widest"
    tok_step: int = 0
    tok_word: str = "unhappiness"
    tok_with: str = "wordpiece-8k"  # the tokenizer that encodes the word
    train_with: str = "byte-bpe"
    train_size: int = 1024
    left_out: str = ""  # names of texts that had no room in the address
    obj_section: str = "bert"  # of the tab of objectives
    obj_model: str = (
        ""  # the model that answers there, by name; empty: the one for the first passage in the page's language
    )
    obj_text: str = ""  # empty: that passage
    obj_seed: int = 178  # in the first passage of each language it draws all three fates
    mask_step: int = 0  # of BERT's masking
    mask_share: int = 15  # per cent of the positions that are drawn
    mask_words: bool = False  # whole words only
    mask_fates: str = ""  # set by hand: "7:keep,9:2" keeps position 7, and throws the dice for 9 again, twice
    mask_part: int = 0  # which part of a text that is longer than what is read at once
    mask_at: int = -1  # the position that is looked at; -1: the first one that was drawn
    mask_head: str = "0.mean"  # the layer and head whose attention is shown
    mask_two: str = ""  # the two positions that are predicted together
    mask_way: str = "alone"  # how those two are predicted
    mask_fill: str = ""  # a text with [MASK] to be filled in; empty: an example
    pair_from: str = ""  # the documents that sentence pairs are built from; empty: some that the model reads
    pair_tokens: int = 64  # that a pair may have
    pair_at: int = 0  # the pair that is looked at, and the step of its making
    pair_step: int = 0
    pair_first: str = ""  # the texts that were typed in place of that pair's
    pair_second: str = ""
    side_blank: str = "short"  # which blanks GLM's objective has, side by side with others
    side_denoiser: int = 0  # and which of UL2's denoisers is shown there
    what_off: str = "a0"  # heads and parts of layers that are silenced in "What if", and how
    what_method: str = "zero"
    what_mask: str = ""  # the mask that every layer sees through there, and its number
    what_width: int = 4
    what_order: bool = False  # positions are dropped
    what_place: int = -1  # where the answer is asked for; -1: where this kind of model answers
    what_token: str = ""  # whose probability is watched; empty: the likeliest
    before_kind: str = "bahdanau"  # the translator of "Before transformers", its sentence, and the weight taken apart
    before_text: str = "Sunday, June 25th, 2017, at half past seven in the evening"
    before_at: str = ""
    din_query: str = "cake"
    din_list: str = "oven, butter, sugar, dog, ball, park, rain, umbrella"
    att_section: str = "maps"  # of the tab of attention
    att_text: str = "Tom and his dog went to the park. Anna and her cat went to the park. Tom and his dog were happy."
    att_second: str = ""  # what an encoder-decoder or prefix decoder writes, or a second sentence
    att_part: int = 0  # which part of a text that is longer than what is looked at at once
    att_from: str = "typed"  # whether that text is typed, or what Generate wrote
    att_picture: str = "scene"  # which picture a model of images reads
    att_head: str = ""  # group, layer and head that are shown large; if empty, one that the page chooses
    att_row: int = -1  # the token whose row is read; -1 the last one
    att_view: str = "map"
    att_measure: str = "weight"
    att_combine: str = "head"
    att_hide: str = ""  # what is left out: first, separators
    att_pairs: str = "all"  # which parts of a pair look at which
    att_step: int = 0  # of a text that a model wrote; 0 is its end
    weight_pair: str = ""  # the places of query and key; empty: the last token and what it looks at most
    weight_mask: str = "sliding"  # of the catalogue
    weight_sizes: str = ""  # numbers that its masks are drawn with
    flash_tiles: str = "4.4"  # queries and keys of a tile
    flash_order: str = "flash1"
    flash_as: str = "float32"
    flash_step: int = 12
    flash_row: int = 21
    exp_section: str = "board"  # of the tab of experts
    exp_model: str = ""  # whose experts are shown, "hand" or a preset's name; empty: the model in hand, if it has any
    exp_text: str = LILY
    exp_target: str = ""  # what a decoder reads beside it; empty: what is missing from the text
    exp_layer: int = 0  # which sparse layer is looked at, and which token
    exp_at: int = 1
    exp_chosen: int = 0  # what the router is made to do instead: 0 leaves it as it is
    exp_capacity: int = 0
    exp_noise: int = 0  # per cent of the noise's size
    exp_seed: int = 1
    exp_bias: str = ""  # added to experts of that layer: "3:0.25,5:-0.1"
    exp_again: bool = False  # a pass was made with these settings
    exp_way: str = "own"  # of the ways to route, the one whose losses are followed
    exp_format: str = "bf16"  # of the published weights
    train_section: str = "one"  # of the tab that trains models
    train_design: str = TRAIN_SMALL
    train_race: str = TRAIN_RACE  # the designs that run a race
    train_experts: str = TRAIN_EXPERTS
    train_balance: str = "none"
    train_on: str = "stories-en"
    train_tokens: int = 100_000
    train_seed: int = 7
    problems: tuple[Problem, ...] = ()

    @classmethod
    def from_query(cls, query: dict[str, str]) -> "Session":
        """The session of an address's parameters; never raises, see `problems`."""
        values, problems = {}, []
        for name in FIELDS:
            if name not in query:
                continue
            try:
                values[name], problem = READERS[name](name, str(query[name]), DEFAULTS[name])
            except (ValueError, OverflowError, InputError) as error:
                refused = error if isinstance(error, InputError) else None
                problem = Problem("unusable", name, DEFAULTS[name], refused)
            if problem:
                problems.append(problem)
        return cls(**values, problems=tuple(problems))

    def to_query(self) -> str:
        """The address's parameters, defaults left out; the language stays, since its default is the reader's own."""
        defaults = Session().texts()
        chosen = {name: text for name, text in self.texts().items() if name == "lang" or text != defaults[name]}
        return "&".join(f"{name}={quote(text, safe='~,=:')}" for name, text in chosen.items())

    def texts(self) -> dict[str, str]:
        """Every field as an address holds it; an empty text is None."""
        return {name: "" if getattr(self, name) is None else as_written(getattr(self, name)) for name in FIELDS}

    def with_problem(self, problem: Problem, **changes) -> "Session":
        """This session with `changes` made, and the reason added to `problems`."""
        return replace(self, problems=(*self.problems, problem), **changes)


FIELDS = tuple(field.name for field in fields(Session) if field.name != "problems")
DEFAULTS = {field.name: field.default for field in fields(Session) if field.name != "problems"}
