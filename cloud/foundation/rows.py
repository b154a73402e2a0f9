"""What both stores mean by writing rows in bulk."""

from typing import Literal

type Clash = Literal["fail", "ignore", "replace"]
"""What becomes of a row whose key is known already."""
