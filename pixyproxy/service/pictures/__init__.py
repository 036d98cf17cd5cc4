"""What is known from an image's bytes: format, size, pixels, placeholder, provenance."""
