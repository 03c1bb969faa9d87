"""CycleGAN in the real window: the swipe line is dragged, a discriminator looked at, and the generator's layers opened from there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from desktop import Desktop
from program import Program
from test_explorer import PICTURES, opened, pane

from explorer.settings.session import OpenPanel, Settings, save_settings


@pytest.mark.timeout(400)
def test_a_picture_is_translated_judged_and_looked_into(
    start: Callable[..., Program], desktop: Desktop, out: Path
) -> None:
    fields = {"compare": "with a swipe line", "size": 96}
    save_settings(Settings(language="en", panels=(OpenPanel("cyclegan", 1, fields),)))
    program = opened(start(PICTURES / "lemur.jpg"))  # 1024 x 683 px

    swiped, heading = pane(program, "Left of the line your picture")
    left, top, width, height = swiped.rect
    below = heading.rect[1] + heading.rect[3]
    # The picture is in the middle of what is left under the title, the ring in the middle of the picture.
    x, y = left + width / 2, (below + top + height) / 2
    desktop.drag((x, y), (x - 120, y))
    desktop.screenshot(out / "cyclegan-swipe.png")

    desktop.key("n", "n", "n")  # to the discriminators
    pane(program, "real: ukiyo-e prints")
    fake, _ = pane(program, "fake: translated just now")
    x, y, width, height = fake.rect
    desktop.click(x + 0.5 * width, y + 0.5 * height)
    program.find(kind="QLabel", where=lambda place: "% taken for real" in place.text)
    desktop.screenshot(out / "cyclegan-discriminators.png")

    program.click(program.find(name="links_button"))
    menu = program.find(kind="QMenu", where=lambda menu: any(row.text == "Layers of G: A → B" for row in menu.rows))
    program.click(menu.row("Layers of G: A → B"))
    program.find(kind="QLabel", where=lambda place: place.text.startswith("model.1: 32 channels"), timeout=60)
    desktop.screenshot(out / "cyclegan-layers.png")

    desktop.key("ctrl+q")
    assert program.wait_end(60) == 0
    assert "Traceback" not in program.output
    saved = json.loads((program.home / "settings.json").read_text("utf-8"))["panels"]
    assert [one["name"] for one in saved] == ["cyclegan", "layers"]
    across, down = saved[0]["fields"]["swipe"]
    assert 50 < across < 450
    assert down == pytest.approx(341, abs=12)
    assert saved[0]["fields"]["place"] is not None
    assert saved[1]["fields"]["network"] == "cyclegan_ukiyoe/generator_ab"
