"""The command `anthrofs path`."""

import json
from pathlib import Path

from anthrofs.cli import output, past_words
from anthrofs.cli.common_options import JSON
from anthrofs.cli.syntax import argument, command, flag, option
from anthrofs.client import asking
from anthrofs.errors import SetupError


@command("path", argument("ids", "File ids.", count="+"),
         option("--in", "directory", "DIR", "The mount point; all mounts, without.", Path),
         flag("--follow", "follow", "Of an id that was replaced, the path of what has taken its place by now."), JSON)
def show_path(ids: list[str], directory: Path | None, follow: bool, as_json: bool) -> None:
    """Where the file of each id is, one path a line; or what became of it."""
    answers, silent = asking.ask_all(directory, "paths", file_ids=ids)
    found, fates = dict[str, str](), dict[str, str]()
    for root, answer in answers.items():
        found |= {file_id: str(root / path) for file_id, path in answer["paths"].items() if file_id not in found}
        for file_id, told in answer.get("past", {}).items():        # a mount of an earlier version doesn't tell
            fates.setdefault(file_id, past_words.fate(root, file_id, told))
            if follow and told["last"]["path"] is not None:
                found.setdefault(file_id, str(root / told["last"]["path"]))
    if as_json:
        output.put(json.dumps(found))
    elif found:
        output.show_to_programs(*(found[file_id] for file_id in ids if file_id in found))
    if missing := [file_id for file_id in ids if file_id not in found]:
        where = f"In no mount{' on ' + str(directory) if directory else ''}"
        strange = ", ".join(file_id for file_id in missing if file_id not in fates)
        raise SetupError("\n".join([*(fates[file_id] for file_id in missing if file_id in fates),
                                    *([f"{where}: {strange}. If it is new: anthrofs refresh DIR."] if strange else []),
                                    *silent]))
