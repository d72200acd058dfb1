"""More arrays for a folder that was committed, which is never seen without some of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from .array_folder import CONTENTS, Folder, FolderWriter, crc_of, sync


class FolderAddition(FolderWriter):
    """Adds arrays to a folder that was committed: until `commit()` the folder is what it was, then it has them too."""

    def commit(self, facts: Mapping[str, object]) -> None:
        """Move the arrays into the folder, and replace its table of contents by one with `facts` that names them."""
        before = Folder(self.path)
        arrays, files = before._arrays | self._arrays, before._files | self._files
        contents: dict[str, object] = {"facts": dict(facts), "arrays": arrays, "files": files}
        contents["crc"] = crc_of(contents)
        for file in self.temporary.iterdir():
            sync(file)
            os.replace(file, self.path / file.name)
        listed = self.temporary / CONTENTS
        listed.write_text(json.dumps(contents, indent=1, sort_keys=True), encoding="utf-8")
        sync(listed)
        os.replace(listed, self.path / CONTENTS)
        sync(self.path)
        self.temporary.rmdir()
