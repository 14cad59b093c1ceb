"""A store as fsspec reaches one, kept in a folder: objects with entity tags, written whole, that can be made to fail.

`python -m tests.stores FOLDER …` is `preflight …` where `s3://` leads to that folder, as does `oss://`, whose files can
be seen while they are written.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any, ClassVar

import fsspec  # type: ignore[import-untyped]

from preflight.cli import main

#: A file of the store's folder: while it is there, every writing ends in its middle.
REFUSES = "refuses"
#: The same, to which each reading and writing adds a line.
LOG = "log"


class Store(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Objects in a folder."""

    protocol = ("s3", "oss")
    root: ClassVar[Path]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """What a client asks before it reads."""
        file = self._file(path)
        if file.is_dir():
            return {"name": path, "size": 0, "type": "directory"}
        if not file.exists():
            raise FileNotFoundError(path)
        data = file.read_bytes()
        return {"name": path, "size": len(data), "type": "file", "ETag": f'"{hashlib.md5(data).hexdigest()}"'}  # noqa: S324

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        """Write an object: all at once, where its key does not tell that it is a temporary one."""
        data, file = Path(lpath).read_bytes(), self._file(rpath)
        self._note("put", rpath)
        if (self.root / REFUSES).exists():
            if file.suffix == ".tmp":
                file.write_bytes(data[: len(data) // 2])
            raise PermissionError(f"Access Denied for AKIDEXAMPLE12345:{'s' * 40}@{rpath}\nand more")
        file.write_bytes(data)

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        """Give a file another name."""
        self._note("mv", path1, path2)
        self._file(path1).replace(self._file(path2))

    def rm_file(self, path: str) -> None:
        """Delete one."""
        self._note("rm", path)
        self._file(path).unlink()

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        assert mode == "rb", "whoever writes so shows half of it"
        self._note("get", path)
        return self._file(path).open("rb")

    def _file(self, path: str) -> Path:
        return self.root / str(self._strip_protocol(path))

    def _note(self, *words: str) -> None:
        with (self.root / LOG).open("a", encoding="utf-8") as log:
            log.write(" ".join(words) + "\n")


def register(root: Path) -> None:
    """Have `s3://` and `oss://` lead to this folder."""
    Store.root = root
    Store.clear_instance_cache()
    for protocol in Store.protocol:
        fsspec.register_implementation(protocol, Store, clobber=True)


if __name__ == "__main__":
    register(Path(sys.argv[1]))
    main(sys.argv[2:])
