"""Names of providers of events that traces around WinRM hold, by their ids, for a sentence about a trace without packets."""

from uuid import UUID

_NAMES = {
    "a7975c8f-ac13-49f1-87da-5a984a4ab417": "Microsoft-Windows-WinRM",
    "a0c1853b-5c40-4b15-8766-3cf1c58f985a": "Microsoft-Windows-PowerShell",
    "2ed6006e-4729-4609-b423-3ee7bcd678ef": "Microsoft-Windows-NDIS-PacketCapture",
    "4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac": "Microsoft-Windows-PktMon",
    "2f07e2ee-15db-40f1-90ef-9d7ba282188a": "Microsoft-Windows-TCPIP",
    "dd5ef90a-6398-47a4-ad34-4dcecdef795f": "Microsoft-Windows-HttpService",
    "7d44233d-3055-4b9c-ba64-0d47ca40a232": "Microsoft-Windows-WinHttp",
    "50b3e73c-9370-461d-bb9f-26f32d68887d": "Microsoft-Windows-WebIO",
    "43d1a55c-76d6-4f7e-995c-64c711e5cafe": "Microsoft-Windows-WinINet",
    "e53c6823-7bb8-44bb-90dc-3f86090d48a6": "Microsoft-Windows-Winsock-AFD",
    "1c95126e-7eea-49a9-a3fe-a378b03ddb4d": "Microsoft-Windows-DNS-Client",
    "22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716": "Microsoft-Windows-Kernel-Process",
    "7dd42a49-5329-4832-8dfd-43d979153a88": "Microsoft-Windows-Kernel-Network",
    "b675ec37-bdb6-4648-bc92-f3fdc74d3ca2": "Microsoft-Windows-Kernel-EventTracing",
    "2a576b87-09a7-520e-c21a-4942f0271d67": "Microsoft-Antimalware-Scan-Interface",
    "68fdd900-4a3e-11d1-84f4-0000f80464e3": "EventTrace",
}
NAMES = {UUID(identity).bytes_le: name for identity, name in _NAMES.items()}
"""As the bytes that an event has."""
