#!/usr/bin/python3
"""In the place of MongoDB's shell: it asks whether the server answers, as the health check of compose.yaml does."""

import argparse
import sys

from pymongo import MongoClient
from pymongo.errors import PyMongoError

PING = "quit(db.adminCommand({ping: 1}).ok ? 0 : 1)"


def main() -> int:
    parser = argparse.ArgumentParser(description="The stand-in for mongosh.", allow_abbrev=False)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--eval", dest="script")
    known, others = parser.parse_known_args()
    if others or known.script != PING:
        sys.stderr.write(f"the stand-in for mongosh evaluates nothing but {PING}\n")
        return 2
    try:
        with MongoClient[dict[str, object]](
            known.host, 27017, directConnection=True, serverSelectionTimeoutMS=5000
        ) as it:
            return 0 if it.admin.command("ping")["ok"] else 1
    except PyMongoError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
