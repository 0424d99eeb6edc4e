"""Reports: what a run folder holds, as a page and as words on a terminal."""

from ranvier.report.html import write
from ranvier.report.player import player
from ranvier.report.schema import Results
from ranvier.report.terminal import compare, summary

__all__ = ["Results", "compare", "player", "summary", "write"]
