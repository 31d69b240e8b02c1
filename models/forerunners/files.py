"""Forerunners as folders: config.json, model.safetensors (fp16) and, of a translator, its words."""

import json
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.forerunners.recurrent import TRANSLATORS, RecurrentConfig
from models.forerunners.target_attention import InterestConfig, TargetAttention
from models.forerunners.translating import Translator
from models.forerunners.words import Words

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "assets" / "forerunners"


def save(translator: Translator, folder: Path) -> None:
    """Writes the folder; reading it again gives the same model but for the rounding to fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.to(torch.float16).contiguous() for name, value in translator.model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    words = {"source": translator.source.entries, "target": translator.target.entries}
    _write(folder / "config.json", translator.model.config.to_dict())
    _write(folder / "words.json", words)


def load(folder: Path) -> Translator:
    """The translator of a folder, in eval mode, fp32."""
    model_config = RecurrentConfig(**_read(folder / "config.json"))
    model = TRANSLATORS[model_config.kind](model_config).eval()
    model.load_state_dict({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
    words = _read(folder / "words.json")
    return Translator(model, Words(tuple(words["source"])), Words(tuple(words["target"])))


@cache
def shipped(name: str) -> Translator:
    """A shipped translator by its name: "bahdanau" or "luong"."""
    return load(SHIPPED / name)


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, values: dict) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")


def save_interest(model: TargetAttention, folder: Path) -> None:
    """Target attention as a folder, like `save`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.to(torch.float16) for name, value in model.state_dict().items()}, folder / "model.safetensors"
    )
    _write(folder / "config.json", model.config.to_dict())


@cache
def shipped_interest() -> TargetAttention:
    """The shipped target attention, in eval mode, fp32."""
    folder = SHIPPED / "interest"
    model = TargetAttention(InterestConfig(**_read(folder / "config.json"))).eval()
    model.load_state_dict({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
    return model


@cache
def scores_of(name: str) -> dict:
    """What was measured when a shipped forerunner was made."""
    return _read(SHIPPED / name / "scores.json")
