"""The file browsers that tests move with the mouse: what each is set to, and what its windows and dialogs are called.

Each shows a folder as lines, an icon and a name in each, folders first, on white; and nothing beside that.
"""

from dataclasses import dataclass
from typing import Final

WIDTH, HEIGHT = 460, 360        # of a window
# GTK 3's theme leaves files on its own grey, and shades the sides of what can't be scrolled.
_COLOURS: Final = (".config/gtk-3.0/gtk.css",
                   "scrolledwindow, .view { background-color: white; } overshoot, undershoot { background: none; border: none; box-shadow: none; }")

_PCMANFM: Final = f"""
[ui]
win_width={WIDTH}
win_height={HEIGHT}
side_pane_mode=hidden;places
view_mode=compact
show_hidden=1
"""
_THUNAR: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<channel name="thunar" version="1.0">
  <property name="last-view" type="string" value="ThunarCompactView"/>
  <property name="last-side-pane" type="string" value="void"/>
  <property name="last-menubar-visible" type="bool" value="false"/>
  <property name="last-location-bar" type="string" value="void"/>
  <property name="last-statusbar-visible" type="bool" value="false"/>
  <property name="last-window-width" type="int" value="{WIDTH}"/>
  <property name="last-window-height" type="int" value="{HEIGHT}"/>
  <property name="last-show-hidden" type="bool" value="true"/>
  <property name="last-compact-view-zoom-level" type="string" value="THUNAR_ZOOM_LEVEL_25_PERCENT"/>
  <property name="misc-show-delete-action" type="bool" value="true"/>
</channel>
"""

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A dialog, and the keys, as xdotool has them, that say yes to it."""

    title: str          # {}: the file that it is about
    keys: Keys = ("Return",)


@dataclass(frozen=True, slots=True)
class Program:
    """A file browser."""

    command: Keys
    another: Keys                       # for a further window
    title: str                          # of a window on a folder called {}
    settings: tuple[tuple[str, str], ...]       # files of its home
    needs_bus: bool
    replaces: Answer                    # to whether a file that is there is to be replaced
    deletes: tuple[Answer, ...]         # to whether a file is to be deleted, after the key Delete
    renames: Answer                     # the new name is typed before
    makes_folder: Answer                # its name is typed before
    tells: Answer                       # of an error


PCMANFM: Final = Program(
    ("pcmanfm",), ("pcmanfm", "--new-win"), "{}", ((".config/pcmanfm/default/pcmanfm.conf", _PCMANFM), _COLOURS), needs_bus=False,
    replaces=Answer("Confirm File Replacing", ("shift+Tab", "Return")),         # to the last button, which is "Overwrite"
    deletes=(Answer("Confirm"), Answer("Confirm")), renames=Answer("Rename File"), makes_folder=Answer("Creating New Folder"),
    tells=Answer("Finished", ("Escape",)))
THUNAR: Final = Program(
    ("thunar",), ("thunar",), "{} - Thunar", ((".config/xfce4/xfconf/xfce-perchannel-xml/thunar.xml", _THUNAR), _COLOURS), needs_bus=True,
    replaces=Answer("Confirm to replace files", ("alt+r",)), deletes=(Answer("Attention"),), renames=Answer('Rename "{}"'),
    makes_folder=Answer("Create New Folder"), tells=Answer("Attention", ("Escape",)))
