"""What tests of all packages share: a real model, small enough to run anywhere."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from deepanalyze_cli.errors import ModelError
from deepanalyze_cli.models import registry
from deepanalyze_cli.models.download import pull

# A job started in the background ignores Ctrl-C, and so would the commands under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The file of `smollm2-135m` (98 MB), fetched once into `$DEEPANALYZE_TEST_MODELS` or the user's own models."""
    with pytest.MonkeyPatch.context() as patch:
        if folder := os.environ.get("DEEPANALYZE_TEST_MODELS"):
            patch.setenv("DEEPANALYZE_MODELS_DIR", folder)
        try:
            return pull(registry.find("smollm2-135m"))
        except ModelError as error:
            pytest.skip(f"no source of smollm2-135m can be reached: {error.message}")
