"""Errors whose message is one sentence for a person, kept as a template so that a program can say it in another language."""

from typing import Any


class SentenceError(RuntimeError):
    """One sentence.

    Args:
        text: the English sentence, with ``{names}`` where values go.
        values: what fills them.
    """

    def __init__(self, text: str, /, **values: Any) -> None:
        self.text = text
        self.values = values
        super().__init__(text.format(**values) if values else text)

    @property
    def sentences(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Template and values, as a program that translates wants them."""
        return ((self.text, self.values),)
