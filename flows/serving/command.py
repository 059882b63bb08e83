"""The command ``serve``: what is needed is checked first, then uvicorn serves until it is told to stop."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from stages.errors import ProjectError
from stages.params import Serve, load_params

SHORTEST = 16
GRACE = 30


def serve(
    project: Path,
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    certfile: Path | None = None,
    keyfile: Path | None = None,
    anyone: bool = False,
    quiet: bool = False,
) -> None:
    """Serve the release of a project until SIGTERM or Ctrl-C; requests that came in are answered before it ends.

    Parameters
    ----------
    project : Path
        The project.
    host, port, workers : optional
        Where to listen and with how many processes, instead of ``deployment.serve``.
    certfile, keyfile : Path, optional
        Certificate and key, in PEM; with them it answers over TLS.
    anyone : bool
        Listen beyond this machine though no key is asked for.
    quiet : bool
        Tell only what goes wrong.

    Raises
    ------
    LoopwrightError
        If nothing is released, the log or the certificate cannot be used, the address cannot be listened at, or anyone
        could ask.
    KeyboardInterrupt
        After Ctrl-C, once everything is answered.
    """
    settings = load_params(project).deployment.serve
    told = {"host": host, "port": port, "workers": workers}
    settings = settings.model_copy(update={name: value for name, value in told.items() if value is not None})
    if settings.workers < 1:
        raise ProjectError(f"is {settings.workers}", where="--workers", expected="1 or more")
    key = _key(settings)
    if key is None and not anyone and not _stays_here(settings.host):
        raise ProjectError(
            "anyone who reaches this machine could ask the model",
            where=f"host {settings.host}",
            expected="a key: deployment.serve.api_key_env",
            todo="set it, or listen at 127.0.0.1; --allow-anyone serves without",
        )
    tls = _tls(certfile, keyfile)
    tell_to(quiet=quiet)
    listening = _listen(settings)
    try:
        _run(project, settings, key, listening, tls, quiet=quiet)
    finally:
        listening.close()


def tell_to(*, quiet: bool) -> None:
    """Let a process tell what it does, or only what goes wrong."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING if quiet else logging.INFO
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _run(
    project: Path, settings: Serve, key: str | None, listening: socket.socket, tls: dict[str, Path], *, quiet: bool
) -> None:
    import uvicorn

    from flows.serving.app import create_app

    app = create_app(project, settings, key)
    options: dict[str, Any] = {
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "lifespan": "on",
        "timeout_graceful_shutdown": GRACE,
        **tls,
    }
    # uvicorn ends by itself, and then raises the signal once more, for whoever was there before.
    signal.signal(signal.SIGTERM, _end)
    if not quiet:
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{'https' if tls else 'http'}://{shown}:{listening.getsockname()[1]}"
        print(f"serving release {app.version} at {address}, its description at {address}/docs", file=sys.stderr)
    if settings.workers == 1:
        uvicorn.Server(uvicorn.Config(app, **options)).run(sockets=[listening])
        return
    from flows.serving import workers

    del app  # each worker makes its own
    workers.run(project, settings, key, listening, quiet=quiet, options=options)


def _tls(certfile: Path | None, keyfile: Path | None) -> dict[str, Path]:
    """Return what uvicorn is told of a certificate, once it can be used; nothing where there is none."""
    if certfile is None and keyfile is None:
        return {}
    if certfile is None:
        raise ProjectError("a key without a certificate", where="--keyfile", expected="--certfile FILE beside it")
    files = {"ssl_certfile": certfile.resolve()} | ({} if keyfile is None else {"ssl_keyfile": keyfile.resolve()})
    for option, path in files.items():
        if not path.is_file():
            raise ProjectError("is no file", where=f"--{option.removeprefix('ssl_')} {path}", expected="a PEM file")
    try:
        # A key with a password would be asked for at the terminal, where nobody may sit.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password="")
    except OSError as error:  # an SSLError is one
        raise ProjectError(
            f"certificate and key cannot be used: {error.strerror or error}",
            where=" and ".join(str(path) for path in files.values()),
            expected="a certificate in PEM, and the key that belongs to it, without a password",
            todo="openssl x509 -in FILE -noout -text shows a certificate",
        ) from None
    return files


def _end(number: int, frame: FrameType | None) -> None:
    """Do nothing: the server has ended."""


def _key(settings: Serve) -> str | None:
    if settings.api_key_env is None:
        return None
    key = os.environ.get(settings.api_key_env, "")
    if len(key) < SHORTEST or not key.isascii() or not key.isprintable():
        raise ProjectError(
            "holds no key" if not key else "holds a key that is too short, or not of printable ASCII",
            where=f"environment variable {settings.api_key_env}",
            expected=f"at least {SHORTEST} characters",
            todo="set it, e.g. to what openssl rand -hex 32 prints",
        )
    return key


def _stays_here(host: str) -> bool:
    """Tell whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(settings: Serve) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen()  # who reads the address may ask at once, and waits until it answers
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise ProjectError(
            f"cannot be listened at: {error.strerror or error}",
            where=f"{settings.host} port {settings.port}",
            expected="a free address of this machine",
            todo="name another: --host, --port (0 takes a free one)",
        ) from None
    return listening
