"""The life of kept images: tags, deletion, and what is done in the background."""
