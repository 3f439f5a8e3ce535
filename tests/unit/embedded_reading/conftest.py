"""What can be tested here: without a C compiler nothing is compiled."""

from mainstem.engines.embedded.native import build

collect_ignore = [] if build.compiler() else ["test_blocks.py"]
