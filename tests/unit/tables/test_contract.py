"""The public names: the contract's columns, in its order, and the document made of the declarations."""

from pathlib import Path

import pytest

from analyzer.records.result import Result
from analyzer.tables.column import Dtype
from analyzer.tables.document import document
from analyzer.tables.registry import TABLES, AnyTable, table_named
from tests.build import evidence as build

CONTRACT = {
    "captures": "capture path format link_types size_bytes sha256 packets first_time last_time snaplen clock_offset_s winrm_connections",
    "connections": (
        "connection_id capture community_id client_ip client_port server_ip server_port first_time last_time role protocol route_id exchanges client_bytes "
        "server_bytes missing_client_bytes missing_server_bytes retransmitted_packets out_of_order_packets close closed_by seconds_after_last_response "
        "user_agent server_product"
    ),
    "conflicts": (
        "conflict_id connection_id exchange_id sender stream_at size_bytes choice used_sha256 other_sha256 kept_bytes used_packets other_packets capture "
        "packets"
    ),
    "tls": (
        "connection_id capture winrm client_ip client_port server_ip server_port first_time server_name wanted_name "
        "handshake versions_offered ciphers_offered version cipher application_protocol ja3 ja4 opened "
        "certificate_subject certificate_issuer certificate_names certificate_not_before certificate_not_after "
        "certificate_validity name_matches self_signed server_use certificate_key certificate_signature "
        "chain_length certificate_sha256 client_certificate client_certificate_subject "
        "alert alert_number alert_level alert_by alert_packet alerts clear_answer close closed_by packets"
    ),
    "exchanges": (
        "exchange_id connection_id position request_time response_time latency_s method target host request_version response_version status auth_scheme "
        "mechanism auth_step proxy_auth_scheme request_protection response_protection request_bytes response_bytes content_type user_agent via "
        "forwarded_for action quality"
    ),
    "hops": "client_exchange_id upstream_exchange_id client_connection_id upstream_connection_id basis confidence proxy_delay_s header_changes",
    "authentications": (
        "authentication_id connection_id first_exchange_id last_exchange_id audience scheme mechanism outcome round_trips duration_s user domain workstation "
        "target_name spn realm ntlm_version etype signing sealing mic channel_binding server_name server_os_build secret_tag"
    ),
    "messages": (
        "message_id exchange_id direction time protection opened opened_absent secret_used check size_bytes action resource_uri soap_message_id relates_to "
        "session_id shell_id command_id fault_code fault_meaning"
    ),
    "keys": "tag kind file account fits authentications connections capture messages reason entries",
    "shells": "shell_id kind user client_ip server_ip first_time last_time connections commands",
    "commands": "command_id shell_id kind text text_decoded time end_time duration_s exit_code state stdout_bytes stderr_bytes user",
    "streams": "command_id time stream position text size_bytes",
    "files": "sha256 time direction name kind size_bytes complete missing_bytes missing_at verified checks method shell_id server_ip command_ids",
    "operations": (
        "operation_id connection_id time seconds client_ip server_ip operation namespace class method query selectors arguments returned return_value "
        "instances instances_returned enumeration_id touches changes status fault_code user asked_as ran_as complete resource_uri capture packets"
    ),
    "subscriptions": (
        "subscription_id subscription time source_ip collector_ip machine initiated_by delivery_mode query bookmarks existing_events heartbeat_s latency_s "
        "most_events content_format compression deliver_to times exchanges complete capture packets"
    ),
    "deliveries": (
        "delivery_id connection_id time seconds kind source_ip collector_ip machine subscription_id subscription events bookmarks acknowledged again reason "
        "compressed protection path status fault_code user complete capture packets"
    ),
    "events": (
        "forwarded_id time computer channel event_id provider record level user_sid process_id thread_id data message task subscription_id subscription "
        "delivery_id sent_time source_ip collector_ip again skipped complete connection_id capture packets"
    ),
    "drops": "capture packet connection_id time reason reason_code component component_name direction location",
    "proxies": (
        "proxy_ip kind product client_connections upstream_connections exchanges http_1_1 connection_authentication keeps_open_after_success "
        "connection_persistence affinity encryption_enforced proxy_auth_over_https no_foreign_request"
    ),
    "parties": "party_id kind endpoints names product product_evidence certainty",
    "hosts": "address name name_source roles names names_elsewhere party_ids capture packets",
    "names": "address name source said_by by_anyone elsewhere times capture packets",
    "clocks": "party_id kind endpoints capture ahead_s error_s steady basis first_time last_time packets",
    "host_events": (
        "host_event_id time computer address channel event_id record joined subject basis confidence apart_s process_id parent_id image command_line user "
        "data capture packets file place"
    ),
    "logons": ("logon_id client_connection_id server_connection_ids audience mechanism user domain user_source outcome reason round_trips seconds certainty"),
    "requests": "request_id fate stopped_at status fault_code forwarded_as asked_as ran_as seconds certainty",
    "findings": (
        "finding_id rule severity confidence time end_time subject title why connections exchanges packets filter advice reference attack user source "
        "destination"
    ),
    "incidents": "incident_id rule owner party_id severity title clients clients_total first_time last_time findings cost_s explained_by",
    "issues": "code level record capture packet detail repeats",
    "timeline": "time timestamp_desc message severity user source destination table record",
}
EVERY_RESULT = [build.direct(), build.proxied(), build.nothing(), build.hostile("x\x1b")]
PYTHON_TYPES = {Dtype.TEXT: str, Dtype.INTEGER: int, Dtype.NUMBER: float, Dtype.FLAG: bool, Dtype.TIME: int}


def test_the_tables_are_those_of_the_contract() -> None:
    assert [table.name for table in TABLES] == list(CONTRACT)


@pytest.mark.parametrize("name", CONTRACT)
def test_no_column_of_the_contract_is_missing_or_moved(name: str) -> None:
    columns = CONTRACT[name].split()
    assert list(table_named(name).names[: len(columns)]) == columns


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_declarations_are_whole(table: AnyTable) -> None:
    assert len(set(table.names)) == len(table.names)
    assert set(table.screen) <= set(table.names)
    assert all(column.means.endswith(".") and "|" not in column.means for column in table.columns)
    assert "capture" in table.names


@pytest.mark.parametrize("result", EVERY_RESULT)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_cells_have_the_declared_type(table: AnyTable, result: Result) -> None:
    for row in table.values(result):
        for column, value in zip(table.columns, row, strict=True):
            assert value is None or type(value) is PYTHON_TYPES[column.dtype], f"{column.name}: {value!r}"


def test_the_document_is_up_to_date() -> None:
    path = Path(__file__).parents[3] / "docs" / "tables.md"
    assert path.read_text(encoding="utf-8") == document(), "run: python -m analyzer.tables.document > docs/tables.md"
