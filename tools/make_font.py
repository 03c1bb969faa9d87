"""Makes the fonts in ``assets/fonts``: ``python tools/make_font.py NotoSansCJK-Regular.ttc DejaVuSans.ttf``.

The source is Noto Sans CJK 2.004 (Debian: fonts-noto-cjk). Kept are Latin, Greek, signs, all 6,763 Chinese characters of GB 2312, so
that new words need no new font, and whatever else the translations, label files and sources of this program hold. Subscripts and
some signs of mathematics are not in it: they come from DejaVu Sans 2.37 (Debian: fonts-dejavu-core).
"""

import argparse
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

ROOT = Path(__file__).resolve().parent.parent
FONT = ROOT / "assets" / "fonts" / "NotoSansSC-subset.otf"
SIGNS = ROOT / "assets" / "fonts" / "Signs-subset.ttf"
FAMILY = "CV Explorer Sans SC"
"""A name of its own, so that it never stands in the way of a complete Noto Sans CJK on the same machine."""

ENDINGS = ("json", "txt", "tsv", "po", "md")
"""Of the files in assets that hold words."""

BLOCKS = (
    (0x20, 0x17F),  # Latin, Latin-1, Latin Extended-A
    (0x2C6, 0x2DD),  # accents on their own
    (0x391, 0x3D6),  # Greek
    (0x2010, 0x203B),  # dashes, quotes, ellipsis, per mille
    (0x2070, 0x209C),  # superscripts and subscripts
    (0x20AC, 0x20AC),  # euro
    (0x2100, 0x214F),  # letter-like: ℃, ℝ, №
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematics
    (0x2318, 0x2318),  # the command key
    (0x2460, 0x2473),  # circled numbers
    (0x2500, 0x25FF),  # lines, blocks, shapes
    (0x2605, 0x2606),  # stars
    (0x2713, 0x2717),  # ticks
    (0x3000, 0x301F),  # Chinese punctuation
    (0xFF01, 0xFF5E),  # full-width forms
    (0xFFE5, 0xFFE5),  # full-width yen
)

MORE_SIGNS = (
    (0x300, 0x36F),  # accents over the letter before: x̂, ȳ
    (0x1D2C, 0x1D6A),  # small raised and lowered letters
    (0x2308, 0x230B),  # ceiling and floor
    (0x23A7, 0x23AD),  # braces over several lines
    (0x27C2, 0x27EB),  # angle brackets
    (0x2A00, 0x2A2F),  # sums and products
    (0x2C7C, 0x2C7C),  # lowered j
)
"""From DejaVu Sans, with what the blocks above have that Noto Sans lacks."""

NARROW = "‘’“”·"
"""As wide as a letter needs them: the Chinese ones, as wide as a character, tear “the picture’s” apart."""


def gb_2312() -> set[str]:
    """All of GB 2312: 6,763 Chinese characters in rows 16 to 87, and before them signs, kana, Greek and Cyrillic letters."""
    codes = (bytes((0xA0 + row, 0xA0 + cell)) for row in range(1, 88) for cell in range(1, 95))
    return set("".join(code.decode("gb2312", errors="ignore") for code in codes))


def shown_characters() -> set[str]:
    """Every character that the program's own texts hold: words, explanations, labels and cards in assets, and the sources."""
    files = [path for ending in ENDINGS for path in (ROOT / "assets").rglob(f"*.{ending}")]
    files += [path for package in ("cvcore", "explorer") for path in (ROOT / package).rglob("*.py")]
    texts = (path.read_text("utf-8") for path in files if not path.name.startswith("LICENCE"))
    return {character for text in texts for character in text if character.isprintable()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, help="NotoSansCJK-Regular.ttc")
    parser.add_argument("signs", type=Path, help="DejaVuSans.ttf")
    options = parser.parse_args()
    source, signs = options.source, options.signs
    fonts = {font["name"].getDebugName(4): font for font in TTCollection(source).fonts}
    font = fonts["Noto Sans CJK SC"]
    narrow = fonts["Noto Sans CJK JP"].getBestCmap()  # all fonts of the collection share their glyphs
    for table in font["cmap"].tables:
        table.cmap |= {ord(c): narrow[ord(c)] for c in NARROW if ord(c) in table.cmap}
    wanted = {chr(code) for first, last in BLOCKS for code in range(first, last + 1)}
    wanted |= gb_2312() | shown_characters()
    keep(font, wanted, FAMILY, "2.004")
    font["CFF "].cff.fontNames = [font["name"].getDebugName(6)]
    font.save(FONT)
    there = font.getBestCmap()
    other = TTFont(signs)
    more = {chr(code) for first, last in MORE_SIGNS for code in range(first, last + 1)}
    keep(other, {c for c in wanted | more if ord(c) not in there}, "CV Explorer Signs", "2.37")
    other.save(SIGNS)
    for path, made in ((FONT, font), (SIGNS, other)):
        print(f"{path.name}: {len(made.getBestCmap())} characters, {path.stat().st_size / 1e6:.2f} MB")
    lacking = sorted(c for c in shown_characters() if ord(c) not in there | other.getBestCmap())
    if lacking:
        print("in neither source font:", " ".join(f"{c} U+{ord(c):04X}" for c in lacking))


def keep(font: TTFont, characters: set[str], family: str, version: str) -> None:
    """Reduces a font to some characters and gives it a name of its own."""
    options = subset.Options(layout_features=["kern", "locl", "mark", "ccmp"], name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14])
    options.drop_tables += ["BASE", "VORG", "vhea", "vmtx", "FFTM"]  # for lines from top to bottom, and a date
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(sorted(characters)))
    subsetter.subset(font)
    compact = family.replace(" ", "")
    for number, name in {1: family, 3: f"{compact}-{version}", 4: family, 6: f"{compact}-Regular"}.items():
        font["name"].setName(name, number, 3, 1, 0x409)


if __name__ == "__main__":
    main()
