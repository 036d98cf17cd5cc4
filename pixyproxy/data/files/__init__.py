"""Files: where the bytes of images, and of images in other sizes, are kept."""
