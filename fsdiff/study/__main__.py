"""The command ``python -m fsdiff.study``."""

import argparse
import json
import sys
from collections.abc import Sequence

from fsdiff.errors import Error
from fsdiff.jobs.atomic import atomic
from fsdiff.study import results
from fsdiff.study.reading import load
from fsdiff.study.reference import reference
from fsdiff.study.schema import json_schema
from fsdiff.study.sizes import remarks_on_data, remarks_on_size

DESCRIPTION = """\
check FILE …            say what is wrong with a configuration, or how large its study is; the last
                        of several files wins
clean STUDY …           list files of results and logs that none of the studies names, with their
                        sizes; --delete removes them
adopt STUDY …           keep results that were copied, or whose folder .snakemake was lost, where
                        they are whole and were made from just what the study says

A study of several files is written a.yaml+b.yaml. clean and adopt run where the workflow runs.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check configurations, or look after their results; 1 where there are problems."""
    parser = argparse.ArgumentParser(
        prog="python -m fsdiff.study",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=["check", "clean", "adopt"])
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--delete", action="store_true", help="remove what clean lists")
    parser.add_argument("--schema", metavar="FILE", help="write the JSON Schema to this file")
    parser.add_argument("--reference", metavar="FILE", help="write the reference in Markdown")
    options = parser.parse_intermixed_args(arguments)
    if not (options.schema or options.reference or options.files):
        parser.error("give 'check FILE', 'clean STUDY', 'adopt STUDY', --schema or --reference")
    if options.delete and options.command != "clean":
        parser.error("--delete is for 'clean'")
    if options.schema:
        _write(options.schema, json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    if options.reference:
        _write(options.reference, reference())
    try:
        if options.command == "clean":
            results.clean_up(options.files, delete=options.delete)
        elif options.command == "adopt":
            results.keep(options.files)
        elif options.files:
            _check(options.files)
    except Error as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _check(files: Sequence[str]) -> None:
    """Say how large a study is and what is remarkable about its data."""
    study = load(*(part for file in files for part in results.files_of(file)))
    for line in remarks_on_size(study):
        print(line)
    for line in remarks_on_data(study):
        print(line, file=sys.stderr)


def _write(path: str, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
