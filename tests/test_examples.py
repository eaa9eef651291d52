"""The shared examples scored when they lie beside the project; own corpora run without them.

The own ones are ``tests/adapters/email`` and ``tests/unify/content``.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCORE = ROOT.parent / "shared" / "examples" / "score.py"
CASES = [
    (["mail", "--target", "hub.cli.normalize:mail"], 29, 32),
    (
        [
            "reply",
            "--target",
            "hub.unify.content.quoted:visible_text",
            "--html-target",
            "hub.unify.content.quoted:visible_html",
        ],
        72,
        85,
    ),
]


@pytest.mark.parametrize(("arguments", "wanted", "cases"), CASES, ids=["mail", "reply"])
def test_enough_examples_are_right(arguments, wanted, cases):
    if not SCORE.exists():
        # The examples are not part of the project; their absence is not a fault of it.
        return
    result = subprocess.run(
        [sys.executable, str(SCORE), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    figure = re.search(r"right: (\d+) of (\d+)\s*\Z", result.stdout)
    assert figure is not None, result.stdout
    assert int(figure.group(2)) >= cases
    assert int(figure.group(1)) >= wanted, result.stdout
