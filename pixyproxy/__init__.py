"""PixyProxy: a proxy in front of image models that keeps every image and its prompt for good."""

__version__ = "0.1.0"
