"""Reading kept images: their details, their bytes, and the same in other sizes and formats."""
