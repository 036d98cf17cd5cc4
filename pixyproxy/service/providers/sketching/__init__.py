"""The art of the embedded generator: from a prompt's words to shapes on a canvas."""
