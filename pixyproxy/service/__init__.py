"""What the product does."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixyproxy.service.generating.generator import ImageGenerator

__all__ = ["ImageGenerator"]


def __getattr__(name: str) -> Any:
    """Import the specification's generator when it is asked for, which a server never does."""
    if name == "ImageGenerator":
        from pixyproxy.service.generating.generator import ImageGenerator  # noqa: PLC0415

        return ImageGenerator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
