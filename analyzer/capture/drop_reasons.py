"""Why Windows drops a packet, as Packet Monitor numbers it (PKTMON_DROP_REASON of the Windows SDK, its names without their prefix)."""

_RUNS = {
    0: "Unspecified InvalidData InvalidPacket Resources NotReady Disconnected NotAccepted Busy Filtered FilteredVLAN UnauthorizedVLAN UnauthorizedMAC "
    "FailedSecurityPolicy FailedPvlanSetting Qos Ipsec MacSpoofing DhcpGuard RouterGuard BridgeReserved VirtualSubnetId RequiredExtensionMissing InvalidConfig "
    "MTUMismatch NativeFwdingReq InvalidVlanFormat InvalidDestMac InvalidSourceMac InvalidFirstNBTooSmall Wnv StormLimit InjectedIcmp "
    "FailedDestinationListUpdate NicDisabled FailedPacketFilter SwitchDataFlowDisabled FilteredIsolationUntagged InvalidPDQueue LowPower",
    201: "Pause Reset SendAborted ProtocolNotBound Failure InvalidLength HostOutOfMemory FrameTooLong FrameTooShort FrameLengthError CrcError "
    "BadFrameChecksum FcsError SymbolError HeadQTimeout StalledDiscard RxQFull PhysLayerError DmaError FirmwareError DecryptionFailed BadSignature "
    "CoalescingError",
    225: "VlanSpoofing UnallowedEtherType VportDown SteeringMismatch",
    401: "MicroportError VfNotReady MicroportNotReady VMBusError",
    601: "FL_LoopbackPacket FL_InvalidSnapHeader FL_InvalidEthernetType FL_InvalidPacketLength FL_HeaderNotContiguous FL_InvalidDestinationType "
    "FL_InterfaceNotReady FL_ProviderNotReady FL_InvalidLsoInfo FL_InvalidUsoInfo FL_InvalidMedium FL_InvalidArpHeader FL_NoClientInterface "
    "FL_TooManyNetBuffers FL_FlsNpiClientDrop",
    701: "ArpGuard ArpLimiter DhcpLimiter BlockBroadcast BlockNonIp ArpFilter Ipv4Guard Ipv6Guard MacGuard BroadcastNoDestinations UnicastNoDestination "
    "UnicastPortNotReady SwitchCallbackFailed Icmpv6Limiter Intercept InterceptBlock NDPGuard PortBlocked NicSuspended",
    901: "NL_BadSourceAddress NL_NotLocallyDestined NL_ProtocolUnreachable NL_PortUnreachable NL_BadLength NL_MalformedHeader NL_NoRoute NL_BeyondScope "
    "NL_InspectionDrop NL_TooManyDecapsulations NL_AdministrativelyProhibited NL_BadChecksum NL_ReceivePathMax NL_HopLimitExceeded NL_AddressUnreachable "
    "NL_RscPacket NL_ForwardPathMax NL_ArbitrationUnhandled NL_InspectionAbsorb NL_DontFragmentMtuExceeded NL_BufferLengthExceeded "
    "NL_AddressResolutionTimeout NL_AddressResolutionFailure NL_IpsecFailure NL_ExtensionHeadersFailure NL_IpsnpiClientDrop NL_UnsupportedOffload "
    "NL_RoutingFailure NL_AncillaryDataFailure NL_RawDataFailure NL_SessionStateFailure",
    944: "NL_InternalError NL_AdministrativelyConfigured NL_BadOption NL_LoopbackDisallowed NL_SmallerScope NL_QueueFull NL_InterfaceDisabled",
    1200: "INET_SourceUnspecified INET_DestinationMulticast INET_HeaderInvalid INET_ChecksumInvalid INET_EndpointNotFound INET_ConnectedPath "
    "INET_SessionState INET_ReceiveInspection INET_AckInvalid INET_ExpectedSyn INET_Rst INET_SynRcvdSyn INET_SimultaneousConnect INET_PawsFailed "
    "INET_LandAttack INET_MissedReset INET_OutsideWindow INET_DuplicateSegment INET_ClosedWindow INET_TcbRemoved INET_FinWait2 INET_ReassemblyConflict "
    "INET_FinReceived INET_ListenerInvalidFlags INET_TcbNotInTcbTable INET_TimeWaitTcbReceivedRstOutsideWindow INET_TimeWaitTcbSynAndOtherFlags "
    "INET_TimeWaitTcb INET_SynAckWithFastopenCookieRequest INET_PauseAccept INET_SynAttack INET_AcceptInspection INET_AcceptRedirection",
    1401: "Ipsec_BadSpi Ipsec_SALifetimeExpired Ipsec_WrongSA Ipsec_ReplayCheckFailed Ipsec_InvalidPacket Ipsec_IntegrityCheckFailed Ipsec_ClearTextDrop "
    "Ipsec_AuthFirewallDrop Ipsec_ThrottleDrop",
}
REASONS = {first + place: name for first, names in _RUNS.items() for place, name in enumerate(names.split())}


def reason(code: int) -> str:
    """The name of a reason; ``reason 4711`` for one that has none here."""
    return REASONS.get(code) or f"reason {code}"
