"""Writes docs/bad_inputs.md, the table of inputs that the program refuses: ``python tools/bad_inputs.py``.

The cases, and what each says, are in tests/bad_inputs; tests/explorer/test_bad_inputs.py holds the program to them.
"""

import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "bad_inputs.md"
HEAD = """# Bad inputs

What the program says to files, addresses and records that are damaged, of the wrong kind, or meant to do harm. Each is a test
(`tests/explorer/test_bad_inputs.py`): it is refused with this sentence, no code in it runs, what was open stays as it was, and no file is
left behind. `…` stands for what differs from computer to computer. Written by `python tools/bad_inputs.py`.
"""
TITLES = {
    "picture": "Pictures",
    "folder": "Folders",
    "video": "Videos",
    "stream": "Streams",
    "bundle": "Bundles",
    "network": "Networks of your own",
    "weights": "Weights for them",
    "downloaded weights": "Downloaded weights and their cards",
    "settings": "Settings",
    "record": "Records",
}


def table() -> str:
    """The whole document."""
    sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]
    from tests.bad_inputs import CASES

    parts = [HEAD]
    for kind, cases in groupby(CASES, key=lambda case: case.kind):
        parts.append(f"\n## {TITLES[kind]}\n\n| input | what is wrong | what the program says |\n|---|---|---|\n")
        parts += [f"| `{case.file}` | {escaped(case.wrong)} | {escaped(case.says)} |\n" for case in cases]
    return "".join(parts)


def escaped(words: str) -> str:
    return words.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    DOCUMENT.write_text(table(), "utf-8")
