"""``rowmac build``: from a network to a folder with everything a board needs."""

import argparse
from typing import Any

from ..boards import UnknownBoard, find
from ..errors import UserError
from .paths import path

__all__ = ["HELP", "add_arguments", "run"]

HELP = "generate Verilog, project, program and memory image for a network on a board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Network, board, output folder."""
    parser.add_argument("network", type=path, metavar="NETWORK", help="ONNX file in QDQ form")
    parser.add_argument("--board", required=True, help="name of a board (see rowmac boards)")
    parser.add_argument(
        "--rows",
        metavar="CLASSES",
        help="number formats of the array's rows, such as fixed8:12,pot4:20 (fixed ones first)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        required=True,
        metavar="DIR",
        help="folder to make; if rowmac made it, its files are made anew",
    )


def run(options: argparse.Namespace) -> tuple[Any, int]:
    """Build; the result is the manifest."""
    try:
        board = find(options.board)
    except UnknownBoard as error:
        raise UserError(str(error)) from None
    from models.workloads import WORKLOADS

    from ..build import build

    if str(options.network) in WORKLOADS and not options.network.exists():
        raise UserError(
            f"network must be a file with weights, not the named workload {options.network} "
            "(which rowmac estimate takes)"
        )
    manifest = build(options.network, board, options.output, options.rows)
    if not options.json:
        machine, program = manifest["machine"], manifest["program"]
        print(f"{options.output}: {manifest['network']['name']} on {board.title}")
        print(
            f"  machine  {machine['macs_per_cycle']} MAC/cycle at {board.clock_mhz:g} MHz, "
            f"scratchpad {machine['scratchpad_bytes']:,} bytes"
        )
        print(
            f"  program  {program['descriptors']:,} descriptors, "
            f"memory image {program['image_bytes']:,} bytes"
        )
        for name, share in program["row_use"].items():
            print(f"  rows     {name} in use {100 * share:.0f} % of their time")
        print(f"  bitstream, where Vivado is installed:  {manifest['bitstream_command']}")
    return manifest, 0
