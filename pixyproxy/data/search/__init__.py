"""Search: what is asked of rows, and the postings that say which rows are worth asking."""
