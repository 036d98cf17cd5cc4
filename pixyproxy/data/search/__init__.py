"""Search: the rows of images decide what is found; postings say which rows are worth asking.

The newest images are simply asked row by row, in SQL. Older ones are put into *blocks*, ranges of
ids, once. For each *term* (a word, a tag, a day ...) a block has *postings*: which of its images
have it, as bits. A *plan* combines the postings of a search into the images of a block that may
do, and only their rows are asked. Postings may let through too many images, never too few, so a
search gives the same answer with and without them.

- `criteria`: what each criterion demands of a row, and which postings it needs
- `texts`: the same for queries in words
- `conditions`: what rows must meet, as SQL with named parameters
- `plan`: how postings are combined
- `postings`: the terms of an image, and how postings are built and stored
- `reading`: the postings of many blocks, read at once
- `index`: finds and counts images
- `blocks`: makes blocks and keeps them true
"""
