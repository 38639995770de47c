"""Pullbacks and operators on disk: one safe file format, and a cache that finds them by their content."""

from manifoldconv.storage.cache import Cache, Entry, default_folder
from manifoldconv.storage.files import StoredFile, read_file, write_file
from manifoldconv.storage.keys import mesh_fingerprint, pullback_key
from manifoldconv.storage.pullbacks import load_pullback, save_pullback

__all__ = [
    "Cache",
    "Entry",
    "StoredFile",
    "default_folder",
    "load_pullback",
    "mesh_fingerprint",
    "pullback_key",
    "read_file",
    "save_pullback",
    "write_file",
]
