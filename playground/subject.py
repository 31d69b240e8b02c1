"""The model that a text is of: taken in hand for a run, and what it reads of a prompt."""

import threading
from dataclasses import dataclass

import models
from models.config import ModelConfig
from models.errors import InputError
from models.tokenizers import Tokenizer
from playground import limits, model_facts, services
from playground.i18n import LANGUAGES
from playground.prompt_reading import Reading, read_marked, read_message
from playground.session import as_flag


@dataclass(frozen=True)
class Subject:
    """The model that a text is of, as far as the page must know it."""

    name: dict[str, str]  # by language
    trained: bool
    config: ModelConfig
    readable: int  # tokens of prompt and text together: its context, or fewer where this machine has no room for more
    tokenizer: Tokenizer
    instruction: str | None = None  # what a model that chats is told before the prompt

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    @property
    def max_seq_len(self) -> int:
        return self.config.max_seq_len


def take(design: str, cancelled: threading.Event | None = None) -> "tuple[Subject, models.Loaded] | None":
    """The model of a design string, ready to run; None if `cancelled` is set before it is built. Raises `InputError`."""
    known = model_facts.inhand(design)
    if known.config.head != "lm":
        raise InputError("model_does_not_write", structure=known.config.structure, head=known.config.head)
    loaded = services.hold(design, cancelled)
    if loaded is None:
        return None
    name = {lang: model_facts.called(known, lang) for lang in LANGUAGES}
    return subject_of(name, known.trained, known.config, loaded.tokenizer), loaded


def subject_of(name: dict[str, str], trained: bool, config: ModelConfig, tokenizer: Tokenizer) -> Subject:
    """The `Subject` of a configuration."""
    readable, instruction = limits.readable(config), model_facts.instruction(config)
    return Subject(name, trained, config, readable, tokenizer, instruction)


def read(subject: Subject, prompt: str, chat: bool, most: int) -> Reading:
    """What the model reads of a prompt: a message, where it chats and `chat` is wanted, else a text."""
    if as_flag("chat", chat) and subject.instruction is not None:
        return read_message(subject.tokenizer, subject.instruction, prompt, subject.readable, most)
    return read_marked(subject.config, subject.tokenizer, prompt, subject.readable, most)
