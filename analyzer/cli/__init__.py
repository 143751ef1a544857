"""The command line: `start` is where it begins and ends, `commands` what it parses, `analysis` what it does."""
