"""``python -m analyzer`` is ``winrm-analyzer``."""

from analyzer.start import main

main()
