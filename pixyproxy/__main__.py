"""Makes `python -m pixyproxy` the same as `pixyproxy`."""

from pixyproxy.cli import main

main()
