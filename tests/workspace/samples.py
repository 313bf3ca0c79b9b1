"""What tests of the workspace take from elsewhere: real data, and a tokenizer's count that needs no tokenizer."""

from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def count(text: str) -> int:
    """About what a tokenizer counts."""
    return (len(text) + 3) // 4
