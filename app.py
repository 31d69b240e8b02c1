"""Serves the playground: `python app.py [--host HOST] [--port PORT]`."""

import argparse
import os
import socket
import sys

import playground.start  # noqa: F401 (prepares Gradio's import, so it comes before everything that imports Gradio)
from playground.shell import launch


def main() -> None:
    """Reads the command line, makes sure that the port is free, and serves until stopped."""
    parser = argparse.ArgumentParser(description="Lineage: language models, part by part.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=os.environ.get("GRADIO_SERVER_PORT", "7860"))
    chosen = parser.parse_args()
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    try:
        socket.create_server((chosen.host, chosen.port), family=family).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        sys.exit(f"Cannot serve on {chosen.host}, port {chosen.port}: {reason}. Choose another with --port.")
    launch(chosen.host, chosen.port)


if __name__ == "__main__":
    main()
