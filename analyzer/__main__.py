"""``python -m analyzer`` is ``winrm-analyzer``."""

from analyzer.cli import main

main()
