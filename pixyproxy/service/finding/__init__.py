"""Finding kept images: lists, searches, cursors."""
