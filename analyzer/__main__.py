"""``python -m analyzer`` is ``winrm-analyzer``."""

from analyzer.cli.start import main

main()
