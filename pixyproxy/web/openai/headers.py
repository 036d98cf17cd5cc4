"""The headers of OpenAI's clients in browsers, which an origin is allowed to send and to read."""

ASKED_HEADERS = (
    "api-key",
    "OpenAI-Beta",
    "OpenAI-Organization",
    "OpenAI-Project",
    "User-Agent",
    *(
        f"X-Stainless-{name}"
        for name in (
            "Arch",
            "Async",
            "Custom-Poll-Interval",
            "Helper-Method",
            "Lang",
            "OS",
            "Package-Version",
            "Poll-Helper",
            "Raw-Response",
            "Read-Timeout",
            "Retry-Count",
            "Runtime",
            "Runtime-Version",
            "Stream-Helper",
            "Timeout",
        )
    ),
)
TOLD_HEADERS = ("openai-processing-ms", "retry-after-ms", "x-should-retry")
