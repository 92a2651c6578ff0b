#!/usr/bin/python3
"""SecantusDB (GPL-2.0) in the place of `mongod`, with what MongoDB's own image does at its start.

With MONGO_INITDB_ROOT_USERNAME and MONGO_INITDB_ROOT_PASSWORD, an empty data folder gets that administrator from a
server that only this container reaches, and the server then demands a login. The server is not run by root.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

DATA = Path("/data/db")
PREPARED = DATA / "administrator-created"
CONFIGURATION = "/etc/secantusd.toml"
"""Empty. Without a name of one, the server would read any that lies in its folder."""
PORT = 27017
SECONDS = 60
STOP_SECONDS = 15


def command(host: str, *options: str) -> list[str]:
    where = ["--host", host, "--port", str(PORT), "--storage-path", str(DATA), "--standalone"]
    return [sys.executable, "-m", "secantus", "--config", CONFIGURATION, *where, "--log-level", "WARNING", *options]


def create_administrator(name: str, password: str) -> None:
    """On a server without a login, which is stopped again. Raises PyMongoError."""
    server = subprocess.Popen(command("127.0.0.1"))
    try:
        address = f"mongodb://127.0.0.1:{PORT}/?directConnection=true&timeoutMS={SECONDS * 1000}"
        with MongoClient[dict[str, object]](address, serverSelectionTimeoutMS=SECONDS * 1000) as client:
            if not client.admin.command("usersInfo", name)["users"]:  # a start that was killed may have come this far
                client.admin.command("createUser", name, pwd=password, roles=[{"role": "root", "db": "admin"}])
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            sys.stderr.write("the server that prepares the first start does not end by itself: killed\n")
            server.kill()
            server.wait()
    PREPARED.write_text(time.strftime("%Y-%m-%dT%H:%M:%S%z\n"))
    sys.stderr.write("the administrator is created\n")


def give_up_root() -> None:
    """The data folder to the user `mongodb`, and this process too."""
    import pwd  # noqa: PLC0415  # Linux's; tests of the tools read this file elsewhere

    user = pwd.getpwnam("mongodb")
    for path in (DATA, *DATA.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def main() -> int:
    if sys.argv[1:2] != ["mongod"]:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # what was asked for, as the entry point of any image
    if sys.argv[2:]:
        sys.stderr.write(f"the stand-in for MongoDB has none of mongod's options: {' '.join(sys.argv[2:])}\n")
        return 2
    if os.geteuid() == 0:
        give_up_root()
    os.chdir(DATA)
    name, password = (os.environ.pop(f"MONGO_INITDB_ROOT_{which}", "") for which in ("USERNAME", "PASSWORD"))
    if name and password and not PREPARED.exists():
        try:
            create_administrator(name, password)
        except PyMongoError as error:
            sys.stderr.write(f"the stand-in for MongoDB could not create its administrator: {error}\n")
            return 1
    server = command(os.environ["LISTEN_ON"], *(["--auth"] if PREPARED.exists() else []))
    return os.execv(sys.executable, server)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
