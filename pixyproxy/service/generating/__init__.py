"""From a request for images to its end: submitting, running, settling, following."""
