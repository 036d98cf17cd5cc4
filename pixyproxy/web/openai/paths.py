"""Where this face is found: at OpenAI's own paths, and at Azure's forms of them."""

V1 = "/v1"
AZURE_V1 = "/openai/v1"
AZURE_DEPLOYMENTS = "/openai/deployments"
_ROOTS = (V1, "/openai")


def is_openai_path(path: str) -> bool:
    """Whether what is answered at `path`, were it an error, has OpenAI's shape."""
    return path.startswith(_ROOTS) and any(
        path == root or path.startswith(f"{root}/") for root in _ROOTS
    )
