"""Taking images in and out: exports, their import, and the import of other tools' pictures."""
