"""The face `/v1`: OpenAI's images API, for every client that speaks it."""
