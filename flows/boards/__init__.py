"""Boards: what they are, and the project files that put a machine on one."""

from .board import Board, Resources
from .catalog import BOARDS, UnknownBoard, find

__all__ = ["BOARDS", "Board", "Resources", "UnknownBoard", "find"]
