"""Every capture that a folder of costly cases makes (``WINRM_CASES_THAT_COST``: a program ``cases.py`` with a table CASES of makers), at the size that stands
here, by the whole command: in 10 CPU seconds and 1 GB, and what was cut is said. A case that is not listed here fails.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.test_costs import ran

FOLDER = os.environ.get("WINRM_CASES_THAT_COST", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("WINRM_HOSTILE" not in os.environ or not FOLDER, reason="asks for seconds, and for a folder with cases.py: make hostile"),
]

SIZES = {
    "pcap_zeros": 20_000_000,
    "pcap_chain": 10_000_000,
    "gz_zeros": 2_000_000_000,
    "gz_packets": 2_000_000_000,
    "gz_kept": 2_500_000_000,
    "zstd_window": 31,
    "zstd_zeros": 31,
    "ng_interfaces": 10_000,
    "ng_million_interfaces": 1_000_000,
    "ng_sections": 200_000,
    "ng_comments": 200_000,
    "ng_odd": 1,
    "snap_games": 1,
    "clocks": 500,
    "syn_scan": 500_000,
    "syn_same": 500_000,
    "tiny_connections": 100_000,
    "reversed_bytes": 400_000,
    "every_second": 400_000,
    "snapped_stream": 100_000,
    "overlap_storm": 400,
    "wrap_storm": 300_000,
    "wrap_jumps": 300_000,
    "fragments": 20_000,
    "tunnels": 200,
    "same_tuple": 3_000,
    "line_spaces": 16,
    "status_spaces": 16,
    "folds": 10,
    "many_headers": 100_000,
    "long_header": 10_000_000,
    "pipelined": 100_000,
    "connects": 40_000,
    "chunks": 1_000_000,
    "chunks_segments": 200_000,
    "resume_storm": 3_000_000,
    "resume_lines": 300_000,
    "interims": 100_000,
    "rounds": 30_000,
    "auth_text": 20,
    "challenges_many": 1,
    "one_key": 30_000,
    "cdata": 40,
    "cdata_open": 200_000,
    "action_spaces": 200_000,
    "creation_spaces": 200_000,
    "attribute_word": 300_000,
    "selector": 200_000,
    "code_spaces": 100_000,
    "streams_many": 300_000,
    "words_many": 300_000,
    "gz_bodies": 100,
    "xpress_many": 10,
    "xpress_small": 20_000,
    "sldc": 240_000,
    "layers": 3,
    "pwd_target": 100_000,
    "pwd_command": 60_000,
    "pwd_output": 60_000,
    "clixml_deep": 500_000,
    "clixml_wide": 3_000_000,
    "clixml_dct": 60,
    "psrp_objects": 200_000,
    "psrp_odd": 1,
    "parts_many": 2_000,
    "tokens_odd": 1,
    "tls_records": 3_000,
    "http_odd": 1,
    "tls_tiny_records": 300_000,
    "tls_junk": 5_000_000,
    "tls_hello_again": 20_000,
    "arguments_many": 40_000,
    "folds_one": 200_000,
    "zip_of_many": 3_000,
    "big_output": 30_000_000,
    "many_commands": 200_000,
}
"""Each case, and how many of what it is made of."""


def _program() -> Path:
    return Path(FOLDER, "cases.py")


def test_no_case_is_left_out() -> None:
    listed = subprocess.run((sys.executable, str(_program())), capture_output=True, text=True, check=True).stdout.splitlines()
    assert {line.partition(" ")[0] for line in listed} == set(SIZES), "a case that is new has to be listed here, and run"


@pytest.mark.parametrize("name", SIZES)
def test_a_case_costs_no_more(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.pcap"
    subprocess.run((sys.executable, str(_program()), name, str(path), str(SIZES[name])), check=True)
    assert ran("analyze", str(path))
    path.unlink()
