"""The command ``python -m fsdiff.study``."""

import argparse
import json
import sys
from collections.abc import Sequence

from fsdiff.jobs.atomic import atomic
from fsdiff.study.reading import ConfigurationError, load
from fsdiff.study.schema import json_schema
from fsdiff.study.sizes import told


def main(arguments: Sequence[str] | None = None) -> int:
    """Check configuration files, merged, or write the schema; 1 where there are problems."""
    parser = argparse.ArgumentParser(prog="python -m fsdiff.study", description=main.__doc__)
    parser.add_argument("--schema", metavar="FILE", help="write the JSON Schema to this file")
    parser.add_argument("command", nargs="?", choices=["check"])
    parser.add_argument("files", nargs="*", help="the configuration to check; the last one wins")
    options = parser.parse_args(arguments)
    if options.schema is None and not options.files:
        parser.error("give 'check FILE' or '--schema FILE'")
    if options.schema is not None:
        with atomic(options.schema) as temporary:
            text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
    if options.files:
        try:
            study = load(*options.files)
        except ConfigurationError as error:
            print(error, file=sys.stderr)
            return 1
        for line in told(study):
            print(line)
        for name, dataset in study.datasets.items():
            for remark in dataset.source.part.remarks:
                print(f"datasets.{name}.source: {remark}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
