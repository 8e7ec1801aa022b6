"""Boards: what they are, and the project files that put a machine on one."""

from flows.boards.board import Board, Resources
from flows.boards.board_catalog import BOARDS, UnknownBoard, find

__all__ = ["BOARDS", "Board", "Resources", "UnknownBoard", "find"]
