#!/usr/bin/env python3
"""Reads one JSON document from stdin and prints the named fields of it on one line.

    pomona run --json ... | fields.py extract.listed reduce.k      extract.listed=50 reduce.k=6
"""
import functools
import json
import sys


def main():
    document = json.load(sys.stdin)
    for name in sys.argv[1:]:
        value = functools.reduce(lambda at, key: at[key], name.split("."), document)
        print(f"{name}={value}", end=" ")
    print()


main()
