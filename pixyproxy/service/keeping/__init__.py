"""From bytes to a kept image: fetching them, describing them, keeping file and row."""
